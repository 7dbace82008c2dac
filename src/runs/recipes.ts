// The recipes that come with this package and make one run each: what they are about, what they need, what can be set.
//
// A page may not make this machine run programs or read files of its choice: it picks recipes by name, bases by the
// name of a run, data within one folder, and what it sets may not name a file. The command line may do all of that.
import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join, normalize, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { presetNames } from '../model/index.ts';
import { resolveRl } from '../rl/index.ts';
import { ApiError } from '../server/index.ts';
import { bundledTasks, templateNames } from '../tasks/index.ts';
import { type PretrainRecipe, recipeFiles, resolvePretrain } from '../train/index.ts';
import type { RecipeSummary } from './protocol.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The first paragraph of the comment a file begins with. It is kept by the compiler where an empty line follows it. */
function aboutIn(source: string): string {
  const lines = source.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('// '));
  return lines
    .slice(0, end)
    .map((line) => line.slice(3))
    .join(' ');
}

/** Numbers, words and flags with their paths; lists and null beside them are left out. */
function choicesIn(fields: Fields, above = ''): RecipeSummary['choices'] {
  return Object.entries(fields).flatMap(([name, value]) => {
    const path = above === '' ? name : `${above}.${name}`;
    if (['number', 'string', 'boolean'].includes(typeof value)) return [{ path, value: value as string | number }];
    const isGroup = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isGroup ? choicesIn(value as Fields, path) : [];
  });
}

const settled: readonly string[] = ['model', 'data', 'initial', 'tasks'];

function describe(name: string, about: string, recipe: Fields): RecipeSummary | null {
  const own = (resolved: Fields) =>
    choicesIn(resolved).filter(({ path }) => !settled.includes(path.split('.')[0] ?? ''));
  if ('traces' in recipe) return null; // a distillation needs two models, which the command line names
  if ('tasks' in recipe) {
    const resolved = resolveRl({ model: '', ...recipe });
    return { name, kind: 'reinforcement', about, needs: 'model' in recipe ? [] : ['model'], choices: own(resolved) };
  }
  if (!('model' in recipe)) return null; // an ablation, or a recipe of recipes: several runs
  const { data = {} } = recipe as PretrainRecipe;
  const resolved = resolvePretrain({ ...(recipe as PretrainRecipe), data: { inputs: [''], ...data } });
  return { name, kind: 'pretraining', about, needs: data.inputs ? [] : ['data'], choices: own(resolved) };
}

let found: Promise<readonly RecipeSummary[]> | undefined;

async function readRecipes(): Promise<readonly RecipeSummary[]> {
  const read = recipeFiles().map(async ({ name, path }) => {
    const { recipe } = (await import(pathToFileURL(path).href)) as { recipe?: Fields };
    return recipe ? describe(name, aboutIn(readFileSync(path, 'utf8')), recipe) : null;
  });
  return (await Promise.all(read)).filter((recipe) => recipe !== null);
}

/** Recipes of one run that are shipped, read once. */
export function shippedRecipes(): Promise<readonly RecipeSummary[]> {
  found ??= readRecipes();
  return found;
}

/** Throws ApiError 404. */
export async function recipeNamed(name: string): Promise<RecipeSummary> {
  const recipes = await shippedRecipes();
  const recipe = recipes.find((each) => each.name === name);
  if (recipe) return recipe;
  const known = recipes.map((each) => each.name).join(', ');
  throw new ApiError(404, `there is no recipe ${JSON.stringify(name)}: choose one of ${known}`, { param: 'recipe' });
}

const words: ReadonlySet<string> = new Set([
  ...bundledTasks.keys(),
  ...presetNames,
  ...templateNames,
  ...['characters', 'bytes', 'packed', 'windows'],
]);
/** Where a text may name a file, a folder or a program. */
const naming: ReadonlySet<string> = new Set(['model', 'initial', 'data', 'tasks']);

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

/** Throws ApiError 422 for what is no assignment, and for one that names a file. */
export function checkAssignment(text: string): void {
  const [, path = '', value = ''] = /^([A-Za-z]\w*(?:\.\w+)*)=(.*)$/s.exec(text) ?? [];
  const refuse = (problem: string): never => {
    throw new ApiError(422, `set: ${JSON.stringify(text.slice(0, 200))} ${problem}`, { param: 'set' });
  };
  if (path === '') refuse('is no path=value: write it as in schedule.learningRate=3e-4');
  if (!naming.has(path.split('.')[0])) return;
  let parsed: unknown = value;
  try {
    parsed = JSON.parse(value);
  } catch {
    // a word, as it stands
  }
  const foreign = textsIn(parsed).find((each) => !words.has(each));
  if (foreign !== undefined) refuse('may name a file, which a page may not do: start this run on the command line');
}

/** A file of data within `folder`. Throws ApiError 422. */
export function checkData(file: string, folder: string): string {
  const inside = relative(folder, join(folder, normalize(file)));
  const refuse = (problem: string): never => {
    throw new ApiError(422, `data: ${JSON.stringify(file.slice(0, 200))} ${problem}`, { param: 'data' });
  };
  if (isAbsolute(file) || inside === '' || inside.startsWith('..'))
    refuse(`does not lie in ${folder}: put it there, or start this run on the command line`);
  if (!existsSync(join(folder, inside))) refuse(`is not there: put it into ${folder}`);
  return join(folder, inside);
}

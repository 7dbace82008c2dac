// The recipes that come with this package: their kind, what they are about, what they need, what can be set.
//
// A kind without a recipe of its own is listed under its name: its defaults are the recipe.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import {
  type KindArgument,
  listTextFields,
  type RecipeFile,
  type RunKind,
  recipeFiles,
  resolveRecipe,
  TrainError,
} from '../train/index.ts';
import type { RecipeSummary } from './protocol.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A recipe that can be started by name. */
export interface KnownRecipe {
  readonly summary: RecipeSummary;
  /** What it sets, before arguments and defaults. */
  readonly fields: Fields;
}

/** What a recipe file exports. */
interface RecipeModule {
  readonly kind?: string;
  readonly recipe?: Fields;
}

/** Returns the first paragraph of the header. The compiler keeps a header that is followed by an empty line. */
function readAbout(source: string): string {
  const lines = source.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('// '));
  return lines
    .slice(0, end)
    .map((line) => line.slice(3))
    .join(' ');
}

/** Returns numbers, words and flags with their paths; lists and null are left out. */
function listChoices(fields: Fields, above = ''): RecipeSummary['choices'] {
  return Object.entries(fields).flatMap(([name, value]) => {
    const path = above === '' ? name : `${above}.${name}`;
    if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return [{ path, value }];
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? listChoices(value as Fields, path)
      : [];
  });
}

/** Returns whether a recipe sets the field of an argument. */
function isGiven(recipe: Fields, { path }: KindArgument): boolean {
  return path.split('.').reduce<unknown>((at, name) => (at as Fields | undefined)?.[name], recipe) !== undefined;
}

/** Values with which a recipe can be resolved before its arguments are given. */
const placeholders: Readonly<Record<KindArgument['type'], string>> = {
  files: '[""]',
  checkpoint: '""',
  model: '"-"',
  tasks: '[{"task":"countdown"}]',
  number: '1',
};

function describeRecipe(name: string, kind: RunKind, about: string, recipe: Fields): KnownRecipe {
  const needed = kind.arguments.filter((argument) => argument.isRequired && !isGiven(recipe, argument));
  const given = needed.map(({ path, type }) => `${path}=${placeholders[type]}`);
  const resolved = resolveRecipe(kind, recipe, given) as unknown as Fields;
  const texts = new Map(listTextFields(kind.recipe).map(({ path, names }) => [path, names]));
  const isOpen = ({ path }: RecipeSummary['choices'][number]) => !texts.has(path) || texts.get(path) === 'text';
  const summary = {
    name,
    kind: kind.name,
    about,
    needs: needed.map(({ flag }) => flag),
    choices: listChoices(resolved).filter(isOpen),
  };
  return { summary, fields: recipe };
}

async function importRecipe({ name, path }: RecipeFile, kinds: readonly RunKind[]): Promise<KnownRecipe[]> {
  const module = (await import(pathToFileURL(path).href)) as RecipeModule;
  const kind = kinds.find((each) => each.name === module.kind);
  if (kind === undefined || module.recipe === undefined) return []; // an ablation, a speedrun: several runs
  return [describeRecipe(name, kind, readAbout(readFileSync(path, 'utf8')), module.recipe)];
}

/** Returns a kind with its defaults as a recipe; nothing where a run needs more than its arguments. */
function describeDefaults(kind: RunKind): KnownRecipe[] {
  const about = `${kind.about.charAt(0).toUpperCase()}${kind.about.slice(1)}.`;
  try {
    return [describeRecipe(kind.name, kind, about, {})];
  } catch (error) {
    if (error instanceof TrainError) return [];
    throw error;
  }
}

/** Returns the recipes of this package, and each kind without one with its defaults. */
export async function readRecipes(kinds: readonly RunKind[]): Promise<readonly KnownRecipe[]> {
  const recipes = await Promise.all(recipeFiles().map((file) => importRecipe(file, kinds)));
  const shipped = recipes.flat();
  const others = kinds.filter(({ name }) => shipped.every(({ summary }) => summary.kind !== name));
  return [...shipped, ...others.flatMap(describeDefaults)];
}

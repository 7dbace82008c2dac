// From a request to start a run to the arguments of the command line.
//
// A page must not make this machine run programs or read files of its choice: it picks models by the name of a run,
// data within one folder, built-in tasks, and what it sets must not name a file. The command line may do all of that.
import { existsSync } from 'node:fs';
import { isAbsolute, join, normalize, relative } from 'node:path';
import { presetNames } from '../model/index.ts';
import { ApiError } from '../server/index.ts';
import { bundledTasks, templateNames } from '../tasks/index.ts';
import { type KindArgument, latestCheckpoint, type RunKind } from '../train/index.ts';
import type { RecipeSummary, StartRequest } from './protocol.ts';
import { findRun } from './run-folder.ts';

export interface StartFolders {
  /** The folder of the run that starts. */
  readonly run: string;
  /** The folder of all runs, where checkpoints are looked up. */
  readonly runs: string;
  readonly data: string;
}

const knownWords: ReadonlySet<string> = new Set([
  ...bundledTasks.keys(),
  ...presetNames,
  ...templateNames,
  ...['characters', 'bytes', 'packed', 'windows'],
]);
const commonFields: readonly string[] = ['model', 'initial', 'data', 'tasks', 'api'];

/** Returns whether a text in a field of a recipe can name a file, a folder or a program. */
export function mayNameFile(path: string, kind: RunKind): boolean {
  const [field = ''] = path.split('.');
  return commonFields.includes(field) || kind.arguments.some((argument) => argument.path.split('.')[0] === field);
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

function refuse(param: string, value: string, problem: string): never {
  throw new ApiError(422, `${param}: ${JSON.stringify(value.slice(0, 200))} ${problem}`, { param });
}

/** Throws ApiError 422 for a text that is not an assignment, and for one that names a file. */
function expectSafeAssignment(text: string, kind: RunKind): void {
  const [, path = '', value = ''] = /^([A-Za-z]\w*(?:\.\w+)*)=(.*)$/s.exec(text) ?? [];
  if (path === '') refuse('set', text, 'is not path=value: write it as in schedule.learningRate=3e-4');
  if (!mayNameFile(path, kind)) return;
  let parsed: unknown = value;
  try {
    parsed = JSON.parse(value);
  } catch {
    // a word, taken as it is
  }
  if (textsIn(parsed).some((each) => !knownWords.has(each)))
    refuse('set', text, 'may name a file, which a page must not do: start this run on the command line');
}

function toDataFile(flag: string, file: string, folder: string): string {
  const inside = relative(folder, join(folder, normalize(file)));
  if (isAbsolute(file) || inside === '' || inside.startsWith('..'))
    refuse(flag, file, `is not in ${folder}: put it there, or start this run on the command line`);
  if (!existsSync(join(folder, inside))) refuse(flag, file, `does not exist: put it into ${folder}`);
  return join(folder, inside);
}

async function toCheckpoint(flag: string, name: string, runs: string): Promise<string> {
  const checkpoint = await latestCheckpoint(findRun(runs, name), () => undefined);
  return checkpoint?.folder ?? refuse(flag, name, 'has no complete checkpoint: choose another run');
}

function toTask(flag: string, text: string): string {
  const [, name = ''] = /^([\w-]+)(?::\d+)?$/.exec(text) ?? [];
  if (bundledTasks.has(name)) return text;
  return refuse(flag, text, `is not a task: choose one of ${[...bundledTasks.keys()].join(', ')}, as in countdown:3`);
}

async function toValue({ flag, type }: KindArgument, given: string, folders: StartFolders): Promise<string> {
  if (type === 'files') return toDataFile(flag, given, folders.data);
  if (type === 'tasks') return toTask(flag, given);
  if (type !== 'number') return toCheckpoint(flag, given, folders.runs);
  return Number.isFinite(Number(given)) ? given : refuse(flag, given, 'is not a number');
}

/** Returns verb, recipe and options that start a run. Throws ApiError 404 or 422. */
export async function toCommandLine(
  kind: RunKind,
  recipe: RecipeSummary,
  { recipe: _, name: __, set = [], ...given }: StartRequest,
  folders: StartFolders,
): Promise<string[]> {
  for (const assignment of set) expectSafeAssignment(assignment, kind);
  const line = [kind.name, ...(recipe.name === kind.name ? [] : [recipe.name]), `--run=${folders.run}`];
  for (const [flag, values] of Object.entries(given)) {
    const argument = kind.arguments.find((each) => each.flag === flag);
    if (argument === undefined)
      return refuse(flag, String(values), `is not an argument of minke ${kind.name}: leave it out`);
    for (const value of [values ?? []].flat()) line.push(`--${flag}=${await toValue(argument, value, folders)}`);
  }
  return [...line, ...set.map((assignment) => `--set=${assignment}`)];
}

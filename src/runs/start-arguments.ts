// From a request to start a run to its resolved recipe and to the arguments of the command line.
//
// A page picks bases by the name of a run, data within one folder, and tasks and teachers that the owner of the machine
// permitted. What it sets by path may be anything: the resolved recipe is checked as a whole (permission.ts).
import { existsSync } from 'node:fs';
import { isAbsolute, join, normalize, relative, resolve } from 'node:path';
import { ApiError } from '../server/index.ts';
import { bundledFacts } from '../tasks/index.ts';
import {
  type KindArgument,
  latestCheckpoint,
  type RunKind,
  type RunRecipe,
  resolveRecipe,
  setArguments,
  toTaskItem,
} from '../train/index.ts';
import type { Permission } from './permission.ts';
import type { StartRequest } from './protocol.ts';
import { findRun } from './run-folder.ts';

export interface StartContext {
  /** The folder of all runs, where checkpoints are looked up. */
  readonly runs: string;
  /** Folders of other models by their names. */
  readonly models: Readonly<Record<string, string>>;
  readonly data: string;
  readonly permission: Permission;
}

/** What a kind and a recipe of this package, with the arguments of a request, come to. */
export interface PreparedStart {
  readonly recipe: RunRecipe;
  /** The options of the command line, without --run. */
  readonly options: readonly string[];
}

function refuse(param: string, value: string, problem: string): never {
  throw new ApiError(422, `${param}: ${JSON.stringify(value.slice(0, 200))} ${problem}`, { param });
}

function expectAssignment(text: string): void {
  if (!/^[A-Za-z]\w*(?:\.\w+)*=/.test(text))
    refuse('set', text, 'is not path=value: write it as in schedule.learningRate=3e-4');
}

function toDataFile(flag: string, file: string, folder: string): string {
  const inside = relative(folder, join(folder, normalize(file)));
  if (isAbsolute(file) || inside === '' || inside.startsWith('..'))
    refuse(flag, file, 'is not in the data folder of this server: put it there, or start this run on the command line');
  if (!existsSync(join(folder, inside)))
    refuse(flag, file, 'does not exist: put it into the data folder of this server');
  return join(folder, inside);
}

async function toCheckpoint(flag: string, name: string, { runs, models }: StartContext): Promise<string> {
  if (Object.hasOwn(models, name)) return models[name];
  const checkpoint = await latestCheckpoint(findRun(runs, name), () => undefined);
  return checkpoint?.folder ?? refuse(flag, name, 'has no complete checkpoint: choose another run');
}

interface Value {
  /** What the field of the recipe holds. */
  readonly field: unknown;
  readonly options: readonly string[];
}

function toTask(argument: KindArgument, text: string, { tasks }: Permission): Value {
  const { flag } = argument;
  const [, name = text, difficulty] = /^(.*?)(?::(\d+))?$/.exec(text) ?? [];
  const permitted = tasks.find((each) => each === name || resolve(each) === resolve(name));
  const known = bundledFacts.has(name) ? name : permitted;
  if (known === undefined) {
    const names = [...bundledFacts.keys(), ...tasks].join(', ');
    return refuse(flag, text, `is not a task: choose one of ${names}, as in countdown:3`);
  }
  const field = toTaskItem(argument, { task: known, ...(difficulty && { difficulty: Number(difficulty) }) });
  return { field, options: [`--${flag}=${known}${difficulty === undefined ? '' : `:${difficulty}`}`] };
}

async function toModel(flag: string, text: string, context: StartContext): Promise<Value> {
  const teacher = context.permission.teachers.find(({ address }) => address === text);
  const field = teacher?.address ?? (await toCheckpoint(flag, text, context));
  const key = teacher ? [`--set=api.keyVariable=${teacher.keyVariable}`] : [];
  return { field, options: [`--${flag}=${field}`, ...key] };
}

async function toValue(argument: KindArgument, given: string, context: StartContext): Promise<Value> {
  const { flag, type } = argument;
  if (type === 'tasks') return toTask(argument, given, context.permission);
  if (type === 'model') return toModel(flag, given, context);
  if (type === 'number' && !Number.isFinite(Number(given))) return refuse(flag, given, 'is not a number');
  if (type === 'number') return { field: Number(given), options: [`--${flag}=${given}`] };
  const path = type === 'files' ? toDataFile(flag, given, context.data) : await toCheckpoint(flag, given, context);
  return { field: path, options: [`--${flag}=${path}`] };
}

const isList = ({ type }: KindArgument) => type === 'files' || type === 'tasks';

/** Resolves what a request starts. Throws ApiError 404 or 422, and TrainError as the command line does. */
export async function prepareStart(
  kind: RunKind,
  recipe: object,
  { recipe: _, name: __, set = [], ...given }: StartRequest,
  context: StartContext,
): Promise<PreparedStart> {
  for (const assignment of set) expectAssignment(assignment);
  const fields = structuredClone(recipe) as Record<string, unknown>;
  const options: string[] = [];
  const assigned: { path: string; value: unknown }[] = [];
  for (const [flag, values] of Object.entries(given)) {
    const argument = kind.arguments.find((each) => each.flag === flag);
    if (argument === undefined)
      return refuse(flag, String(values), `is not an argument of minke ${kind.name}: leave it out`);
    const texts = [values ?? []].flat();
    if (!isList(argument) && texts.length > 1) return refuse(flag, texts.join(' '), 'is a list: give one');
    const found = await Promise.all(texts.map((text) => toValue(argument, text, context)));
    const items = found.map(({ field }) => field);
    if (items.length > 0) assigned.push({ path: argument.path, value: isList(argument) ? items : items[0] });
    options.push(...found.flatMap((value) => value.options));
  }
  setArguments(fields, assigned);
  const keys = options.filter((option) => option.startsWith('--set=')).map((option) => option.slice('--set='.length));
  const resolved = resolveRecipe(kind, fields, [...keys, ...set]);
  return { recipe: resolved, options: [...options, ...set.map((assignment) => `--set=${assignment}`)] };
}

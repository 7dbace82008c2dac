// The commands that train: one for each kind of run, with its arguments as options. They resume stopped runs too.

import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { permitResume } from '../runs/index.ts';
import { useDevice } from '../tensor/index.ts';
import {
  findNamedThings,
  type KindArgument,
  newRunName,
  type RunKind,
  resolveRecipe,
  resumeRun,
  setArguments,
  setField,
  startRun,
  TrainError,
  toTaskItem,
} from '../train/index.ts';
import { type DownloadFlags, withDownloadFlag } from './download-flag.ts';
import { parseNumber } from './engine-flags.ts';
import { exitCodesHelp, UsageError } from './exit-codes.ts';
import { findModel } from './find-model.ts';
import { openDeviceForLongWork } from './long-work.ts';
import { Progress } from './progress.ts';
import { type LoadedRecipe, loadRecipe, parseTask } from './recipe.ts';
import { RunConsole } from './run-console.ts';
import { StopRequest } from './stop-request.ts';

interface RunFlags extends Readonly<Record<string, unknown>>, DownloadFlags {
  readonly run?: string;
  readonly set?: string[];
  readonly resume?: boolean;
}

const placeholders: Readonly<Record<KindArgument['type'], string>> = {
  files: '<files...>',
  checkpoint: '<folder>',
  model: '<model>',
  tasks: '<tasks...>',
  number: '<n>',
};

/** Adds the verb of each kind. */
export function addRunCommands(program: Command, kinds: readonly RunKind[]): void {
  for (const kind of kinds) {
    const command = program
      .command(kind.name)
      .description(kind.about)
      .argument('[recipe]', 'a preset, a recipe of recipes/, or a file that exports one');
    if (kind.alias !== undefined) command.alias(kind.alias);
    for (const { flag, type, about } of kind.arguments) {
      const option = new Option(`--${flag} ${placeholders[type]}`, about);
      command.addOption(type === 'number' ? option.argParser(parseNumber) : option);
    }
    withDownloadFlag(command)
      .option('--run <folder>', 'where the run is kept; default: runs/<recipe>-<time>')
      .option('--set <path=value...>', `replace a field of the recipe: ${kind.mainFields.join(', ')}, ...`)
      .option('--resume', 'continue the run in --run')
      .addHelpText('after', exitCodesHelp)
      .action((target: string | undefined, flags: RunFlags) => runCommand(kind, target, flags));
  }
}

function toValue(argument: KindArgument, given: unknown): unknown {
  if (argument.type !== 'tasks') return given;
  return (given as string[]).map((text) => toTaskItem(argument, parseTask(text)));
}

/** Throws UsageError for the flag of the first field that a recipe needs and that nothing gives. */
function requireArguments(kind: RunKind, fields: Readonly<Record<string, unknown>>, set: readonly string[]): void {
  for (const { flag, path, type, about, isRequired } of kind.arguments) {
    const given = path.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown>)?.[name], fields);
    const isGiven = given !== undefined || set.some((assignment) => assignment.startsWith(`${path}=`));
    if (isRequired && !isGiven)
      throw new UsageError(`--${flag}`, 'is missing', `add --${flag} ${placeholders[type]}: ${about}`);
  }
}

/** Reads the recipe with the arguments of the command line. Throws TrainError where it belongs to another kind. */
async function readFields(
  kind: RunKind,
  target: string | undefined,
  flags: RunFlags,
  set: readonly string[],
): Promise<object> {
  const loaded: LoadedRecipe<object> = target === undefined ? { recipe: {} } : await loadRecipe(target);
  if (loaded.kind !== undefined && loaded.kind !== kind.name)
    throw new TrainError(target ?? '', `is a recipe of ${loaded.kind}`, `use minke ${loaded.kind}`);
  const fields = structuredClone(loaded.recipe) as Record<string, unknown>;
  const given = kind.arguments.filter(({ flag }) => flags[flag] !== undefined);
  setArguments(
    fields,
    given.map((argument) => ({ path: argument.path, value: toValue(argument, flags[argument.flag]) })),
  );
  requireArguments(kind, fields, set);
  return fields;
}

/** Reads the recipe, checked and complete; models that it names on the hub become paths. */
async function readRecipe(kind: RunKind, target: string | undefined, flags: RunFlags, set: readonly string[]) {
  const recipe = resolveRecipe(kind, await readFields(kind, target, flags, set), set);
  for (const { path, names, value } of findNamedThings(kind.recipe, recipe)) {
    if (names !== 'checkpoint' && names !== 'model') continue;
    const found = await findModel(value, flags);
    if (found.name !== null) setField(recipe as unknown as Record<string, unknown>, path, found.path);
  }
  return recipe;
}

async function runCommand(kind: RunKind, target: string | undefined, flags: RunFlags): Promise<void> {
  const { set = [], resume = false } = flags;
  const isEmpty = target === undefined && kind.arguments.every(({ flag }) => flags[flag] === undefined);
  if (resume && flags.run === undefined)
    throw new UsageError('--resume', 'no run is named', 'add --run and its folder');
  if (resume && target !== undefined)
    throw new UsageError(
      '--resume',
      'a run continues with its own recipe and data',
      'leave them out, or start another run',
    );
  if (!resume && isEmpty && set.length === 0)
    throw new UsageError(kind.name, 'expected a preset or a recipe', `as in: minke ${kind.examples[0].line}`);
  const recipe = resume ? null : await readRecipe(kind, target, flags, set);
  const name = (target ?? kind.name).replace(/^.*[\\/]/, '').replace(/\.\w+$/, '');
  const stop = new StopRequest();
  const device = await openDeviceForLongWork();
  useDevice(device);
  try {
    const folder = flags.run ?? join('runs', newRunName(name));
    const options = { folder, device, signal: stop.signal, ...consoleOptions(kind) };
    const outcome =
      recipe === null
        ? await resumeRun(kind, { ...options, permit: permitResume(kind, flags) }, set)
        : await startRun(kind, recipe, options);
    if (outcome === 'stopped') stop.setExitCode();
  } finally {
    await device.close();
  }
}

/** Options that show a run on the console. */
function consoleOptions(kind: RunKind) {
  let shown: Progress | null = null;
  return {
    listen: new RunConsole(kind).show,
    notice: (message: string) => console.error(message),
    progress: (label: string, done: number, total: number) => {
      shown ??= new Progress(label, total);
      shown.reach(done);
      if (done >= total) shown.end();
    },
  };
}

// What a run may use that another person or another person's folder names: one check, for starting and for resuming.
//
// A recipe may name programs (tasks of one's own), addresses with the keys that are sent to them, files and folders.
// Who owns the machine permits them, on the command line; a run's folder is data and permits nothing. The check reads
// the resolved recipe of any kind: what its schema does not classify is refused (train/run/named-things.ts).
import { existsSync, realpathSync } from 'node:fs';
import { basename, extname, isAbsolute, join, relative, resolve } from 'node:path';
import { defaultKeyVariable } from '../distill/index.ts';
import { packageRoot } from '../kernels/index.ts';
import { bundledFacts, smallTalkTask } from '../tasks/index.ts';
import {
  findNamedThings,
  type KindArgument,
  type NamedThing,
  type RunKind,
  type RunRecipe,
  TrainError,
} from '../train/index.ts';

/** A teacher behind an API, and the environment variable with its key. */
export interface PermittedTeacher {
  readonly address: string;
  readonly keyVariable: string;
}

/** What the owner of the machine named. */
export interface Permission {
  /** Files that export a task, which are programs. */
  readonly tasks: readonly string[];
  readonly teachers: readonly PermittedTeacher[];
  /** Folders whose files and checkpoints may be read; null: all. */
  readonly folders: readonly string[] | null;
}

export const noPermission: Permission = { tasks: [], teachers: [], folders: [] };

/** Reads `https://host/v1`, or `https://host/v1=VARIABLE` for a key that is in another variable than the usual one. */
export function parseTeacher(text: string): PermittedTeacher {
  const [, address = text, keyVariable = defaultKeyVariable] = /^(.*)=([A-Za-z_]\w*)$/.exec(text) ?? [];
  return { address, keyVariable };
}

/** Returns where a path really leads, links followed as far as it exists. */
function realPath(path: string): string {
  const full = resolve(path);
  if (existsSync(full)) return realpathSync(full);
  const above = resolve(full, '..');
  return above === full ? full : join(realPath(above), basename(full));
}

function isInside(path: string, folder: string): boolean {
  const way = relative(realPath(folder), realPath(path));
  return way === '' || !(isAbsolute(way) || way.split(/[\\/]/)[0] === '..');
}

const isAddress = (text: string) => /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
const sameAddress = (a: string, b: string) => a.replace(/\/+$/, '') === b.replace(/\/+$/, '');

/** The flags with which a command permits what a recipe names. */
export interface PermissionFlags {
  readonly task: string;
  readonly teacher: string;
  /** Null where a command may read every folder. */
  readonly folder: string | null;
}

const isBundled = (task: string) => bundledFacts.has(task) || task === smallTalkTask;
/** Whether a task is a file that is executed; others are bundled, or texts of word problems. */
const isProgram = (task: string) => !isBundled(task) && extname(task) !== '.jsonl';

const quoted = (text: string) => JSON.stringify(text.slice(0, 200));

class Check {
  readonly #permission: Permission;
  readonly #flags: PermissionFlags;
  readonly #things: readonly NamedThing[];

  constructor(permission: Permission, flags: PermissionFlags, things: readonly NamedThing[]) {
    this.#permission = permission;
    this.#flags = flags;
    this.#things = things;
  }

  run(): void {
    for (const thing of this.#things) {
      if (thing.value === '') continue;
      if (thing.names === 'task') this.#expectTask(thing);
      else if (thing.names === 'variable') this.#expectVariable(thing);
      else if (thing.names === 'model' && isAddress(thing.value)) this.#expectTeacher(thing);
      else if (thing.names === undefined)
        throw this.#refusal(
          thing,
          'may name anything',
          "say in the recipe's schema what it names, as in .meta({ names: 'text' })",
        );
      else this.#expectReadable(thing);
    }
  }

  #refusal({ path, value }: NamedThing, problem: string, remedy: string): TrainError {
    return new TrainError(path, `${quoted(value)} ${problem}`, remedy);
  }

  #expectTask(thing: NamedThing): void {
    const { value } = thing;
    if (isBundled(value)) return;
    if (!isProgram(value)) {
      this.#expectReadable(thing); // word problems
      return;
    }
    const path = realPath(value);
    if (this.#permission.tasks.some((each) => realPath(each) === path)) return;
    throw this.#refusal(
      thing,
      'is a program, which runs with all that you may do, and was not permitted',
      `read it, and permit it with ${this.#flags.task} ${value}`,
    );
  }

  #expectTeacher(thing: NamedThing): void {
    if (this.#teacher(thing.value) !== undefined) return;
    throw this.#refusal(
      thing,
      'is an address, which receives problems and a key, and was not permitted',
      `permit it with ${this.#flags.teacher} ${thing.value}`,
    );
  }

  #expectVariable(thing: NamedThing): void {
    const address = this.#things.find(({ names, value }) => names === 'model' && isAddress(value))?.value;
    const permitted = (address === undefined ? undefined : this.#teacher(address)?.keyVariable) ?? defaultKeyVariable;
    if (thing.value === permitted) return;
    throw this.#refusal(
      thing,
      `would be sent as a key, where ${permitted} was permitted`,
      `permit it with ${this.#flags.teacher} ${address ?? 'ADDRESS'}=${thing.value}`,
    );
  }

  #expectReadable(thing: NamedThing): void {
    const { folders } = this.#permission;
    const own = join(packageRoot(), 'models');
    if (folders === null || [own, ...folders].some((folder) => isInside(thing.value, folder))) return;
    const remedy = `move it there, or permit its folder with ${this.#flags.folder}`;
    throw this.#refusal(thing, 'lies outside of the folders that runs may read', remedy);
  }

  #teacher(address: string): PermittedTeacher | undefined {
    return this.#permission.teachers.find((each) => sameAddress(each.address, address));
  }
}

/** Throws TrainError where a resolved recipe names what was not permitted. `flags` are what the reader can add. */
export function expectPermitted<R extends RunRecipe>(
  kind: Pick<RunKind<R>, 'recipe'>,
  recipe: R,
  permission: Permission,
  flags: PermissionFlags,
): void {
  new Check(permission, flags, findNamedThings(kind.recipe, recipe)).run();
}

/** The texts of a command's arguments, by flag. */
type GivenArguments = Readonly<Record<string, unknown>>;

const givenTexts = (kind: RunKind, given: GivenArguments, type: KindArgument['type']): string[] =>
  kind.arguments.filter((each) => each.type === type).flatMap(({ flag }) => [(given[flag] ?? []) as string[]].flat());

const withoutDifficulty = (task: string) => task.replace(/:\d+$/, '');

/** Arguments that name programs and addresses. */
const permitting: readonly KindArgument['type'][] = ['tasks', 'model'];

/** Returns what the arguments of a command that resumes a run permit: `--task FILE`, `--teacher ADDRESS=VARIABLE`. */
function permissionFromArguments(kind: RunKind, given: GivenArguments): Permission {
  return {
    tasks: givenTexts(kind, given, 'tasks').map(withoutDifficulty),
    teachers: givenTexts(kind, given, 'model').map(parseTeacher),
    folders: null,
  };
}

/**
 * Returns the check of a run that its user resumes by hand. What its folder names and would be run or sent a key must
 * be named again by the arguments; arguments of another kind, or that the run does not use, are refused.
 */
export function permitResume(kind: RunKind, given: GivenArguments): (recipe: RunRecipe) => void {
  const permission = permissionFromArguments(kind, given);
  const refuse = (flag: string): never => {
    const remedy = 'leave it out, or start another run';
    throw new TrainError(`--${flag}`, 'a run continues with its own recipe and data', remedy);
  };
  const other = kind.arguments.find(({ flag, type }) => given[flag] !== undefined && !permitting.includes(type));
  if (other !== undefined) refuse(other.flag);
  return (recipe) => {
    const values = findNamedThings(kind.recipe, recipe).map(({ value }) => value);
    const isUsed = (text: string) => values.some((value) => value === text || realPath(value) === realPath(text));
    for (const task of permission.tasks) if (!isUsed(task)) refuse('task');
    for (const { address } of permission.teachers)
      if (!values.some((value) => sameAddress(value, address))) refuse('teacher');
    expectPermitted(kind, recipe, permission, { task: '--task', teacher: '--teacher', folder: null });
  };
}

/** Returns the options with which the command line permits what this recipe names; see permissionFromArguments. */
export function permittingOptions(kind: RunKind, recipe: RunRecipe): string[] {
  const things = findNamedThings(kind.recipe, recipe);
  const variable = things.find(({ names }) => names === 'variable')?.value ?? defaultKeyVariable;
  const flag = (type: KindArgument['type']) => kind.arguments.find((each) => each.type === type)?.flag;
  return things.flatMap(({ names, value }) => {
    if (names === 'task' && isProgram(value)) return [`--${flag('tasks')}=${value}`];
    return names === 'model' && isAddress(value) ? [`--${flag('model')}=${value}=${variable}`] : [];
  });
}

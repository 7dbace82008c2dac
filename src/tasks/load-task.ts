// Loads a user's task: `export const task = { ... }` in a .js file, or in a .ts file where Node reads TypeScript. Every
// field is checked, with an error that says how to write it.
import { existsSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { z } from 'zod';
import { TaskError } from './errors.ts';
import type { Task } from './task.ts';

/** What the name of a user's task ends with. */
const taskExtension = /\.[cm]?[jt]s$/;

/** Whether the name of a task is that of a user's file. */
export const isTaskFile = (name: string): boolean => taskExtension.test(name);

/** A user's task in a recipe. It is a program. */
export const taskFile = z.string().regex(taskExtension).meta({ names: 'task' });

/** Describes any value in at most 120 characters. */
export function describeValue(value: unknown): string {
  const text = inspect(value, {
    depth: 1,
    breakLength: Number.POSITIVE_INFINITY,
    maxStringLength: 80,
    maxArrayLength: 5,
  });
  return text.length > 120 ? `${text.slice(0, 120)}...` : text;
}

const isText = (value: unknown) => typeof value === 'string' && value !== '';
const isFunction = (value: unknown) => typeof value === 'function';

function isRange(value: unknown): boolean {
  const { from, to, default: chosen } = (value ?? {}) as Readonly<Record<string, number>>;
  return [from, to, chosen].every(Number.isInteger) && from <= chosen && chosen <= to;
}

/** The fields of a task: what each must be, and how to write it. */
const fields: readonly (readonly [name: string, isValid: (value: unknown) => boolean, remedy: string])[] = [
  ['name', isText, 'give the task a name in words'],
  ['description', isText, 'give the task a description in words'],
  [
    'difficulty',
    isRange,
    'write: difficulty: { from: 1, to: 1, default: 1 }, whole numbers with from <= default <= to',
  ],
  ['problem', isFunction, 'write: problem(random, difficulty) { return { prompt, key } }'],
  ['grade', isFunction, 'write: grade(problem, answer) { return { correct, reason } }'],
  [
    'solution',
    (value) => value === undefined || isFunction(value),
    'write: solution(problem) { return answer }, or leave it out',
  ],
  [
    'phrasings',
    (value) => value === undefined || isFunction(value),
    'write: phrasings(problem) { return [prompt, ...] }, or leave it out',
  ],
  [
    'steps',
    (value) => value === undefined || isFunction(value),
    'write: steps(problem) { return [line, ...] }, or leave it out',
  ],
];

/** Returns the value as a task; errors name `source`. Throws TaskError. */
function checkTask(value: unknown, source: string): Task {
  if (typeof value !== 'object' || value === null) {
    const remedy = 'write: export const task = { name, description, difficulty, problem, grade }';
    throw new TaskError(source, `task is ${describeValue(value)}`, remedy);
  }
  const task = value as Readonly<Record<string, unknown>>;
  for (const [name, isValid, remedy] of fields)
    if (!isValid(task[name])) throw new TaskError(source, `${name} is ${describeValue(task[name])}`, remedy);
  return value as Task;
}

/** Describes an error of loading. Only the first line of the stack names the place of a syntax error. */
function describeError(error: unknown): string {
  if (!(error instanceof SyntaxError))
    return error instanceof Error ? error.message : `it threw ${describeValue(error)}`;
  const place = /^file:\S*:(\d+)$/m.exec(error.stack ?? '')?.[1];
  return place === undefined ? error.message : `line ${place}: ${error.message}`;
}

/** Whether this Node runs TypeScript as it is. */
export const readsTypeScript = (): boolean => Boolean((process.features as { typescript?: unknown }).typescript);

/**
 * Imports a user's file that exports a `name`. It runs in this thread without a limit. `fail` makes the error where
 * Node cannot read or run it, or where the export is missing.
 */
export async function importExport(
  file: string,
  name: string,
  fail: (problem: string, remedy: string) => Error,
): Promise<Readonly<Record<string, unknown>>> {
  if (extname(file) === '.ts' && !readsTypeScript())
    throw fail(
      `Node ${process.versions.node} does not read TypeScript`,
      `use Node 22.18 or newer, or compile the ${name} to .js`,
    );
  const exported = await import(pathToFileURL(file).href).catch((error: unknown) => {
    throw fail(`cannot be loaded (${describeError(error)})`, `correct the ${name}`);
  });
  if (exported[name] === undefined) throw fail(`exports no ${name}`, `write: export const ${name} = { ... }`);
  return exported;
}

/** Loads what a file exports as `task`. The file runs in this thread without a limit. Throws TaskError. */
export async function loadTask(path: string): Promise<Task> {
  const file = resolve(path);
  if (!existsSync(file)) throw new TaskError(path, 'no such file', 'name a file that exports a task');
  const { task } = await importExport(file, 'task', (problem, remedy) => new TaskError(file, problem, remedy));
  return checkTask(task, file);
}

// A task from a user's file: `export const task = { ... }` in a .js file, or in a .ts file where Node reads TypeScript.
import { existsSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkTask, describeValue } from './check-task.ts';
import { TaskError } from './errors.ts';
import type { Task } from './task.ts';

function expectReadable(path: string): void {
  const stripsTypes = Boolean((process.features as { typescript?: unknown }).typescript);
  if (extname(path) === '.ts' && !stripsTypes)
    throw new TaskError(
      path,
      `Node ${process.versions.node} does not read TypeScript`,
      'use Node 22.18 or newer, or compile the task to .js',
    );
}

/** Describes an error of loading. Only the first line of the stack names the place of a syntax error. */
function describeError(error: unknown): string {
  if (!(error instanceof SyntaxError))
    return error instanceof Error ? error.message : `it threw ${describeValue(error)}`;
  const place = /^file:\S*:(\d+)$/m.exec(error.stack ?? '')?.[1];
  return place === undefined ? error.message : `line ${place}: ${error.message}`;
}

/** Loads what a file exports as `task`. The file runs in this thread without a limit. Throws TaskError. */
export async function loadTask(path: string): Promise<Task> {
  const file = resolve(path);
  if (!existsSync(file)) throw new TaskError(path, 'no such file', 'name a file that exports a task');
  expectReadable(file);
  const { task } = (await import(pathToFileURL(file).href).catch((error: unknown) => {
    throw new TaskError(file, `cannot be loaded (${describeError(error)})`, 'correct the task');
  })) as { task?: unknown };
  if (task === undefined) throw new TaskError(file, 'exports no task', 'write: export const task = { ... }');
  return checkTask(task, file);
}

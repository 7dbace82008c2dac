// The runs in a folder, by name: `base`, or `speedrun/base` for one in a subfolder.
//
// Contract: a name leads to a run inside the folder or to a refusal. Links are not followed; the checkpoints of a run
// and the datasets that runs share are not searched for runs.
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ApiError } from '../server/index.ts';
import { lockHolder, type RunKind } from '../train/index.ts';

export const runFiles = { events: 'events.jsonl', console: 'console.txt' } as const;

const maxDepth = 3;
const skippedFolders = ['datasets', 'checkpoints', 'node_modules'];
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Whether a folder is a run: it has events, is locked by a process, or was started from the page. */
function isRunFolder(folder: string): boolean {
  return (
    existsSync(join(folder, runFiles.events)) ||
    existsSync(join(folder, runFiles.console)) ||
    lockHolder(folder) !== null
  );
}

function findRuns(root: string, path: readonly string[]): string[] {
  const folder = join(root, ...path);
  if (path.length > 0 && isRunFolder(folder)) return [path.join('/')];
  if (path.length === maxDepth) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && namePattern.test(entry.name) && !skippedFolders.includes(entry.name))
    .flatMap(({ name }) => findRuns(root, [...path, name]));
}

/** Returns the names of all runs; none where the folder does not exist yet. */
export function listRuns(root: string): string[] {
  return existsSync(root) ? findRuns(root, []) : [];
}

const quoted = (name: string) => JSON.stringify(name.slice(0, 200));

/** Returns the folder that belongs to the name of a run, existing or not. Throws ApiError 422. */
export function toRunFolder(root: string, name: string): string {
  const parts = name.split('/');
  const isName = parts.every((part) => namePattern.test(part) && !part.includes('..'));
  if (isName && name.length <= 200 && parts.length <= maxDepth) return join(root, ...parts);
  throw new ApiError(
    422,
    `${quoted(name)} is not a name of a run: use letters, digits, dots, dashes and underscores, ` +
      'beginning with a letter or digit',
    { param: 'run' },
  );
}

const isFolder = (path: string) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** Returns the folder of an existing run. Throws ApiError 404 or 422. */
export function findRun(root: string, name: string): string {
  const folder = toRunFolder(root, name);
  const parts = name.split('/');
  const isInside = parts.every(
    (part, i) => !skippedFolders.includes(part) && isFolder(join(root, ...parts.slice(0, i + 1))),
  );
  if (isInside && isRunFolder(folder)) return folder;
  throw new ApiError(404, `there is no run ${quoted(name)}: see /runs for the existing ones`, { param: 'run' });
}

/**
 * Returns the kind of the run in a folder, by the file of its recipe; null while a run is prepared, and for one that
 * was refused before its first step. Later kinds come first, since config.json of pretraining is a file of models too.
 */
export function findKind(folder: string, kinds: readonly RunKind[]): RunKind | null {
  return kinds.findLast(({ recipeFile }) => existsSync(join(folder, recipeFile))) ?? null;
}

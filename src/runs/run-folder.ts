// The runs of a folder, by name: `base`, or `speedrun/base` for one that lies deeper.
//
// Contract: a name leads to a run inside the folder or to a refusal. Links are not followed; what a run holds
// (checkpoints) and what runs share (datasets) is not searched for runs.
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ApiError } from '../server/index.ts';
import { holderOf } from '../train/index.ts';

export const runFiles = { events: 'events.jsonl', console: 'console.txt' } as const;

const deepest = 3;
const shared = ['datasets', 'checkpoints', 'node_modules'];
const part = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Whether a folder holds a run: one that has said something, is held by a process, or was started from the page. */
function isRunFolder(folder: string): boolean {
  return (
    existsSync(join(folder, runFiles.events)) || existsSync(join(folder, runFiles.console)) || holderOf(folder) !== null
  );
}

function namesIn(root: string, under: readonly string[]): string[] {
  const folder = join(root, ...under);
  if (under.length > 0 && isRunFolder(folder)) return [under.join('/')];
  if (under.length === deepest) return [];
  const below = readdirSync(folder, { withFileTypes: true });
  return below
    .filter((entry) => entry.isDirectory() && part.test(entry.name) && !shared.includes(entry.name))
    .flatMap(({ name }) => namesIn(root, [...under, name]));
}

/** Names of all runs; none where there is no folder yet. */
export function runNames(root: string): string[] {
  return existsSync(root) ? namesIn(root, []) : [];
}

const quoted = (name: string) => JSON.stringify(name.slice(0, 200));

/** The folder that a name may stand for. Throws ApiError 422. */
export function folderNamed(root: string, name: string): string {
  const parts = name.split('/');
  if (name.length <= 200 && parts.length <= deepest && parts.every((each) => part.test(each) && !each.includes('..')))
    return join(root, ...parts);
  throw new ApiError(
    422,
    `${quoted(name)} is no name of a run: use letters, digits, dots, dashes and underscores, beginning with a letter or digit`,
    { param: 'run' },
  );
}

const isFolder = (path: string) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** The folder of a run that there is. Throws ApiError 404 or 422. */
export function runFolder(root: string, name: string): string {
  const folder = folderNamed(root, name);
  const parts = name.split('/');
  const isInside = parts.every((each, i) => !shared.includes(each) && isFolder(join(root, ...parts.slice(0, i + 1))));
  if (isInside && isRunFolder(folder)) return folder;
  throw new ApiError(404, `there is no run ${quoted(name)}: see /runs for those there are`, { param: 'run' });
}

// The runs in a folder, by name: `base`, or `speedrun/base` for one in a subfolder.
//
// Contract: a name leads to a run inside the folder or to a refusal. Links are not followed; the checkpoints of a run
// and the datasets that runs share are not searched for runs. A list is made in slices, so that thousands of runs do
// not hold up the server.
import { lstatSync, type Stats } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError } from '../server/index.ts';
import { lockFolder, type RunKind } from '../train/index.ts';

export const runFiles = { events: 'events.jsonl', console: 'console.txt' } as const;

const maxDepth = 3;
/** Entries that one list visits: more belong to something else than runs. */
const maxEntries = 50_000;
const skippedFolders = ['datasets', 'checkpoints', 'node_modules'];
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

function look(path: string): Stats | null | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return null;
  }
}

/** Whether something has this name, be it what it should be or not, or may not be looked at. */
const exists = (path: string) => look(path) !== undefined;
const isFolder = (path: string) => look(path)?.isDirectory() === true;

/** Whether a folder is a run: it has events, is claimed by a process, or was started from the page. */
function isRunFolder(folder: string): boolean {
  return [runFiles.events, runFiles.console, lockFolder].some((name) => exists(join(folder, name)));
}

const sliceMs = 5;

/** Returns a function to await between pieces of work, which lets others run after 5 ms of it. */
export function inSlices(): () => Promise<void> | undefined {
  let began = performance.now();
  let pause: Promise<void> | undefined; // shared by all who work at the same time
  return () => {
    if (performance.now() - began < sliceMs) return undefined;
    pause ??= new Promise((resolve) => {
      setImmediate(() => {
        began = performance.now();
        pause = undefined;
        resolve();
      });
    });
    return pause;
  };
}

/** Returns the names of all runs, sorted; none where the folder does not exist yet. */
export async function listRuns(root: string): Promise<string[]> {
  const names: string[] = [];
  const breathe = inSlices();
  let visited = 0;
  const visit = async (path: readonly string[]): Promise<void> => {
    const folder = join(root, ...path);
    if (path.length > 0 && isRunFolder(folder)) {
      names.push(path.join('/'));
      return;
    }
    if (path.length === maxDepth) return;
    const below: string[] = [];
    // A folder that may not be read has no runs to show; others are not affected.
    const entries = await opendir(folder, { bufferSize: 256 }).catch(() => null);
    for await (const entry of entries ?? []) {
      if (++visited > maxEntries) break;
      if (entry.isDirectory() && namePattern.test(entry.name) && !skippedFolders.includes(entry.name))
        below.push(entry.name);
    }
    for (const name of below.sort()) {
      await breathe();
      await visit([...path, name]).catch(() => undefined); // removed, or not readable
    }
  };
  await visit([]);
  return names;
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

/** Throws ApiError 422 where the folder of a run that begins would lead elsewhere, through a link or a file. */
export function expectNewRunFolder(root: string, name: string): void {
  const parts = name.split('/');
  const paths = parts.map((_, i) => join(root, ...parts.slice(0, i + 1)));
  if (paths.every((path) => !exists(path) || isFolder(path))) return;
  throw new ApiError(422, `${quoted(name)} is a link or a file, not a folder: choose another name`, { param: 'name' });
}

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
  return kinds.findLast(({ recipeFile }) => exists(join(folder, recipeFile))) ?? null;
}

// What the cache holds, listed and removed.
import { existsSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { listCachedIds, ModelCache } from './cache.ts';
import { isWhole, listGguf } from './choose-files.ts';
import { HubError } from './errors.ts';
import { withFolderLock } from './lock.ts';
import { defaultRevision, formatModelName, type ModelName } from './model-name.ts';
import type { HubSettings } from './settings.ts';
import { closestNames } from './suggestions.ts';

export interface CachedModel {
  /** As it is typed to use it. */
  readonly name: string;
  /** safetensors, or the format of a GGUF file; null where nothing is whole that can be opened. */
  readonly format: string | null;
  readonly bytes: number;
}

const sum = (files: readonly { readonly size: number }[]) => files.reduce((total, { size }) => total + size, 0);

async function listModel(cache: ModelCache): Promise<CachedModel[]> {
  const { id } = cache;
  const found: CachedModel[] = [];
  const main = cache.findCommit(defaultRevision);
  for (const commit of cache.listCommits()) {
    const name = { id, revision: commit === main ? defaultRevision : commit, format: null };
    const files = cache.list(commit);
    const weights = await cache.findWhole(name, commit);
    if (weights?.entry === '')
      found.push({ name: formatModelName(name), format: weights.format, bytes: sum(weights.files) });
    for (const group of listGguf(files).filter(isWhole))
      found.push({
        name: formatModelName({ ...name, format: group.format }),
        format: group.format,
        bytes: sum(group.files),
      });
  }
  if (found.length > 0) return found;
  const blobs = existsSync(cache.blobs) ? readdirSync(cache.blobs) : [];
  return [{ name: id, format: null, bytes: sum(blobs.map((blob) => lstatSync(join(cache.blobs, blob)))) }];
}

/** Lists the models of the cache by name. */
export async function listModels({ cache }: HubSettings): Promise<CachedModel[]> {
  const each = listCachedIds(cache).map((id) => listModel(new ModelCache(cache, id)));
  return (await Promise.all(each)).flat();
}

/** Removes files of a snapshot, and their blobs unless another snapshot has them. Returns the bytes freed. */
function removeFiles(cache: ModelCache, commit: string, paths: readonly string[]): number {
  const files = cache.list(commit).filter(({ path }) => paths.includes(path));
  for (const { path } of files) rmSync(join(cache.snapshot(commit), path));
  const used = new Set(cache.listCommits().flatMap((each) => cache.list(each).map(({ target }) => target)));
  const unused = files.filter(({ target }) => !used.has(target));
  for (const { target } of unused) rmSync(target, { force: true });
  return sum(unused);
}

/** Removes a model, or one of its GGUF files. Returns the bytes freed. Throws HubError where it is not in the cache. */
export async function removeModel(name: ModelName, settings: HubSettings): Promise<number> {
  const cache = new ModelCache(settings.cache, name.id);
  const where = formatModelName(name);
  const names = (await listModels(settings)).map((model) => model.name);
  const isWholeFolder = name.format === null && name.revision === defaultRevision;
  const commit = cache.findCommit(name.revision);
  const known = isWholeFolder ? existsSync(cache.folder) : commit !== null;
  const group = listGguf(commit === null ? [] : cache.list(commit)).find(
    ({ format, entry }) => format === name.format?.toUpperCase() || entry === name.format,
  );
  if (!known || (name.format !== null && group === undefined)) {
    const close = closestNames(where, names);
    const remedy = close.length > 0 ? `did you mean ${close.join(' or ')}?` : 'minke list names what is there';
    throw new HubError(where, `is not in ${settings.cache}`, remedy);
  }
  let freed = 0;
  await withFolderLock(cache.folder, { waiting: () => busy(where) }, async () => {
    if (isWholeFolder) {
      freed = folderBytes(cache.folder);
      rmSync(cache.folder, { recursive: true });
    } else if (commit !== null) {
      const paths = group?.files.map(({ path }) => path) ?? cache.list(commit).map(({ path }) => path);
      freed = removeFiles(cache, commit, paths);
      if (group === undefined) rmSync(cache.snapshot(commit), { recursive: true, force: true });
    }
  });
  return freed;
}

function busy(where: string): never {
  throw new HubError(where, 'another process downloads it', 'wait for it, or stop it first');
}

function folderBytes(folder: string): number {
  return readdirSync(folder, { withFileTypes: true }).reduce((total, entry) => {
    const path = join(folder, entry.name);
    return total + (entry.isDirectory() ? folderBytes(path) : entry.isFile() ? lstatSync(path).size : 0);
  }, 0);
}

// The cache of Hugging Face's libraries, which Python programs share: models--ORG--NAME/blobs holds files by their
// checksum, snapshots/COMMIT links to them by their name, refs/main holds a commit.
//
// Contract: a blob is there whole or not at all. A link that leads out of its model's folder is refused. Where the
// system makes no links (Windows without the right to), files lie in the snapshot themselves.
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { copyFile, link, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { readTextFile } from '../untrusted/index.ts';
import { chooseFiles, type ListedFile, type ModelFiles } from './choose-files.ts';
import { HubError } from './errors.ts';
import { isSafePath, type ModelName } from './model-name.ts';

export const prefix = 'models--';
/** The ending of a blob that is being downloaded by minke; other programs have others. */
export const partialEnding = '.minke.incomplete';

export interface CachedFile extends ListedFile {
  /** Where its bytes are. */
  readonly target: string;
}

const commitPattern = /^[0-9a-f]{40}$/;
/** The files of a snapshot that are looked at; a model with more was made up. */
const maxFiles = 20_000;
const maxIndexBytes = 64 * 2 ** 20;

/** Returns the names of the shards that an index lists. Throws HubError. */
export function readShards(path: string, id: string): string[] {
  const { size } = statSync(path);
  if (size > maxIndexBytes) throw new HubError(id, `its index has ${size} bytes`, 'choose another model');
  try {
    const { weight_map: map } = JSON.parse(readFileSync(path, 'utf8')) as { weight_map: Record<string, unknown> };
    const shards = [...new Set(Object.values(map))];
    if (shards.every((shard) => typeof shard === 'string' && isSafePath(shard))) return shards as string[];
  } catch {
    // said below
  }
  throw new HubError(id, 'its model.safetensors.index.json is damaged', 'choose another model');
}

/** The folder of one model in the cache. */
export class ModelCache {
  readonly id: string;
  readonly folder: string;

  constructor(cache: string, id: string) {
    this.id = id;
    this.folder = join(cache, prefix + id.replace('/', '--'));
  }

  get blobs(): string {
    return join(this.folder, 'blobs');
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  /** Returns the commit of a revision, as far as the cache knows it. */
  findCommit(revision: string): string | null {
    if (commitPattern.test(revision)) return existsSync(this.snapshot(revision)) ? revision : null;
    const text = readTextFile(join(this.folder, 'refs', ...revision.split('/')), { maxBytes: 200, followsLinks: true });
    const commit = text?.trim() ?? '';
    return commitPattern.test(commit) ? commit : null;
  }

  async setCommit(revision: string, commit: string): Promise<void> {
    if (commitPattern.test(revision)) return;
    const path = join(this.folder, 'refs', ...revision.split('/'));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.${process.pid}.new`, commit);
    await rename(`${path}.${process.pid}.new`, path);
  }

  /** Lists the files of a snapshot, without those whose blob is gone. Throws HubError for a link out of the cache. */
  list(commit: string): CachedFile[] {
    const root = this.snapshot(commit);
    if (!existsSync(root)) return [];
    const home = realpathSync(this.folder) + sep;
    const found: CachedFile[] = [];
    const folders = [''];
    for (const folder of folders)
      for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
        const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
        const full = join(root, path);
        if (entry.isDirectory()) folders.push(path);
        else if (existsSync(full)) {
          const target = realpathSync(full);
          if (!target.startsWith(home))
            throw new HubError(full, 'is a link out of the cache', `remove the model: minke remove ${this.id}`);
          found.push({ path, size: statSync(target).size, target });
        }
        if (found.length + folders.length > maxFiles)
          throw new HubError(root, `holds more than ${maxFiles} files`, `remove the model: minke remove ${this.id}`);
      }
    return found;
  }

  /** Whether a file is there whole: as a blob, or in the snapshot itself. */
  has({ path, size, checksum }: ListedFile & { readonly checksum: string }, commit: string): boolean {
    const own = join(this.snapshot(commit), path);
    return [join(this.blobs, checksum), own].some((file) => statSync(file, { throwIfNoEntry: false })?.size === size);
  }

  /** Makes a blob appear in a snapshot under its name. */
  async place(commit: string, path: string, checksum: string): Promise<void> {
    const pointer = join(this.snapshot(commit), path);
    const blob = join(this.blobs, checksum);
    mkdirSync(dirname(pointer), { recursive: true });
    const temporary = `${pointer}.${process.pid}.new`;
    await rm(temporary, { force: true });
    await symlink(relative(dirname(pointer), blob), temporary)
      .catch(() => link(blob, temporary))
      .catch(() => copyFile(blob, temporary));
    await rename(temporary, pointer);
  }

  /** Returns what a snapshot holds of a model, whole; null where anything is missing. */
  async findWhole(name: ModelName, commit: string): Promise<ModelFiles<CachedFile> | null> {
    const files = this.list(commit);
    const chosen = await chooseFiles(name, files, async ({ target }) => readShards(target, this.id)).catch(
      (error: unknown) => {
        if (error instanceof HubError) return null;
        throw error;
      },
    );
    if (chosen === null || chosen.entry !== '') return chosen;
    const names = chosen.files.map(({ path }) => path);
    const hasTokenizer = names.some((path) => /^(tokenizer\.|vocab\.|.*tiktoken)/.test(path));
    return names.includes('config.json') && hasTokenizer ? chosen : null;
  }

  /** Bytes of downloads that were stopped. */
  partialBytes(): number {
    return this.#listBlobs()
      .filter((blob) => blob.endsWith('.incomplete'))
      .reduce((total, blob) => total + (lstatSync(join(this.blobs, blob), { throwIfNoEntry: false })?.size ?? 0), 0);
  }

  /** Lists the commits that have a snapshot. */
  listCommits(): string[] {
    const folder = join(this.folder, 'snapshots');
    return existsSync(folder) ? readdirSync(folder).filter((commit) => commitPattern.test(commit)) : [];
  }

  #listBlobs(): string[] {
    return existsSync(this.blobs) ? readdirSync(this.blobs) : [];
  }
}

/** Lists the names of the models that have a folder in a cache. */
export function listCachedIds(cache: string): string[] {
  if (!existsSync(cache)) return [];
  const names = readdirSync(cache, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return names.flatMap(({ name }) => /^models--([\w.-]+?)--([\w.-]+)$/.exec(name)?.slice(1, 3).join('/') ?? []).sort();
}

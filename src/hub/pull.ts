// From a name to the files of a model: what the cache holds whole is used as it is, without the network; anything else
// is listed, announced, and downloaded, several files at a time.
import { existsSync, statSync } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { formatSize } from '../math/index.ts';
import { ModelCache, partialEnding, readShards } from './cache.ts';
import { chooseFiles, type ModelFiles, smallFiles } from './choose-files.ts';
import { type DownloadOptions, downloadFile } from './download.ts';
import { HubError } from './errors.ts';
import { HttpClient } from './http.ts';
import { fileAddress, listFiles, type RemoteFile } from './listing.ts';
import { withFolderLock } from './lock.ts';
import { formatModelName, type ModelName } from './model-name.ts';
import { defaultPatience, type Patience } from './patience.ts';
import type { HubSettings } from './settings.ts';

/** What is about to be downloaded. */
export interface DownloadPlan {
  readonly name: string;
  readonly commit: string;
  /** `Q4_K_M`, `safetensors`, or `configuration` where weights are not needed. */
  readonly format: string;
  readonly files: number;
  /** Bytes of all its files that are not here, whole or in part. */
  readonly bytes: number;
  /** Bytes that an earlier download left. */
  readonly doneBytes: number;
  /** The folder of the model in the cache. */
  readonly folder: string;
}

export interface PullOptions {
  readonly settings: HubSettings;
  /** Whether weights are needed; otherwise configuration and tokenizer are enough. @default true */
  readonly weights?: boolean;
  /** Whether to ask the hub for a newer commit although the cache has the model. @default false */
  readonly update?: boolean;
  /** Called before anything large is downloaded; false stops. @default yes */
  readonly confirm?: (plan: DownloadPlan) => Promise<boolean> | boolean;
  /** Called with the bytes of the plan that are here. */
  readonly progress?: (doneBytes: number, bytes: number) => void;
  readonly notice?: (text: string) => void;
  readonly signal?: AbortSignal;
  readonly patience?: Patience;
}

export interface PulledModel {
  /** A checkpoint folder or a GGUF file. */
  readonly path: string;
  readonly commit: string;
  /** Bytes that were downloaded now. */
  readonly downloadedBytes: number;
}

/** Files that are downloaded at once. */
const parallel = 4;
/** Room that is left on the disk. */
const spareBytes = 64 * 2 ** 20;

const sizeAt = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
const total = (files: readonly { readonly size: number }[]) => files.reduce((sum, { size }) => sum + size, 0);

/** Throws HubError where the disk has no room for a plan. */
async function expectRoom({ name, folder, bytes, doneBytes }: DownloadPlan): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const [needed, free] = [bytes - doneBytes + spareBytes, bavail * bsize];
  if (needed > free)
    throw new HubError(
      name,
      `${formatSize(bytes - doneBytes)} are to be downloaded, the disk of ${folder} has ${formatSize(free)}`,
      'free some space (minke list, minke remove), or choose another place: HF_HOME',
    );
}

/** Does `work` for each item, a few at a time; the first failure stops all. */
async function eachParallel<T>(
  items: readonly T[],
  outer: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stopping = new AbortController();
  const stop = () => stopping.abort(outer?.reason);
  outer?.addEventListener('abort', stop, { once: true });
  const rest = [...items];
  let failure: unknown = null;
  const worker = async () => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) {
      outer?.throwIfAborted();
      await work(item, stopping.signal);
    }
  };
  const workers = Array.from({ length: Math.min(parallel, rest.length) }, () =>
    worker().catch((error: unknown) => {
      failure ??= error;
      rest.length = 0;
      stopping.abort();
    }),
  );
  await Promise.all(workers);
  outer?.removeEventListener('abort', stop);
  outer?.throwIfAborted();
  if (failure !== null) throw failure;
}

/** One pull of a name. */
class Pull {
  readonly #name: ModelName;
  readonly #options: PullOptions;
  readonly #cache: ModelCache;
  readonly #http: HttpClient;

  constructor(name: ModelName, options: PullOptions) {
    this.#name = name;
    this.#options = options;
    this.#cache = new ModelCache(options.settings.cache, name.id);
    this.#http = new HttpClient(options.settings, options.patience ?? defaultPatience);
  }

  /** Returns what the cache holds whole; null where it lacks something. */
  async findCached(): Promise<PulledModel | null> {
    const commit = this.#cache.findCommit(this.#name.revision);
    if (commit === null) return null;
    const path = this.#cache.snapshot(commit);
    if (this.#options.weights === false) {
      const hasConfig = this.#cache.list(commit).some((file) => file.path === 'config.json');
      return hasConfig ? { path, commit, downloadedBytes: 0 } : null;
    }
    const found = await this.#cache.findWhole(this.#name, commit);
    return found && { path: join(path, found.entry), commit, downloadedBytes: 0 };
  }

  /** Downloads what is missing; null where it is not confirmed. */
  async download(): Promise<PulledModel | null> {
    const { settings, signal, confirm = () => true, notice = () => undefined } = this.#options;
    const { commit, files } = await listFiles(this.#http, settings, this.#name);
    await mkdir(this.#cache.blobs, { recursive: true });
    const chosen = await this.#choose(commit, files);
    const missing = chosen.files.filter((file) => !this.#cache.has(file, commit));
    const plan = this.#plan(commit, chosen, missing);
    await expectRoom(plan);
    if (missing.length > 0 && !(await confirm(plan))) return null;
    const name = formatModelName(this.#name);
    const waiting = () => notice(`another process downloads ${name}; waiting for it`);
    await withFolderLock(this.#cache.folder, { waiting, signal }, async () => {
      await this.#fetchAll(plan, missing);
      for (const { path, checksum } of chosen.files)
        if (existsSync(join(this.#cache.blobs, checksum))) await this.#cache.place(commit, path, checksum);
      await this.#cache.setCommit(this.#name.revision, commit);
    });
    const path = join(this.#cache.snapshot(commit), chosen.entry);
    return { path, commit, downloadedBytes: plan.bytes - plan.doneBytes };
  }

  async #choose(commit: string, files: readonly RemoteFile[]): Promise<ModelFiles<RemoteFile>> {
    if (this.#options.weights === false) {
      const small = smallFiles(files);
      if (small.some(({ path }) => path === 'config.json')) return { entry: '', format: 'configuration', files: small };
    }
    return chooseFiles(this.#name, files, async (index) => {
      await this.#fetch(commit, index, () => undefined, this.#options.signal);
      return readShards(join(this.#cache.blobs, index.checksum), this.#name.id);
    });
  }

  #plan(commit: string, { format }: ModelFiles<RemoteFile>, missing: readonly RemoteFile[]): DownloadPlan {
    const partial = ({ checksum, size }: RemoteFile) =>
      Math.min(size, sizeAt(join(this.#cache.blobs, checksum) + partialEnding));
    return {
      name: formatModelName(this.#name),
      commit,
      format,
      files: missing.length,
      bytes: total(missing),
      doneBytes: missing.reduce((sum, file) => sum + partial(file), 0),
      folder: this.#cache.folder,
    };
  }

  async #fetchAll({ commit, bytes }: DownloadPlan, missing: readonly RemoteFile[]): Promise<void> {
    const { progress = () => undefined, signal } = this.#options;
    const done = new Map<RemoteFile, number>();
    const report = (file: RemoteFile, size: number) => {
      done.set(file, size);
      progress(
        [...done.values()].reduce((sum, each) => sum + each, 0),
        bytes,
      );
    };
    const bySize = [...missing].sort((a, b) => a.size - b.size); // what is refused is refused at once
    await eachParallel(bySize, signal, async (file, stopping) => {
      await this.#fetch(commit, file, (size) => report(file, size), stopping);
      await this.#cache.place(commit, file.path, file.checksum);
    });
  }

  /** Downloads a file unless another process has done so. */
  async #fetch(
    commit: string,
    file: RemoteFile,
    progress: DownloadOptions['progress'],
    signal?: AbortSignal,
  ): Promise<void> {
    if (this.#cache.has(file, commit)) return progress(file.size);
    const { settings } = this.#options;
    const target = join(this.#cache.blobs, file.checksum);
    const address = fileAddress(settings, this.#name.id, commit, file.path);
    await downloadFile(file, { id: this.#name.id, address, target, http: this.#http, settings, signal, progress });
  }
}

/**
 * Returns the path of a model, downloaded if the cache lacks any of it; null where that is not confirmed. Throws
 * HubError; rejects with the signal's reason where it aborts, and what arrived stays for the next time.
 */
export async function pullModel(name: ModelName, options: PullOptions): Promise<PulledModel | null> {
  const { settings, update = false } = options;
  const pull = new Pull(name, options);
  if (!update || settings.isOffline) {
    const cached = await pull.findCached();
    if (cached !== null) return cached;
  }
  if (settings.isOffline)
    throw new HubError(
      formatModelName(name),
      `is not whole in ${settings.cache}, and HF_HUB_OFFLINE forbids to download it`,
      'unset HF_HUB_OFFLINE, or name one of minke list',
    );
  return pull.download();
}

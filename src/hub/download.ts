// Downloads one file to its blob: resumed where an earlier process stopped, checked against size and checksum before it
// gets its name.
import { createHash, type Hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { dirname } from 'node:path';
import { partialEnding } from './cache.ts';
import { HubError, RetriableError } from './errors.ts';
import type { HttpClient, Reply } from './http.ts';
import { expectSuccess, type RemoteFile } from './listing.ts';
import { withRetries } from './retry.ts';
import type { HubSettings } from './settings.ts';

export interface DownloadOptions {
  readonly id: string;
  readonly address: string;
  /** The path of the blob. */
  readonly target: string;
  readonly http: HttpClient;
  readonly settings: HubSettings;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes that are there now. */
  readonly progress: (bytes: number) => void;
}

const bufferBytes = 2 ** 20;

/** The checksum of a file in the form that its length says: SHA-256, or the SHA-1 of git's blob. */
function startHash({ checksum, size }: RemoteFile): Hash {
  return checksum.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

/** A file in the making: what it holds, and the checksum of that. */
class PartialFile {
  readonly #file: FileHandle;
  readonly #remote: RemoteFile;
  #hash: Hash;
  bytes = 0;

  private constructor(file: FileHandle, remote: RemoteFile) {
    this.#file = file;
    this.#remote = remote;
    this.#hash = startHash(remote);
  }

  static async open(path: string, remote: RemoteFile): Promise<PartialFile> {
    const file = await open(path, existsSync(path) ? 'r+' : 'w+', 0o644);
    const partial = new PartialFile(file, remote);
    if ((await file.stat()).size > remote.size) await partial.restart();
    const buffer = Buffer.alloc(bufferBytes);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, partial.bytes);
      if (bytesRead === 0) return partial;
      partial.#hash.update(buffer.subarray(0, bytesRead));
      partial.bytes += bytesRead;
    }
  }

  async append(part: Uint8Array): Promise<void> {
    await this.#file.write(part, 0, part.length, this.bytes);
    this.#hash.update(part);
    this.bytes += part.length;
  }

  async restart(): Promise<void> {
    await this.#file.truncate(0);
    this.#hash = startHash(this.#remote);
    this.bytes = 0;
  }

  /** Whether it is whole and as its checksum says. Ends it. */
  async verify(): Promise<boolean> {
    await this.#file.sync();
    return this.#hash.digest('hex') === this.#remote.checksum;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Checks that a reply has the bytes from `from` on. Returns false where it has the whole file instead. */
function expectRange({ status, headers }: Reply, id: string, { path, size }: RemoteFile, from: number): boolean {
  const isPart = status === 206;
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers['content-range'] ?? '') ?? [];
  if (isPart && (Number(start) !== from || Number(total) !== size))
    throw new HubError(id, `${path}: the server sent other bytes than those asked for`, 'try again later');
  const announced = Number(headers['content-length'] ?? Number.NaN);
  const expected = isPart ? size - from : size;
  if (!Number.isNaN(announced) && announced !== expected)
    throw new HubError(
      id,
      `${path} has ${announced} bytes at the server, ${expected} were listed`,
      'try again later, or choose another HF_ENDPOINT',
    );
  return isPart;
}

/**
 * Listens to a body from now on, and yields what arrives, also what came before the connection broke, which Node's own
 * iterator drops. Throws the error of the connection after it.
 */
function arrivals(body: IncomingMessage): AsyncGenerator<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  const state: { isOpen: boolean; error: Error | null } = { isOpen: true, error: null };
  let wake: () => void = () => undefined;
  const finish = (error: Error | null) => {
    if (state.isOpen) Object.assign(state, { isOpen: false, error });
    wake();
  };
  body.on('end', () => finish(null)).on('error', finish);
  body.on('close', () => finish(new Error('closed')));
  body.on('data', (part: Buffer) => {
    parts.push(part);
    bytes += part.length;
    if (bytes >= bufferBytes) body.pause();
    wake();
  });
  return (async function* () {
    while (parts.length > 0 || state.isOpen) {
      const part = parts.shift();
      if (part === undefined)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      else {
        bytes -= part.length;
        yield part;
        if (bytes === 0) body.resume();
      }
    }
    if (state.error) throw state.error;
  })();
}

/** Reads on from where the file ends. Throws RetriableError where the connection breaks. */
async function readOn(partial: PartialFile, remote: RemoteFile, options: DownloadOptions, progressed: () => void) {
  const { id, address, http, settings, signal, progress } = options;
  const from = partial.bytes;
  if (from === remote.size) return;
  const reply = await http.get(address, from > 0 ? { range: `bytes=${from}-` } : {}, signal);
  const parts = arrivals(reply.body);
  try {
    if (reply.status === 416) {
      await partial.restart();
      throw new RetriableError('the server refuses to continue');
    }
    expectSuccess(reply, id, settings);
    if (!expectRange(reply, id, remote, from) && from > 0) await partial.restart();
    for await (const part of parts) {
      if (partial.bytes + part.length > remote.size)
        throw new HubError(id, `${remote.path} is longer than the ${remote.size} bytes listed`, 'do not trust it');
      await partial.append(part);
      progressed();
      progress(partial.bytes);
    }
  } catch (error) {
    reply.body.destroy();
    signal?.throwIfAborted();
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new HubError(
        id,
        'the disk is full',
        'free some space, or choose another place: HF_HOME; it continues there',
      );
    if (error instanceof HubError || error instanceof RetriableError) throw error;
    throw new RetriableError(`the connection broke (${code ?? (error as Error).message})`);
  }
  if (partial.bytes < remote.size) throw new RetriableError('the connection broke');
}

/** Downloads a file. Throws HubError; what arrived stays, and the next attempt continues after it. */
export async function downloadFile(remote: RemoteFile, options: DownloadOptions): Promise<void> {
  const { id, target, http, signal, progress } = options;
  const path = target + partialEnding;
  await mkdir(dirname(target), { recursive: true });
  for (let isFresh = false; ; isFresh = true) {
    const partial = await PartialFile.open(path, remote);
    const continued = partial.bytes > 0;
    progress(partial.bytes);
    try {
      const remedy = 'check the network; the same command continues where it stopped';
      if (partial.bytes < remote.size)
        await withRetries((progressed) => readOn(partial, remote, options, progressed), {
          where: `${id}: ${remote.path}`,
          remedy,
          patience: http.patience,
          signal,
        });
      if (await partial.verify()) break;
    } finally {
      await partial.close();
    }
    await rm(path, { force: true });
    if (isFresh || !continued)
      throw new HubError(id, `${remote.path} arrived damaged: its checksum is another`, 'try again; it starts anew');
  }
  await rename(path, target).catch((error: unknown) => {
    if (!existsSync(target)) throw error; // another process was faster
  });
}

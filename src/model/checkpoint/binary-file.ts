// Reads pieces of files and writes whole files: the only place where checkpoints touch the disk.
//
// Contract: a read lies inside the file or throws; a file is written under another name until it is complete, flushed
// and renamed, so that no reader ever sees half of one.
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CheckpointError } from './errors.ts';

/** Node aborts the process when one call moves 2 GiB or more. */
const maxTransfer = 2 ** 30;

export class BinaryFile {
  readonly path: string;
  readonly size: number;
  readonly #handle: FileHandle;

  private constructor(path: string, size: number, handle: FileHandle) {
    this.path = path;
    this.size = size;
    this.#handle = handle;
  }

  static async open(path: string): Promise<BinaryFile> {
    try {
      const found = await stat(path);
      if (!found.isFile()) throw new CheckpointError(path, 'is not a file', 'name a file'); // a pipe would never open
      return new BinaryFile(path, found.size, await open(path, 'r'));
    } catch (error) {
      if (error instanceof CheckpointError) throw error;
      const { code } = error as NodeJS.ErrnoException;
      throw new CheckpointError(path, `cannot be opened (${code})`, 'check the path');
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.size))
      throw new CheckpointError(
        this.path,
        `bytes ${offset} to ${offset + length} lie outside its ${this.size}`,
        'the file is truncated or damaged: fetch it again',
      );
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const part = Math.min(length - done, maxTransfer);
      const { bytesRead } = await this.#handle.read(bytes, done, part, offset + done);
      if (bytesRead === 0)
        throw new CheckpointError(this.path, 'became shorter while it was read', 'do not change it while it is loaded');
      done += bytesRead;
    }
    return bytes;
  }

  /** The descriptor, for mapping the file. */
  get fd(): number {
    return this.#handle.fd;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Opens a file for `body`, which takes it over; closes it when `body` fails. */
export async function opened<T>(path: string, body: (file: BinaryFile) => Promise<T>): Promise<T> {
  const file = await BinaryFile.open(path);
  try {
    return await body(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Lets `body` write bytes at positions; the file appears at `path` only when all is written. */
export async function writeWhole(
  path: string,
  body: (write: (bytes: Uint8Array, position: number) => Promise<void>) => Promise<void>,
): Promise<void> {
  const aside = `${path}.partial`;
  const handle = await open(aside, 'w');
  try {
    await body(async (bytes, position) => {
      for (let done = 0; done < bytes.length; ) {
        const part = Math.min(bytes.length - done, maxTransfer);
        done += (await handle.write(bytes, done, part, position + done)).bytesWritten;
      }
    });
    await handle.sync();
    await handle.close();
    await rename(aside, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(aside, { force: true });
    throw error;
  }
}

/** Makes a rename durable. Windows cannot open folders, and does not need it. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  await handle.sync();
  await handle.close();
}

export function writeJson(path: string, value: object): Promise<void> {
  return writeWhole(path, (write) => write(new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`), 0));
}

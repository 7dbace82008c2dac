// Regular files, read whole up to a limit.
//
// Contract: a pipe, a device or a folder in the place of a file is refused before it is read, so that none can stop the
// process; links are followed only where the caller says so; no more than the limit is read, also of a file that grows.
// Problems are words without the path: who reads knows the name.
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';

/** Why a file is not read: `problem` and `remedy` for the caller's error, which names the file. */
export class FileError extends Error {
  readonly problem: string;
  readonly remedy: string;

  constructor(problem: string, remedy: string) {
    super(`${problem}; ${remedy}`);
    this.name = 'FileError';
    this.problem = problem;
    this.remedy = remedy;
  }
}

// Without O_NONBLOCK, opening a pipe waits for its writer. Windows has neither flag.
const plain = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
const withoutLinks = plain | (constants.O_NOFOLLOW ?? 0);

const kinds: readonly (readonly [is: (found: Stats) => boolean, name: string])[] = [
  [(found) => found.isDirectory(), 'a folder'],
  [(found) => found.isFIFO(), 'a pipe'],
  [(found) => found.isSocket(), 'a socket'],
];

function expectRegular(found: Stats): void {
  if (found.isFile()) return;
  const [, kind] = kinds.find(([is]) => is(found)) ?? [null, 'a device'];
  throw new FileError(`is ${kind}, not a file`, 'remove it');
}

/** Returns null for a file that does not exist; throws FileError otherwise. */
function toMissing({ code }: NodeJS.ErrnoException): null {
  if (code === 'ENOENT' || code === 'ENOTDIR') return null;
  if (code === 'ELOOP' || code === 'EMLINK')
    throw new FileError('is a link, not a file', 'replace it by the file that it points to');
  if (code === 'ENXIO') throw new FileError('is a socket, not a file', 'remove it');
  if (code === 'EMFILE' || code === 'ENFILE')
    throw new FileError('cannot be opened: this process may not open more files', 'raise its limit (ulimit -n)');
  throw new FileError(`cannot be opened (${code})`, 'check its permissions');
}

const formatMiB = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export interface ReadOptions {
  /** Larger files are refused. */
  readonly maxBytes: number;
  /** Whether a link may lead to the file. @default false */
  readonly followsLinks?: boolean;
}

/** Opens a regular file to read it; null where there is none. The caller closes it. Throws FileError. */
export function openRegularFileSync(path: string, { followsLinks = false }: Pick<ReadOptions, 'followsLinks'> = {}) {
  let file: number;
  try {
    file = openSync(path, followsLinks ? plain : withoutLinks);
  } catch (error) {
    return toMissing(error as NodeJS.ErrnoException);
  }
  try {
    expectRegular(fstatSync(file));
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** Returns the text of a regular file; null where there is none. Throws FileError. */
export function readTextFile(path: string, { maxBytes, followsLinks = false }: ReadOptions): string | null {
  const file = openRegularFileSync(path, { followsLinks });
  if (file === null) return null;
  try {
    const found = fstatSync(file);
    if (found.size > maxBytes)
      throw new FileError(
        `has ${formatMiB(found.size)}, more than the ${formatMiB(maxBytes)} that are read`,
        'check that it is the right file',
      );
    const bytes = Buffer.alloc(found.size);
    let end = 0;
    for (let read = 1; read > 0 && end < bytes.length; end += read)
      read = readSync(file, bytes, end, bytes.length - end, end);
    return bytes.toString('utf8', 0, end);
  } finally {
    closeSync(file);
  }
}

/** A file to read pieces of. */
export interface OpenFile {
  stat(): Promise<{ readonly size: number }>;
  read(bytes: Uint8Array, at: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  close(): Promise<void>;
}

/** Opens a regular file to read pieces of it; null where there is none. Links are refused. Throws FileError. */
export async function openRegularFile(path: string): Promise<OpenFile | null> {
  const file = await open(path, withoutLinks).catch(toMissing);
  if (file === null) return null;
  try {
    expectRegular(await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

// The lines of a growing events.jsonl: read from a byte offset up to the last complete line, or followed.
//
// Contract: `next` of one read is the offset of the following read; an incomplete last line waits for its end. An
// offset that is not the start of a line and a line that is not an event are refused in words, as is a file that is no
// file or has a line without end: no read takes more memory than a line may have.
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { ApiError } from '../server/index.ts';
import { maxLineBytes, parseLine } from '../train/index.ts';
import { FileError, type OpenFile, openRegularFile } from '../untrusted/index.ts';

export interface EventLines {
  readonly lines: readonly string[];
  /** The offset after the last of these lines. */
  readonly next: number;
  /** The size of the file in bytes when it was read. */
  readonly size: number;
}

const newline = 10;

async function expectLineStart(file: OpenFile, offset: number, size: number): Promise<void> {
  const before = Buffer.alloc(1);
  if (offset > 0 && offset <= size) await file.read(before, 0, 1, offset - 1);
  if (offset === 0 || before[0] === newline) return;
  throw new ApiError(
    422,
    `from: ${offset} is not where an event of this run begins: use 0, or the "next" of an earlier answer`,
    { param: 'from' },
  );
}

/**
 * Reads about `limit` bytes of complete lines from `offset` on. A missing file reads as empty. Throws ApiError 422, and
 * FileError where the file cannot be read.
 */
export async function readLines(path: string, offset: number, limit: number): Promise<EventLines> {
  const file = await openRegularFile(path);
  if (file === null) return { lines: [], next: 0, size: 0 };
  try {
    const { size } = await file.stat();
    await expectLineStart(file, offset, size);
    for (let length = limit; ; length = Math.min(2 * length, maxLineBytes + 1)) {
      const bytes = Buffer.alloc(Math.min(length, size - offset));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
      const end = bytes.subarray(0, bytesRead).lastIndexOf(newline) + 1;
      const isCut = end === 0 && bytesRead > 0 && offset + bytesRead < size; // one line is longer than the limit
      if (isCut && length <= maxLineBytes) continue;
      if (end === 0 && bytesRead > maxLineBytes)
        throw new FileError(`has a line of more than ${maxLineBytes} bytes`, 'remove the line');
      return { lines: splitLines(bytes, end), next: offset + end, size };
    }
  } finally {
    await file.close();
  }
}

/** Reads the last complete lines of a file, about `limit` bytes. Throws FileError. */
export async function readLastLines(path: string, limit: number): Promise<readonly string[]> {
  return (await readEnds(path, limit)).last;
}

const firstBytes = 1024;

/** Reads the first line and the last ones, about `limit` bytes. Throws FileError. */
export async function readEnds(
  path: string,
  limit: number,
): Promise<{ readonly first: string | null; readonly last: readonly string[] }> {
  const file = await openRegularFile(path);
  if (file === null) return { first: null, last: [] };
  try {
    const { size } = await file.stat();
    const last = await readTail(file, size, limit);
    if (size <= limit) return { first: last[0] ?? null, last };
    const bytes = Buffer.alloc(firstBytes);
    await file.read(bytes, 0, bytes.length, 0);
    const end = bytes.indexOf(newline);
    return { first: end < 0 ? null : bytes.toString('utf8', 0, end), last };
  } finally {
    await file.close();
  }
}

async function readTail(file: OpenFile, size: number, limit: number): Promise<readonly string[]> {
  for (let length = limit; ; length *= 4) {
    const from = Math.max(0, size - length);
    const bytes = Buffer.alloc(size - from);
    await file.read(bytes, 0, bytes.length, from);
    const begin = from === 0 ? 0 : bytes.indexOf(newline) + 1; // what is before is a part of a line
    const end = bytes.lastIndexOf(newline) + 1;
    if (from === 0 || end > begin) return splitLines(bytes.subarray(begin), end - begin);
    if (length > 2 * maxLineBytes)
      throw new FileError(`has a line of more than ${maxLineBytes} bytes`, 'remove the line');
  }
}

function splitLines(bytes: Buffer, end: number): string[] {
  return bytes.toString('utf8', 0, end).split('\n').slice(0, -1);
}

/** Parses a line as an event of a run. Throws ApiError 422 that says what is wrong. */
export function parseEvent(line: string, schema: z.ZodType, where: string): object {
  try {
    return parseLine(line, schema) as object;
  } catch (error) {
    const problem = error instanceof FileError ? error.problem : (error as Error).message.slice(0, 300);
    throw new ApiError(422, `${where} contains a line that is not an event (${problem}): remove it`, {
      code: 'damaged_run',
    });
  }
}

export interface FollowOptions {
  /** Whether a process may still append. */
  readonly isLive: () => Promise<boolean>;
  readonly signal: AbortSignal;
}

const batchBytes = 256 * 1024;
const pollMs = 200;

/**
 * Yields batches of complete lines from `offset` on. Ends when the run has ended and all its lines were given, when the
 * file became shorter than what was read (another run writes it now), or with the signal.
 */
export async function* followLines(
  path: string,
  offset: number,
  { isLive, signal }: FollowOptions,
): AsyncGenerator<EventLines, void, undefined> {
  for (let at = offset; ; ) {
    const wasLive = await isLive(); // asked before reading: what the process wrote before it ended is then in the file
    const batch = await readLines(path, at, batchBytes);
    if (batch.lines.length > 0) {
      at = batch.next;
      yield batch;
      continue;
    }
    if (!wasLive || signal.aborted) return;
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

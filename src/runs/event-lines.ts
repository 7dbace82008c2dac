// Lines of a growing events.jsonl: from an offset in bytes to the last line that is whole.
//
// Contract: `next` of one reading is the offset of the following one; a half-written last line waits for its end. An
// offset within a line, behind the end, or a line that is no event is refused in words.
import { type FileHandle, open } from 'node:fs/promises';
import type { z } from 'zod';
import { ApiError } from '../server/index.ts';

export interface Lines {
  readonly lines: readonly string[];
  /** Offset of the line behind the last of these. */
  readonly next: number;
  /** Of the file, when it was read. */
  readonly size: number;
}

const newline = 10;

async function expectLineStart(file: FileHandle, offset: number, size: number): Promise<void> {
  const before = Buffer.alloc(1);
  if (offset > 0 && offset <= size) await file.read(before, 0, 1, offset - 1);
  if (offset === 0 || before[0] === newline) return;
  throw new ApiError(
    422,
    `from: ${offset} is not where an event of this run begins: use 0, or the "next" of an earlier answer`,
    { param: 'from' },
  );
}

/** Whole lines from `offset` on, about `limit` bytes of them. No file reads as an empty one. Throws ApiError 422. */
export async function linesFrom(path: string, offset: number, limit: number): Promise<Lines> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return { lines: [], next: 0, size: 0 };
  try {
    const { size } = await file.stat();
    await expectLineStart(file, offset, size);
    for (let length = limit; ; length *= 2) {
      const bytes = Buffer.alloc(Math.min(length, size - offset));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
      const end = bytes.subarray(0, bytesRead).lastIndexOf(newline) + 1;
      if (end === 0 && bytesRead > 0 && offset + bytesRead < size) continue; // one line is longer than the limit
      const text = bytes.toString('utf8', 0, end);
      return { lines: text.split('\n').slice(0, -1), next: offset + end, size };
    }
  } finally {
    await file.close();
  }
}

/** The last whole lines of a file, about `limit` bytes. */
export async function lastLines(path: string, limit: number): Promise<readonly string[]> {
  const file = await open(path, 'r').catch(() => null);
  if (file === null) return [];
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - limit);
    const bytes = Buffer.alloc(size - from);
    await file.read(bytes, 0, bytes.length, from);
    const lines = bytes
      .toString('utf8', 0, bytes.lastIndexOf(newline) + 1)
      .split('\n')
      .slice(0, -1);
    return from === 0 ? lines : lines.slice(1);
  } finally {
    await file.close();
  }
}

/** A line as an event of a run. Throws ApiError 422 with what is wrong. */
export function eventOf(line: string, schema: z.ZodType, where: string): object {
  try {
    return schema.parse(JSON.parse(line)) as object;
  } catch (error) {
    throw new ApiError(
      422,
      `${where} holds a line that is no event (${(error as Error).message.slice(0, 300)}): remove it`,
      {
        code: 'damaged_run',
      },
    );
  }
}

// Files of a run's folder as others may have written them: read under limits, with errors that name the file.
//
// Contract: a folder in which something is a link, a pipe or a device is not written to. A run appends to its events,
// cuts off their last line and removes old checkpoints: through a link it would do so in another place.
import { closeSync, fstatSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { FileError, openRegularFileSync, readJsonFile } from '../../untrusted/index.ts';
import { TrainError } from '../errors.ts';

/** Recipes and lineages are a few kB, with thousands of sources below 1 MiB. */
const maxJsonBytes = 2 * 2 ** 20;
/** The bytes of one event, and of all events of a run. */
export const maxLineBytes = 2 ** 20;
const maxLinesBytes = 512 * 2 ** 20;
const pieceBytes = 2 ** 20;

/** Returns the error of the file at `path` for a file or a value that is not what it should be. */
export function toRunFileError(path: string, error: unknown): unknown {
  return error instanceof FileError ? new TrainError(path, error.problem, error.remedy) : error;
}

/** Returns the first problem that a schema finds: `steps: expected number, received string`. */
export function describeIssue({ issues }: z.ZodError): string {
  const [{ path, message }] = issues as [z.core.$ZodIssue];
  return [...(path.length > 0 ? [path.join('.')] : []), message].join(': ').slice(0, 300);
}

/** A list whose first wrong item refuses it, where z.array collects what is wrong with each of a million. */
export const quickList = <T extends z.ZodType>(item: T) =>
  z.array(z.unknown()).transform((values, context): z.output<T>[] => {
    const items: z.output<T>[] = [];
    for (const [i, value] of values.entries()) {
      const checked = item.safeParse(value);
      if (!checked.success) {
        context.addIssue({ code: 'custom', path: [i], message: describeIssue(checked.error) });
        return z.NEVER;
      }
      items.push(checked.data);
    }
    return items;
  });

/** Returns what a JSON file of a run holds; undefined where there is none. Throws TrainError. */
export function readRunJson(path: string): unknown {
  try {
    return readJsonFile(path, { maxBytes: maxJsonBytes });
  } catch (error) {
    throw toRunFileError(path, error);
  }
}

/** Yields the whole lines of a file; nothing where there is none. Throws TrainError. */
export function* readRunLines(path: string): Generator<string> {
  try {
    yield* readLines(path);
  } catch (error) {
    throw toRunFileError(path, error);
  }
}

const tooLong = () => new FileError(`has a line of more than ${maxLineBytes} bytes`, 'remove the line');

function* readLines(path: string): Generator<string> {
  const file = openRegularFileSync(path);
  if (file === null) return;
  try {
    if (fstatSync(file).size > maxLinesBytes)
      throw new FileError(`has more than ${maxLinesBytes / 2 ** 20} MiB`, 'check that it is the right file');
    const piece = Buffer.alloc(pieceBytes);
    let rest = Buffer.alloc(0);
    for (let at = 0; ; ) {
      const read = readSync(file, piece, 0, piece.length, at);
      if (read === 0) return; // what is left is no whole line
      at += read;
      const bytes = Buffer.concat([rest, piece.subarray(0, read)]);
      let begin = 0;
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, begin)) {
        if (end - begin > maxLineBytes) throw tooLong();
        yield bytes.toString('utf8', begin, end);
        begin = end + 1;
      }
      rest = bytes.subarray(begin);
      if (rest.length > maxLineBytes) throw tooLong();
    }
  } finally {
    closeSync(file);
  }
}

/** The depth and number of a run's files; checkpoints/step-N/file is the deepest. */
const maxDepth = 4;
const maxEntries = 10_000;

/** Throws TrainError where a folder that a run would write to holds anything but files and folders. */
export function expectOwnFiles(folder: string): void {
  let count = 0;
  const visit = (path: string, depth: number): void => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const inside = join(path, entry.name);
      if (entry.isSymbolicLink())
        throw new TrainError(
          inside,
          'is a link, and a run writes only into its own folder',
          'replace it by what it shows',
        );
      if (entry.isDirectory() && depth < maxDepth) visit(inside, depth + 1);
      else if (!entry.isDirectory() && !entry.isFile())
        throw new TrainError(inside, 'is neither a file nor a folder', 'remove it');
      if (++count > maxEntries)
        throw new TrainError(folder, `holds more than ${maxEntries} files`, 'check that it is the folder of a run');
    }
  };
  const found = statSync(folder, { throwIfNoEntry: false }); // a link that the user named is meant
  if (found?.isDirectory() === false) throw new TrainError(folder, 'is not a folder', 'name the folder of a run');
  if (found !== undefined) visit(folder, 1);
}

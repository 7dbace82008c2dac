// JSON that others wrote: not nested deeper than its readers and writers can follow.
import { FileError, type ReadOptions, readTextFile } from './regular-file.ts';

/** Levels of nesting. JSON.stringify and most readers recurse, and overflow the stack at a few thousand. */
const maxDepth = 64;

/** Returns the depth of nested brackets without parsing. */
export function nestingDepth(json: string): number {
  let [depth, deepest] = [0, 0];
  for (let i = 0; i < json.length; i++) {
    const unit = json.charCodeAt(i);
    if (unit === 0x22) {
      for (i++; i < json.length && json.charCodeAt(i) !== 0x22; i++) if (json.charCodeAt(i) === 0x5c) i++;
    } else if (unit === 0x5b || unit === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (unit === 0x5d || unit === 0x7d) depth--;
  }
  return deepest;
}

/** Parses JSON of at most 64 levels. Throws FileError. */
export function parseJson(text: string): unknown {
  if (nestingDepth(text) > maxDepth) throw new FileError(`is nested deeper than ${maxDepth} levels`, 'flatten it');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FileError(`is not JSON (${(error as Error).message.slice(0, 200)})`, 'correct it');
  }
}

/** Returns what a JSON file holds; undefined where there is no file. Throws FileError. */
export function readJsonFile(path: string, options: ReadOptions): unknown {
  const text = readTextFile(path, options);
  return text === null ? undefined : parseJson(text);
}

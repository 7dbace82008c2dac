// JSON that others wrote: not nested deeper than its readers and writers can follow, and not of more values than a
// schema can refuse in a moment.
import { measureJson } from './json-shape.ts';
import { FileError, type ReadOptions, readTextFile } from './regular-file.ts';

/** Levels of nesting. JSON.stringify and most readers recurse, and overflow the stack at a few thousand. */
const maxDepth = 64;
/**
 * Values and names of all lists and objects. A schema takes 10 µs to refuse a value: a million would stop the process
 * for 10 s.
 */
const maxValues = 50_000;

/** Returns the depth of nested brackets, without parsing: for texts of many megabytes, whose values are not counted. */
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

/** Parses JSON of at most 64 levels and 50,000 values. Throws FileError. */
export function parseJson(text: string): unknown {
  const { depth, values, numbers } = measureJson(Buffer.from(text));
  if (depth > maxDepth) throw new FileError(`is nested deeper than ${maxDepth} levels`, 'flatten it');
  if (values + numbers > maxValues)
    throw new FileError(`holds more than ${maxValues} values`, 'check that it is the right file');
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

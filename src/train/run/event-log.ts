// events.jsonl: everything a run reports, one JSON object a line; appended, and read back whole.
//
// Contract: the file only grows. A run that was resumed reports `resumed` with the step it continued from; later steps
// before that line are superseded, because they come again, and are left out when the file is read. A line that was cut
// off by a crash is dropped.
import { appendFileSync, closeSync, fstatSync, readSync, truncateSync } from 'node:fs';
import type { z } from 'zod';
import { FileError, openRegularFileSync, parseJson } from '../../untrusted/index.ts';
import { TrainError } from '../errors.ts';
import type { RunEvent } from './description.ts';
import { describeIssue, maxLineBytes, readRunLines, toRunFileError } from './run-file.ts';
import { withoutSuperseded } from './series.ts';
import { steadyNow } from './steady-clock.ts';
import { asWriteFailure } from './write-failure.ts';

/** Reads the whole lines of a JSONL file; none where there is no file. Throws TrainError where a line is no `name`. */
export function readJsonLines<T>(path: string, schema: z.ZodType<T>, name: string): T[] {
  const values: T[] = [];
  for (const line of readRunLines(path)) {
    try {
      values.push(parseLine(line, schema));
    } catch (error) {
      const problem = error instanceof FileError ? error.problem : (error as Error).message;
      throw new TrainError(`${path}:${values.length + 1}`, `is no ${name} (${problem})`, 'remove the line');
    }
  }
  return values;
}

/** Parses a line of a JSONL file. Throws FileError that says what is wrong with it. */
export function parseLine<T>(line: string, schema: z.ZodType<T>): T {
  const checked = schema.safeParse(parseJson(line));
  if (checked.success) return checked.data;
  throw new FileError(describeIssue(checked.error), 'remove the line');
}

/** Cuts off what a crash left of the last line. */
export function cutPartialLine(path: string): void {
  let file: number | null = null;
  try {
    file = openRegularFileSync(path);
    if (file === null) return;
    const { size } = fstatSync(file);
    const tail = Buffer.alloc(Math.min(size, maxLineBytes + 1));
    readSync(file, tail, 0, tail.length, size - tail.length);
    const end = size - tail.length + tail.lastIndexOf(newline) + 1;
    if (end === size - tail.length && end > 0)
      throw new FileError(`ends with a line of more than ${maxLineBytes} bytes`, 'remove the line');
    if (end < size) truncateSync(path, end);
  } catch (error) {
    throw toRunFileError(path, error);
  } finally {
    if (file !== null) closeSync(file);
  }
}

const newline = 10;

/** Returns the events of a file, without superseded ones. */
export function readEvents<E extends RunEvent>(path: string, schema: z.ZodType<E>): E[] {
  return withoutSuperseded(readJsonLines(path, schema, 'event'));
}

export class EventLog<E extends RunEvent> {
  readonly #path: string;
  readonly #listen: (event: E) => void;

  /** Cuts off what a crash left of a line. `listen` receives each event once it is in the file. */
  constructor(path: string, listen: (event: E) => void = () => undefined) {
    this.#path = path;
    this.#listen = listen;
    cutPartialLine(path);
  }

  /** Stamps the event with the time and appends it. Throws TrainError where it cannot be written. */
  append<New extends Omit<RunEvent, 'time'>>(event: New): void {
    const stamped = { time: steadyNow(), ...event } as unknown as E;
    try {
      appendFileSync(this.#path, `${JSON.stringify(stamped)}\n`);
    } catch (error) {
      throw asWriteFailure(error, this.#path);
    }
    this.#listen(stamped);
  }
}

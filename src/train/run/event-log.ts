// events.jsonl: everything a run reports, one JSON object a line; appended, and read back whole.
//
// Contract: the file only grows. A run that was resumed reports `resumed` with the step it continued from; later steps
// before that line are superseded, because they come again, and are left out when the file is read. A line that was cut
// off by a crash is dropped.
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import type { z } from 'zod';
import { TrainError } from '../errors.ts';
import type { RunEvent } from './description.ts';
import { withoutSuperseded } from './series.ts';
import { steadyNow } from './steady-clock.ts';

/** Reads the whole lines of a JSONL file; none where there is no file. Throws TrainError where a line is no `name`. */
export function readJsonLines<T>(path: string, schema: z.ZodType<T>, name: string): T[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line, i) => {
    try {
      return schema.parse(JSON.parse(line));
    } catch (error) {
      throw new TrainError(`${path}:${i + 1}`, `is no ${name} (${(error as Error).message})`, 'remove the line');
    }
  });
}

/** Cuts off what a crash left of the last line. */
export function cutPartialLine(path: string): void {
  const newline = 10;
  if (existsSync(path)) truncateSync(path, readFileSync(path).lastIndexOf(newline) + 1);
}

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

  /** Stamps the event with the time and appends it. Throws TrainError when the disk is full. */
  append<New extends Omit<RunEvent, 'time'>>(event: New): void {
    const stamped = { time: steadyNow(), ...event } as unknown as E;
    try {
      appendFileSync(this.#path, `${JSON.stringify(stamped)}\n`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      throw new TrainError(this.#path, 'the disk is full', 'make room and resume the run from its last checkpoint');
    }
    this.#listen(stamped);
  }
}

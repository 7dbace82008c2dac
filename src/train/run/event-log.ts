// events.jsonl on disk: appended a line at a time, read back whole.
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { TrainError } from '../errors.ts';
import { eventSchema, type NewEvent, type TrainEvent } from '../events.ts';
import type { RunEvent } from './description.ts';
import { withoutSuperseded } from './series.ts';

/** Checks a line; zod's schemas do. */
export interface EventSchema<E> {
  parse(line: unknown): E;
}

/** Lines that are whole; a last one without its end was cut off by a crash. */
function wholeLines(text: string): string[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1);
}

function parse<E>(path: string, line: string, number: number, schema: EventSchema<E>): E {
  try {
    return schema.parse(JSON.parse(line));
  } catch (error) {
    throw new TrainError(`${path}:${number}`, `is no event (${(error as Error).message})`, 'remove the line');
  }
}

/** The events of a file, those that a resumed run did again left out. Empty when there is no file. */
export function readEvents(path: string): TrainEvent[];
export function readEvents<E extends RunEvent>(path: string, schema: EventSchema<E>): E[];
export function readEvents(path: string, schema: EventSchema<RunEvent> = eventSchema): RunEvent[] {
  if (!existsSync(path)) return [];
  const lines = wholeLines(readFileSync(path, 'utf8'));
  return withoutSuperseded(lines.map((line, i) => parse(path, line, i + 1, schema)));
}

export class EventLog<E extends RunEvent = TrainEvent> {
  readonly #path: string;
  readonly #listen: (event: E) => void;

  /** Cuts off what a crash left of a line. `listen` hears each event once it is in the file. */
  constructor(path: string, listen: (event: E) => void = () => undefined) {
    this.#path = path;
    this.#listen = listen;
    if (!existsSync(path)) return;
    const bytes = readFileSync(path);
    truncateSync(path, bytes.lastIndexOf(10) + 1);
  }

  append(event: NewEvent<E>): void {
    const stamped = { time: Date.now(), ...event } as unknown as E;
    try {
      appendFileSync(this.#path, `${JSON.stringify(stamped)}\n`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      throw new TrainError(this.#path, 'the disk is full', 'make room and resume the run from its last checkpoint');
    }
    this.#listen(stamped);
  }
}

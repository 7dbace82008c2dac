// A run's events on the console: one line that changes while steps are fast, and lines that stay for the rest.
//
// What a line says of an event is the kind's; step, total and remaining time are the same for all kinds.
import { formatDuration } from '../math/index.ts';
import type { RunEvent, RunKind } from '../train/index.ts';

/** Milliseconds between two lines of steps that stay. */
const quietMs = 2000;

/** Fields that events of several kinds have. */
interface CommonFields {
  readonly run?: string;
  readonly steps?: number;
  readonly secondsLeft?: number;
  readonly folder?: string;
  readonly kind?: string;
  readonly message?: string;
  readonly status?: string;
  readonly reason?: string;
  readonly bill?: string;
  /** How far long work is, of `total`. */
  readonly done?: number;
  readonly total?: number;
}

export class RunConsole<Event extends RunEvent> {
  readonly #kind: Pick<RunKind<never, Event>, 'line'>;
  readonly #isTerminal = process.stderr.isTTY === true;
  #steps: number | null = null;
  #lastShown = 0;
  /** The alarms of this session, by kind and step. */
  readonly #alarms = new Set<string>();

  constructor(kind: Pick<RunKind<never, Event>, 'line'>) {
    this.#kind = kind;
  }

  readonly show = (event: Event): void => {
    const { steps, done, total } = event as CommonFields;
    this.#steps = steps ?? this.#steps;
    const line = this.#line(event);
    if (line === null) return;
    const isFrequent = event.event === 'step' || done !== undefined;
    const isLast = done === undefined ? event.step === this.#steps : done === total;
    const isNow = !isFrequent || isLast || event.time - this.#lastShown >= quietMs;
    if (isNow && isFrequent) this.#lastShown = event.time;
    if (this.#isTerminal) process.stderr.write(`\r${line}\x1b[K${isNow ? '\n' : ''}`);
    else if (isNow) console.error(line);
  };

  #summary(): string[] {
    return this.#alarms.size === 0 ? [] : [`alarms of this session: ${[...this.#alarms].join(', ')}`];
  }

  #line(event: Event): string | null {
    const { step } = event;
    const { run, secondsLeft, folder, kind, message, status, reason, bill } = event as CommonFields;
    switch (event.event) {
      case 'resumed':
        return `resumed after step ${step}`;
      case 'saved':
        return `step ${step}: saved ${folder}`;
      case 'alarm':
        this.#alarms.add(`${kind} at step ${step}`);
        return `ALARM at step ${step} (${kind}): ${message}`;
      case 'ended':
        return [`${status} after step ${step}: ${reason}`, ...(bill ? [bill] : []), ...this.#summary()].join('\n');
    }
    const line = this.#kind.line(event);
    if (line === null) return null;
    if (event.event === 'started') return `${run}: ${line}`;
    if (step === undefined) return line;
    if (event.event !== 'step') return `step ${step}: ${line}`;
    const left = secondsLeft === undefined ? '' : `  ${formatDuration(secondsLeft)} left`;
    return `step ${step}/${this.#steps ?? '?'}  ${line}${left}`;
  }
}

// The run that is looked at: its events from the first to the newest, followed while it is live.
//
// Contract: what a resumed run did again counts once; a lost connection is taken up where it broke. Events come in
// bursts, so that what draws them is told of at most a few changes a second.
import { type Signal, signal } from '@preact/signals';
import type { DistilEvent, RlEvent, RunDetail, RunSummary, TrainEvent } from '../../src/runs/protocol.ts';
import { withoutSuperseded } from '../../src/train/run/series.ts';
import { ApiProblem } from '../api/http.ts';
import { refreshList } from './run-list-store.ts';
import { followRun, readRun } from './runs-client.ts';

export type AnyEvent = TrainEvent | RlEvent | DistilEvent;

/** Between two drawings; longer for runs of very many steps. */
const tellMs = (events: number) => Math.max(250, events / 40);
const brokeOff = 'The connection broke off; trying again …';
const retryMs = 1500;

export class OpenRun {
  readonly name: string;
  readonly events: Signal<readonly AnyEvent[]> = signal([]);
  readonly detail: Signal<RunDetail | null> = signal(null);
  readonly problem: Signal<string | null> = signal(null);
  /** Whether all that was there at first has come. */
  readonly isLoaded = signal(false);
  #all: AnyEvent[] = [];
  #next = 0;
  #isFollowing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #left = new AbortController();

  constructor(name: string) {
    this.name = name;
  }

  /** Reads what there is and follows to the end, or until `close`; once more when the run was resumed. */
  async follow(): Promise<void> {
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    try {
      await this.#followOn();
    } finally {
      this.#isFollowing = false;
    }
  }

  async #followOn(): Promise<void> {
    while (!this.#left.signal.aborted) {
      try {
        await this.refresh();
        if (await this.#followOnce()) return;
      } catch (error) {
        if (this.#left.signal.aborted) return;
        this.problem.value = error instanceof ApiProblem ? error.message : brokeOff;
        if (error instanceof ApiProblem && error.status >= 400) return; // a refusal does not pass by waiting
      }
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }

  async refresh(): Promise<void> {
    this.detail.value = await readRun(this.name);
    this.problem.value = null;
  }

  /** Takes over what the server says of it after a change. */
  update(run: RunSummary): void {
    const detail = this.detail.value;
    if (detail !== null) this.detail.value = { ...detail, run };
  }

  close(): void {
    this.#left.abort();
    clearTimeout(this.#timer);
  }

  /** Whether it came to its end. */
  async #followOnce(): Promise<boolean> {
    for await (const told of followRun<AnyEvent>(this.name, this.#next, this.#left.signal)) {
      if ('message' in told) throw new ApiProblem(422, told.message);
      if ('run' in told) {
        this.#tell();
        await this.refresh();
        void refreshList();
        return true;
      }
      this.#take(told.events);
      this.#next = told.next;
    }
    return false;
  }

  #take(events: readonly AnyEvent[]): void {
    this.#all.push(...events);
    if (events.some(({ event }) => event === 'resumed')) this.#all = withoutSuperseded(this.#all);
    // What a run came to changes with these.
    if (this.isLoaded.value && events.some(({ event }) => event === 'evaluated' || event === 'saved'))
      void this.refresh().catch(() => undefined);
    this.#timer ??= setTimeout(() => this.#tell(), this.isLoaded.value ? tellMs(this.#all.length) : 0);
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.events.value = [...this.#all];
    this.isLoaded.value = true;
  }
}

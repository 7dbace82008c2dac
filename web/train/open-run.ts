// The run that is shown: its events from the first to the newest, followed while it is live.
//
// Contract: steps that a resumed run did again count once; after a lost connection, events continue where it broke off.
// Events arrive in bursts, so the charts are notified of at most a few changes a second.
import { type Signal, signal } from '@preact/signals';
import type { AnyEvent, RunDetail, RunSummary } from '../../src/runs/protocol.ts';
import { withoutSuperseded } from '../../src/train/run/series.ts';
import { ApiProblem } from '../api/http.ts';
import { refreshList } from './run-list-store.ts';
import { followRun, readRun } from './runs-client.ts';

/** The time between two drawings; longer for runs of very many steps. */
const redrawMs = (events: number) => Math.max(250, events / 40);
const connectionLost = 'The connection was lost; trying again …';
const retryMs = 1500;

export class OpenRun {
  readonly name: string;
  readonly events: Signal<readonly AnyEvent[]> = signal([]);
  readonly detail: Signal<RunDetail | null> = signal(null);
  readonly problem: Signal<string | null> = signal(null);
  /** Whether the events that were written before the run was opened have arrived. */
  readonly isLoaded = signal(false);
  #all: AnyEvent[] = [];
  #next = 0;
  #isFollowing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #closed = new AbortController();

  constructor(name: string) {
    this.name = name;
  }

  /** Reads the events and follows them to the end of the run, or until `close`; can be called again after a resume. */
  async follow(): Promise<void> {
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    try {
      await this.#followWithRetries();
    } finally {
      this.#isFollowing = false;
    }
  }

  async #followWithRetries(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      try {
        await this.refresh();
        if (await this.#followToEnd()) return;
      } catch (error) {
        if (this.#closed.signal.aborted) return;
        this.problem.value = error instanceof ApiProblem ? error.message : connectionLost;
        if (error instanceof ApiProblem && error.status >= 400) return; // a refusal does not pass by waiting
      }
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }

  async refresh(): Promise<void> {
    this.detail.value = await readRun(this.name);
    this.problem.value = null;
  }

  /** Takes the state that the server answered to a change. */
  update(run: RunSummary): void {
    const detail = this.detail.value;
    if (detail !== null) this.detail.value = { ...detail, run };
  }

  close(): void {
    this.#closed.abort();
    clearTimeout(this.#timer);
  }

  /** Returns whether the run has ended. */
  async #followToEnd(): Promise<boolean> {
    for await (const message of followRun(this.name, this.#next, this.#closed.signal)) {
      if ('message' in message) throw new ApiProblem(422, message.message);
      if ('run' in message) {
        this.#notify();
        await this.refresh();
        void refreshList();
        return true;
      }
      this.#add(message.events);
      this.#next = message.next;
    }
    return false;
  }

  #add(events: readonly AnyEvent[]): void {
    this.#all.push(...events);
    if (events.some(({ event }) => event === 'resumed')) this.#all = withoutSuperseded(this.#all);
    // The results change with these events.
    if (this.isLoaded.value && events.some(({ event }) => event === 'evaluated' || event === 'saved'))
      void this.refresh().catch(() => undefined);
    this.#timer ??= setTimeout(() => this.#notify(), this.isLoaded.value ? redrawMs(this.#all.length) : 0);
  }

  #notify(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.events.value = [...this.#all];
    this.isLoaded.value = true;
  }
}

// A user's task in a thread of its own, with a time limit for each item.
//
// Contract: run() always returns an outcome for each input. An item that throws, loops, exits or takes all the memory
// gets a fault; the thread is restarted for the items after it. An idle thread does not keep the process alive. It
// guards against mistakes, not against malice: a task can do whatever this process may do.
import { Worker } from 'node:worker_threads';
import { TaskError } from './errors.ts';
import type { TaskFacts } from './task.ts';
import type { StepOutcome, StepRequest, StepRunner } from './task-step.ts';
import type { Loaded, ThreadStart } from './task-worker.ts';

/** Long, because a busy machine may take seconds to start a thread. */
const loadLimitMs = 60_000;
const memoryMb = 512;
/** The number of restarts for one request: a task that fails at every item must not stop the run. */
const maxStarts = 20;

/** Resolves after the messages that have arrived by now are handled. */
const pendingMessages = () => new Promise<void>((done) => setImmediate(done));

export class TaskThread implements StepRunner {
  readonly #start: ThreadStart;
  #worker: Worker | null = null;
  #lastRequest: Promise<unknown> = Promise.resolve();

  constructor(path: string, limitMs: number) {
    this.#start = { path, limitMs, clock: new BigInt64Array(new SharedArrayBuffer(16)) };
  }

  /** Starts the thread. Returns how the task describes itself. Throws TaskError where the file holds no task. */
  async load(): Promise<TaskFacts> {
    const { path, clock } = this.#start;
    Atomics.store(clock, 1, -1n);
    // Without the flags of this process, which may be meant for its main script only.
    const file = new URL(import.meta.url.replace(/task-thread(\.[jt]s)$/, 'task-worker$1'));
    const resourceLimits = { maxOldGenerationSizeMb: memoryMb };
    const worker = new Worker(file, { workerData: this.#start, execArgv: [], resourceLimits });
    const loaded = await firstMessage(worker);
    worker.on('error', () => {}); // whoever waits for an answer at that time reports it
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = null;
    });
    worker.unref();
    if ('problem' in loaded) {
      await worker.terminate();
      throw new TaskError(path, loaded.problem, loaded.remedy);
    }
    this.#worker = worker;
    return loaded.facts;
  }

  run(request: StepRequest): Promise<StepOutcome[]> {
    const result = this.#lastRequest.then(() => this.#runAll(request));
    this.#lastRequest = result.catch(() => {});
    return result;
  }

  async #runAll({ step, inputs }: StepRequest): Promise<StepOutcome[]> {
    const outcomes: StepOutcome[] = [];
    for (let starts = 0; outcomes.length < inputs.length; starts++) {
      const rest = { step, inputs: inputs.slice(outcomes.length) } as StepRequest;
      outcomes.push(...(starts > maxStarts ? rest.inputs.map(toUntried) : await this.#round(rest)));
    }
    return outcomes;
  }

  /** Returns outcomes up to the last input, or up to the one that ended the thread. */
  async #round(request: StepRequest): Promise<StepOutcome[]> {
    if (this.#worker === null) await this.load();
    const worker = this.#worker as unknown as Worker;
    const outcomes: StepOutcome[] = [];
    let death: string | null = null;
    worker.ref();
    const watch = setInterval(async () => {
      const late = this.#lateItem();
      if (late === null) return;
      await pendingMessages();
      if (late !== this.#lateItem()) return;
      death ??= `it did not return within ${this.#start.limitMs} ms`;
      this.#worker = null;
      void worker.terminate();
    }, this.#start.limitMs / 4);
    let finish = () => {};
    const isDone = new Promise<void>((done) => {
      finish = done;
    });
    const listeners = {
      message: (outcome: StepOutcome) => {
        outcomes.push(outcome);
        if (outcomes.length === request.inputs.length) finish();
      },
      error: (error: Error & { code?: string }) => {
        const isMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
        death ??= isMemory ? `it took more than ${memoryMb} MB` : `it threw "${error.message}" out of turn`;
      },
      exit: (code: number) => {
        const running = Number(Atomics.load(this.#start.clock, 1));
        if (running === outcomes.length)
          outcomes.push({ fault: death ?? `it ended the process (exit code ${code})`, remedy: null });
        finish();
      },
    };
    for (const [event, listener] of Object.entries(listeners)) worker.on(event, listener);
    worker.postMessage(request);
    await isDone;
    for (const [event, listener] of Object.entries(listeners)) worker.off(event, listener);
    clearInterval(watch);
    worker.unref();
    return outcomes;
  }

  /** Returns the item that has been running for longer than the limit; null where none has. */
  #lateItem(): bigint | null {
    const { clock, limitMs } = this.#start;
    const item = Atomics.load(clock, 1);
    const ms = Number(process.hrtime.bigint() - Atomics.load(clock, 0)) / 1e6;
    return item >= 0n && ms > limitMs ? item : null;
  }

  async close(): Promise<void> {
    await this.#lastRequest;
    await this.#worker?.terminate();
    this.#worker = null;
  }
}

const toUntried = (): StepOutcome => ({
  fault: `not tried: the task failed ${maxStarts} times before`,
  remedy: null,
});

/** Waits for the first message: the loaded task, or why it did not load. */
function firstMessage(worker: Worker): Promise<Loaded> {
  return new Promise((done) => {
    const remedy = 'correct what the file does outside of its functions';
    const timer = setTimeout(async () => {
      await pendingMessages();
      settle({ problem: `it did not load within ${loadLimitMs / 1000} s`, remedy });
    }, loadLimitMs);
    const settle = (loaded: Loaded) => {
      clearTimeout(timer);
      for (const [event, listener] of Object.entries(listeners)) worker.off(event, listener);
      done(loaded);
    };
    const listeners = {
      message: settle,
      error: (error: Error) => settle({ problem: `it threw "${error.message}"`, remedy }),
      exit: (code: number) => settle({ problem: `it ended the process (exit code ${code})`, remedy }),
    };
    for (const [event, listener] of Object.entries(listeners)) worker.on(event, listener);
  });
}

// The thread in which a user's task runs: it loads the task, describes it, then answers requests item by item.
//
// Contract with task-thread.ts: before each item the thread writes the time and the number of the item into the shared
// clock, so that the other side can end it when it takes too long; each outcome is a message of its own, so none is
// lost.
import { parentPort, workerData } from 'node:worker_threads';
import { TaskError } from './errors.ts';
import { loadTask } from './load-task.ts';
import type { Task, TaskFacts } from './task.ts';
import { runStep, type StepOutcome, type StepRequest } from './task-step.ts';

export interface ThreadStart {
  readonly path: string;
  readonly limitMs: number;
  /** The start of the running item in ns, and its number or -1. */
  readonly clock: BigInt64Array<SharedArrayBuffer>;
}

export type Loaded = { readonly facts: TaskFacts } | { readonly problem: string; readonly remedy: string };

const port = parentPort;

// The results of a command are on stdout, so what a task prints goes to stderr.
process.stdout.write = process.stderr.write.bind(process.stderr);

function timed({ clock, limitMs }: ThreadStart, task: Task, request: StepRequest, index: number): StepOutcome {
  const start = process.hrtime.bigint();
  Atomics.store(clock, 0, start);
  Atomics.store(clock, 1, BigInt(index));
  const outcome = runStep(task, request, index);
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  return ms <= limitMs ? outcome : { fault: `it took ${Math.ceil(ms)} ms, the limit is ${limitMs} ms`, remedy: null };
}

function send(outcome: StepOutcome): void {
  try {
    port?.postMessage(outcome);
  } catch (error) {
    const fault = `its result cannot be sent between threads (${(error as Error).message})`;
    port?.postMessage({ fault, remedy: 'use only texts, numbers, lists and plain objects in a problem' });
  }
}

async function serve(start: ThreadStart): Promise<void> {
  let task: Task;
  try {
    task = await loadTask(start.path);
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    port?.postMessage({ problem: error.problem, remedy: error.remedy });
    return;
  }
  port?.on('message', (request: StepRequest) => {
    for (let index = 0; index < request.inputs.length; index++) send(timed(start, task, request, index));
    Atomics.store(start.clock, 1, -1n);
  });
  const { name, description, difficulty } = task;
  port?.postMessage({ facts: { name, description, difficulty: { ...difficulty } } });
}

if (port !== null) await serve(workerData as ThreadStart);

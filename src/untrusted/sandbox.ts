// A process of its own for work on strangers' data that is long, may never end, or may take all the memory.
//
// A thread is not enough: where V8 cannot allocate a large block, it ends the whole process, whatever the limits of the
// thread are. Contract: run() resolves with the result of its job, or rejects with a SandboxError; then the process is
// replaced. Jobs run one after another. An idle sandbox keeps nothing alive, and its process ends after a while.
import { type ChildProcess, fork } from 'node:child_process';

/** `start`: there is no process, because the machine does not give one. */
export type SandboxFault = 'time' | 'memory' | 'start' | 'busy' | 'closed';

export class SandboxError extends Error {
  readonly fault: SandboxFault;

  constructor(fault: SandboxFault, message: string) {
    super(message);
    this.name = 'SandboxError';
    this.fault = fault;
  }
}

export interface SandboxOptions {
  /** The module that the process runs; it calls serveJobs. */
  readonly entry: URL;
  /** Returns what the process opens before its first job. */
  readonly setup: () => unknown;
}

/** The messages between the two processes. */
export type ToSandbox = { readonly setup: unknown } | { readonly job: unknown; readonly limitMs: number };
export type FromSandbox = { readonly result: unknown } | { readonly fault: 'time' | 'memory' };

/** The memory of a process, without typed arrays. */
const memoryMb = 768;
const maxWaiting = 256;
const idleMs = 60_000;
/** The process watches the time itself; this is how much later we end one that does not, and one that is starting. */
const graceMs = { running: 3000, starting: 30_000 };

interface Task {
  readonly job: unknown;
  readonly limitMs: number;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

const toError = (fault: 'time' | 'memory', limitMs: number) =>
  new SandboxError(
    fault,
    fault === 'time'
      ? `it took longer than ${(limitMs / 1000).toFixed(1)} s`
      : `it took more than ${memoryMb} MB of memory`,
  );

const toStartError = ({ code }: NodeJS.ErrnoException) =>
  new SandboxError('start', `this machine starts no further process (${code})`);

export class Sandbox<Job, Result> {
  readonly #options: SandboxOptions;
  readonly #waiting: Task[] = [];
  #running: Task | null = null;
  #child: ChildProcess | null = null;
  #isFresh = false;
  /** Whether a process is there also while nothing is done. */
  #isKept = false;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: SandboxOptions) {
    this.#options = options;
  }

  /** Returns the result of a job. Rejects with SandboxError, or with the reason of the signal. */
  run(job: Job, limitMs: number, signal?: AbortSignal): Promise<Result> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#isClosed) throw new SandboxError('closed', 'it was closed');
      if (this.#waiting.length >= maxWaiting) throw new SandboxError('busy', `${maxWaiting} others wait already`);
      const leave = (): void => {
        const at = this.#waiting.indexOf(task);
        if (at < 0) return; // it runs to its end
        this.#waiting.splice(at, 1);
        reject(signal?.reason);
      };
      const settle = <T>(then: (value: T) => void) => {
        return (value: T) => {
          signal?.removeEventListener('abort', leave);
          then(value);
        };
      };
      const task: Task = {
        job,
        limitMs,
        resolve: settle((result) => resolve(result as Result)),
        reject: settle(reject),
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.#waiting.push(task);
      this.#next();
    });
  }

  /** Starts the process and keeps one from then on, so that no job need wait for it. */
  start(): void {
    this.#isKept = true;
    try {
      if (this.#child === null && !this.#isClosed) this.#open();
    } catch {
      // the first job says why
    }
  }

  /** Ends the process; jobs in progress are rejected. */
  close(): void {
    this.#isClosed = true;
    for (const task of this.#waiting.splice(0)) task.reject(new SandboxError('closed', 'it was closed'));
    this.#end();
  }

  #open(): ChildProcess {
    const child = this.#fork();
    this.#child = child;
    this.#isFresh = true;
    child.on('message', (message: FromSandbox) => this.#onMessage(child, message));
    child.on('error', (error) => this.#onExit(child, error));
    child.on('exit', () => this.#onExit(child));
    child.send({ setup: this.#options.setup() } satisfies ToSandbox, () => {});
    this.#rest(child);
    return child;
  }

  #fork(): ChildProcess {
    // Without the flags of this process, which may be meant for its main script only.
    return fork(this.#options.entry, {
      execArgv: [],
      env: { ...process.env, NODE_OPTIONS: `--max-old-space-size=${memoryMb}` },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
  }

  /** Lets the process of this program end although the child runs, and the child end when it stays idle. */
  #rest(child: ChildProcess): void {
    child.unref();
    child.channel?.unref();
    if (!this.#isKept) this.#timer = setTimeout(() => this.#end(), idleMs).unref();
  }

  #next(): void {
    if (this.#running !== null) return;
    const task = this.#waiting.shift();
    if (task === undefined) return;
    let child: ChildProcess;
    try {
      child = this.#child ?? this.#open();
    } catch (error) {
      task.reject(toStartError(error as NodeJS.ErrnoException));
      this.#next();
      return;
    }
    this.#running = task;
    child.ref();
    child.channel?.ref();
    clearTimeout(this.#timer);
    const grace = this.#isFresh ? graceMs.starting : graceMs.running;
    this.#timer = setTimeout(() => child.kill('SIGKILL'), task.limitMs + grace);
    child.send({ job: task.job, limitMs: task.limitMs } satisfies ToSandbox, () => {});
  }

  #onMessage(child: ChildProcess, message: FromSandbox): void {
    const task = this.#running;
    if (task === null || child !== this.#child) return;
    this.#running = null;
    this.#isFresh = false;
    clearTimeout(this.#timer);
    if ('result' in message) {
      this.#rest(child);
      task.resolve(message.result);
    } else {
      this.#end();
      task.reject(toError(message.fault, task.limitMs));
    }
    this.#next();
    if (this.#isKept) this.start();
  }

  /** The process ended by itself, by a signal, or because V8 had no memory left. */
  #onExit(child: ChildProcess, error?: NodeJS.ErrnoException): void {
    if (child !== this.#child) return;
    this.#child = null;
    clearTimeout(this.#timer);
    const task = this.#running;
    this.#running = null;
    if (error !== undefined && child.pid === undefined) task?.reject(toStartError(error));
    else task?.reject(toError(child.signalCode === 'SIGKILL' ? 'time' : 'memory', task.limitMs));
    this.#next();
    if (this.#isKept && task !== null) this.start();
  }

  #end(): void {
    const child = this.#child;
    this.#child = null;
    clearTimeout(this.#timer);
    child?.kill('SIGKILL');
    const task = this.#running;
    this.#running = null;
    task?.reject(new SandboxError('closed', 'it was closed'));
  }
}

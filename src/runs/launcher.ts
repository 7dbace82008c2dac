// Runs as processes of their own: started, asked to stop, waited for. A run that crashes does not affect the server.
//
// Contract: a run is started by the verb of the command line, so the page can do nothing that minke cannot; what it
// prints goes to console.txt in the run's folder. One SIGINT asks the run to save and stop; a second one would kill it.
// Left out: on Windows a signal ends a process at once, and its last checkpoint remains.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError } from '../server/index.ts';
import { isStoppedExitCode, lockHolder } from '../train/index.ts';
import { runFiles } from './run-folder.ts';

/** How long a start is watched: nearly all refusals come within this time. */
const watchMs = 30_000;
/** How long a run that has locked its folder is watched further, to report data that cannot be read. */
const graceMs = 1500;
const pollMs = 25;

/** What the server knows about the process of a run. */
export interface ProcessState {
  /** It was asked to stop. */
  readonly isStopping: boolean;
  /** It is being started and has not locked the folder yet. */
  readonly isStarting: boolean;
  /** What the last process printed when it failed. */
  readonly problem: string | null;
}

interface StartedRun {
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
  hasEnded: boolean;
}

/** Returns the last line of the form `[what] problem; remedy`, as minke prints errors, else the last line. */
export function lastErrorLine(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.findLast((line) => /^\[.+\] /.test(line)) ?? lines.at(-1) ?? 'it ended without a message';
}

export class Launcher {
  readonly #program: readonly string[];
  readonly #started = new Map<string, StartedRun>();
  /** The process that was asked to stop, by folder. */
  readonly #stopping = new Map<string, number>();
  readonly #problems = new Map<string, string>();

  /** `program` is the command with arguments that runs minke; a verb follows it. */
  constructor(program: readonly string[]) {
    this.#program = program;
  }

  processState(folder: string): ProcessState {
    const pid = this.#stopping.get(folder);
    return {
      isStopping: pid !== undefined && pid === this.#processId(folder),
      isStarting: this.#started.has(folder),
      problem: this.#problems.get(folder) ?? null,
    };
  }

  isLive(folder: string): boolean {
    return this.#processId(folder) !== null;
  }

  /** Starts a verb on a folder and returns once the run is under way. Throws ApiError 422 with what minke printed. */
  async start(folder: string, args: readonly string[]): Promise<void> {
    mkdirSync(folder, { recursive: true });
    this.#problems.delete(folder);
    this.#stopping.delete(folder);
    const path = join(folder, runFiles.console);
    const before = existsSync(path) ? readFileSync(path, 'utf8').length : 0;
    const started = this.#spawn(folder, args, path, () => readFileSync(path, 'utf8').slice(before));
    const deadline = Date.now() + watchMs;
    let lockedAt = Number.POSITIVE_INFINITY;
    while (!started.hasEnded && Date.now() < Math.min(deadline, lockedAt + graceMs)) {
      if (lockedAt === Number.POSITIVE_INFINITY && lockHolder(folder) !== null) lockedAt = Date.now();
      if (lockedAt < Number.POSITIVE_INFINITY && existsSync(join(folder, runFiles.events))) return;
      await sleep(pollMs);
    }
    const problem = this.#problems.get(folder);
    if (problem === undefined) return;
    if (readdirSync(folder).join() === runFiles.console) rmSync(folder, { recursive: true });
    throw new ApiError(422, problem, { code: 'run_refused' });
  }

  /** Asks the process that has locked a folder to save and stop. Throws ApiError 409. */
  stop(folder: string, name: string): void {
    const pid = this.#processId(folder);
    if (pid === null) throw new ApiError(409, `${name} is not running: there is nothing to stop`);
    if (this.#stopping.get(folder) === pid) return; // a second signal would kill it before it has saved
    this.#stopping.set(folder, pid);
    process.kill(pid, 'SIGINT');
  }

  /** Asks the runs that were started here to save and stop, and waits for them. */
  async close(): Promise<void> {
    for (const folder of this.#started.keys()) if (this.isLive(folder)) this.stop(folder, folder);
    await Promise.all([...this.#started.values()].map(({ ended }) => ended));
  }

  #processId(folder: string): number | null {
    return lockHolder(folder) ?? this.#started.get(folder)?.process.pid ?? null;
  }

  #spawn(folder: string, args: readonly string[], path: string, printed: () => string): StartedRun {
    const [command, ...own] = this.#program as [string, ...string[]];
    const output = openSync(path, 'a');
    // A process group of its own: Ctrl-C in the server's terminal must not signal the run a second time.
    const child = spawn(command, [...own, ...args], { detached: true, stdio: ['ignore', output, output] });
    closeSync(output);
    let resolveEnded: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      resolveEnded = resolve;
    });
    const started: StartedRun = { process: child, ended, hasEnded: false };
    this.#started.set(folder, started);
    const end = (problem: string | null): void => {
      if (started.hasEnded) return;
      started.hasEnded = true;
      this.#started.delete(folder);
      if (problem !== null) this.#problems.set(folder, problem);
      resolveEnded();
    };
    child.once('error', (error) => end(`minke cannot be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      if (code === 0 || isStoppedExitCode(code)) end(null);
      else end(signal ? `its process was ended by ${signal}` : lastErrorLine(printed()));
    });
    return started;
  }
}

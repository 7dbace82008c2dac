// Runs as processes of their own: started, asked to stop, waited for. A run that crashes does not affect the server.
//
// Contract: a run is started by the verb of the command line, so the page can do nothing that minke cannot; what it
// prints goes to console.txt in the run's folder. Who works in a folder is what a living process answers for it, never
// what the folder says. The process that holds the folder is asked through its lock, and nothing is signaled but a
// child of this process that does not hold one yet. On Windows that ends the child at once.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, lstatSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError } from '../server/index.ts';
import { expectOwnFiles, findLockHolder, isStoppedExitCode, requestStop } from '../train/index.ts';
import { readLastLines } from './event-lines.ts';
import { hidePaths } from './hide-paths.ts';
import { runFiles } from './run-folder.ts';

/** How long a start is watched: nearly all refusals come within this time. */
const watchMs = 30_000;
/** How long a run that has locked its folder is watched further, to report data that cannot be read. */
const graceMs = 1500;
const pollMs = 25;
const consoleBytes = 16 * 1024;

/** What the server knows about the process of a run. */
export interface ProcessState {
  /** A process holds the folder, or is being started and has not locked it yet. */
  readonly isLive: boolean;
  /** It was asked to stop. */
  readonly isStopping: boolean;
  /** What the last process printed when it failed. */
  readonly problem: string | null;
}

interface StartedRun {
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
  hasEnded: boolean;
  /** When it was asked to stop; performance.now(). */
  stoppingSince: number | null;
}

/** Returns the last line of the form `[what] problem; remedy`, as minke prints errors, else the last line. */
export function lastErrorLine(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.findLast((line) => /^\[.+\] /.test(line)) ?? lines.at(-1) ?? 'it ended without a message';
}

export class Launcher {
  readonly #program: readonly string[];
  readonly #started = new Map<string, StartedRun>();
  readonly #problems = new Map<string, string>();
  readonly #root: string;
  readonly #insistMs: number;

  /**
   * `program` is the command with arguments that runs minke; a verb follows it. `root` is the folder of all runs.
   * `insistMs` is the time that a run has to stop before a second request ends it.
   */
  constructor(program: readonly string[], root: string, insistMs: number) {
    this.#program = program;
    this.#root = root;
    this.#insistMs = insistMs;
  }

  async processState(folder: string): Promise<ProcessState> {
    const holder = await findLockHolder(folder);
    const started = this.#started.get(folder);
    return {
      isLive: holder !== null || started !== undefined,
      isStopping: holder?.isStopping === true || (started?.stoppingSince ?? null) !== null,
      problem: this.#problems.get(folder) ?? null,
    };
  }

  async isLive(folder: string): Promise<boolean> {
    return this.#started.has(folder) || (await findLockHolder(folder)) !== null;
  }

  /** Starts a verb on a folder and returns once the run is under way. Throws ApiError 422 with what minke printed. */
  async start(folder: string, args: readonly string[]): Promise<void> {
    mkdirSync(folder, { recursive: true });
    expectOwnFiles(folder); // what the process prints must not end in another place
    this.#problems.delete(folder);
    const started = this.#spawn(folder, args);
    const deadline = Date.now() + watchMs;
    let lockedAt = Number.POSITIVE_INFINITY;
    while (!started.hasEnded && Date.now() < Math.min(deadline, lockedAt + graceMs)) {
      if (lockedAt === Number.POSITIVE_INFINITY && (await findLockHolder(folder)) !== null) lockedAt = Date.now();
      if (lockedAt < Number.POSITIVE_INFINITY && existsSync(join(folder, runFiles.events))) return;
      await sleep(pollMs);
    }
    const problem = this.#problems.get(folder);
    if (problem === undefined) return;
    if (readdirSync(folder).join() === runFiles.console) rmSync(folder, { recursive: true });
    throw new ApiError(422, problem, { code: 'run_refused' });
  }

  /**
   * Asks the process that works in a folder to save and stop. A child of this process that has not done so in good time
   * is ended where it is asked again: its last checkpoint stays. Throws ApiError 409.
   */
  async stop(folder: string, name: string): Promise<void> {
    const began = performance.now();
    const isAsked = await requestStop(folder);
    const started = this.#started.get(folder);
    if (started === undefined && !isAsked) throw new ApiError(409, `${name} is not running: there is nothing to stop`);
    if (started === undefined) return;
    if (started.stoppingSince !== null) {
      if (began - started.stoppingSince > this.#insistMs) started.process.kill('SIGKILL');
      return;
    }
    started.stoppingSince = performance.now();
    if (!isAsked) started.process.kill('SIGINT');
  }

  /** Asks the runs that were started here to save and stop, and waits for them. */
  async close(): Promise<void> {
    const stop = async ([folder, { ended }]: [string, StartedRun]) => {
      await this.stop(folder, folder).catch(() => undefined); // it has just ended
      await ended;
    };
    await Promise.all([...this.#started].map(stop));
  }

  #spawn(folder: string, args: readonly string[]): StartedRun {
    const path = join(folder, runFiles.console);
    const before = lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
    const [command, ...own] = this.#program as [string, ...string[]];
    const output = openSync(path, 'a');
    // A process group of its own: Ctrl-C in the server's terminal must not signal the run a second time.
    const child = spawn(command, [...own, ...args], { detached: true, stdio: ['ignore', output, output] });
    closeSync(output);
    let resolveEnded: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      resolveEnded = resolve;
    });
    const started: StartedRun = { process: child, ended, hasEnded: false, stoppingSince: null };
    this.#started.set(folder, started);
    const end = (problem: string | null): void => {
      if (started.hasEnded) return;
      started.hasEnded = true;
      this.#started.delete(folder);
      if (problem !== null) this.#problems.set(folder, hidePaths(problem, this.#root));
      resolveEnded();
    };
    child.once('error', (error) => end(`minke cannot be started: ${error.message}`));
    child.once('exit', async (code, signal) => {
      if (code === 0 || isStoppedExitCode(code)) end(null);
      else end(signal ? `its process was ended by ${signal}` : await readPrinted(path, before));
    });
    return started;
  }
}

/** Returns the error among what was printed after the first `before` bytes. */
async function readPrinted(path: string, before: number): Promise<string> {
  const printed = (lstatSync(path, { throwIfNoEntry: false })?.size ?? 0) - before;
  if (printed <= 0) return lastErrorLine('');
  const lines = await readLastLines(path, Math.min(consoleBytes, printed + 1)).catch(() => []); // with the end before
  return lastErrorLine(lines.join('\n'));
}

// Runs as processes of their own: started, asked to stop, waited for. What happens to one never happens to the server.
//
// Contract: a run is the command line's own verb, so the page can do nothing that minke cannot; its words go to
// console.txt in the run's folder. SIGINT, once, is how the command line is asked to save and stop: a second one would
// kill it. Left out: on Windows a signal ends a process at once, and the last checkpoint is what stays.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError } from '../server/index.ts';
import { holderOf } from '../train/index.ts';
import { lastWords } from './last-words.ts';
import { runFiles } from './run-folder.ts';
import type { Known } from './summary.ts';

/** How long a start is watched before it counts as one: what is refused is mostly refused by then. */
const watchMs = 30_000;
/** Between the moment a run holds its folder and the answer, to hear of data that cannot be read. */
const graceMs = 1500;
const pollMs = 25;

interface Started {
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
  hasEnded: boolean;
}

export class Launcher {
  readonly #program: readonly string[];
  readonly #started = new Map<string, Started>();
  /** Processes that were asked to stop, by folder. */
  readonly #asked = new Map<string, number>();
  readonly #problems = new Map<string, string>();

  /** `program` and its arguments run minke; a verb follows. */
  constructor(program: readonly string[]) {
    this.#program = program;
  }

  known(folder: string): Known {
    const asked = this.#asked.get(folder);
    return {
      isStopping: asked !== undefined && asked === this.#processOf(folder),
      isStarting: this.#started.has(folder),
      problem: this.#problems.get(folder) ?? null,
    };
  }

  isLive(folder: string): boolean {
    return this.#processOf(folder) !== null;
  }

  /** Starts a verb on a folder; returns once the run is on its way. Throws ApiError 422 with what minke says. */
  async start(folder: string, args: readonly string[]): Promise<void> {
    mkdirSync(folder, { recursive: true });
    this.#problems.delete(folder);
    this.#asked.delete(folder);
    const path = join(folder, runFiles.console);
    const said = existsSync(path) ? readFileSync(path, 'utf8').length : 0;
    const started = this.#spawn(folder, args, path, () => readFileSync(path, 'utf8').slice(said));
    const until = Date.now() + watchMs;
    let heldSince = Number.POSITIVE_INFINITY;
    while (!started.hasEnded && Date.now() < until && Date.now() < heldSince + graceMs) {
      if (heldSince === Number.POSITIVE_INFINITY && holderOf(folder) !== null) heldSince = Date.now();
      if (heldSince < Number.POSITIVE_INFINITY && existsSync(join(folder, runFiles.events))) return;
      await sleep(pollMs);
    }
    const problem = this.#problems.get(folder);
    if (problem !== undefined && readdirSync(folder).join() === runFiles.console) rmSync(folder, { recursive: true });
    if (problem !== undefined) throw new ApiError(422, problem, { code: 'run_refused' });
  }

  /** Asks whoever is at work on a folder to save and stop. Throws ApiError 409. */
  stop(folder: string, name: string): void {
    const pid = this.#processOf(folder);
    if (pid === null) throw new ApiError(409, `${name} is not running: there is nothing to stop`);
    if (this.#asked.get(folder) === pid) return; // a second signal would kill it unsaved
    this.#asked.set(folder, pid);
    process.kill(pid, 'SIGINT');
  }

  /** Asks the runs that were started here to save and stop, and waits for them. */
  async close(): Promise<void> {
    for (const folder of this.#started.keys()) if (this.isLive(folder)) this.stop(folder, folder);
    await Promise.all([...this.#started.values()].map(({ ended }) => ended));
  }

  #processOf(folder: string): number | null {
    return holderOf(folder) ?? this.#started.get(folder)?.process.pid ?? null;
  }

  #spawn(folder: string, args: readonly string[], path: string, said: () => string): Started {
    const [command, ...own] = this.#program as [string, ...string[]];
    const output = openSync(path, 'a');
    // A group of its own: Ctrl-C in the server's terminal must not reach it a second time.
    const child = spawn(command, [...own, ...args], { detached: true, stdio: ['ignore', output, output] });
    closeSync(output);
    let settle: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const started: Started = { process: child, ended, hasEnded: false };
    this.#started.set(folder, started);
    const end = (problem: string | null): void => {
      if (started.hasEnded) return;
      started.hasEnded = true;
      this.#started.delete(folder);
      if (problem !== null) this.#problems.set(folder, problem);
      settle();
    };
    child.once('error', (error) => end(`minke cannot be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      if (code === 0) end(null);
      else end(signal ? `its process was ended by ${signal}` : lastWords(said()));
    });
    return started;
  }
}

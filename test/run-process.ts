// minke as a process of its own, for tests of runs: started, killed or asked to stop at random moments.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../src/kernels/root.ts';
import { Random } from '../src/math/index.ts';
import { type Lineage, readLineage } from '../src/train/index.ts';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly said: string;
}

export interface StartOptions {
  /** @default 2 */
  readonly threads?: number;
  /** The largest file that the process may write, in KiB. */
  readonly maxFileKiB?: number;
  /** The user that the process runs as. */
  readonly uid?: number | undefined;
}

const main = join(packageRoot(), 'dist', 'src', 'cli', 'main.js');

/** Starts minke with these arguments. */
export function startMinke(
  args: readonly string[],
  { threads = 2, maxFileKiB, uid }: StartOptions = {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const limited = maxFileKiB === undefined ? [] : ['bash', '-c', `ulimit -f ${maxFileKiB}; exec "$0" "$@"`];
  const [command, ...rest] = [...limited, process.execPath, main, ...args] as [string, ...string[]];
  const env = { ...process.env, MINKE_THREADS: String(threads) };
  const child = spawn(command, rest, { env, stdio: ['ignore', 'pipe', 'pipe'], ...(uid !== undefined && { uid }) });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part) => (said += part));
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, said }) as Ended);
  return { child, ended };
}

/** Sends a signal once `isTime`, and a little later. */
async function signalWhen(
  { child, ended }: ReturnType<typeof startMinke>,
  signal: NodeJS.Signals,
  isTime: () => boolean,
  laterMs: number,
): Promise<Ended> {
  const watch = setInterval(() => {
    if (!isTime()) return;
    clearInterval(watch);
    setTimeout(() => child.kill(signal), laterMs);
  }, 2);
  const end = await ended;
  clearInterval(watch);
  return end;
}

/** Sends a signal as soon as a text stands in a run's events. */
export function signalAt(
  started: ReturnType<typeof startMinke>,
  signal: NodeJS.Signals,
  folder: string,
  text: string,
): Promise<Ended> {
  const events = join(folder, 'events.jsonl');
  return signalWhen(started, signal, () => existsSync(events) && readFileSync(events, 'utf8').includes(text), 0);
}

export interface Lives {
  readonly count: number;
  /** The run's folder. */
  readonly folder: string;
  /** The arguments of the next process. */
  readonly next: () => readonly string[];
  /** One after the other, in turn. */
  readonly signals: readonly ('SIGKILL' | 'SIGTERM')[];
  /** Events come within so many bytes before the signal. */
  readonly bytes: number;
}

/**
 * Lets a run live and die several times, on one thread and on two. Some moments fall into setting up; the others come
 * after so and so many bytes of events, which are written in steps, evaluations and savings, and a little later.
 * Returns how many processes a signal ended.
 */
export async function liveAndDie({ count, folder, next, signals, bytes }: Lives): Promise<number> {
  const events = join(folder, 'events.jsonl');
  const size = () => (existsSync(events) ? statSync(events).size : 0);
  let deaths = 0;
  for (let life = 0; life < count; life++) {
    const isInSetUp = life % 3 === 2;
    const wanted = size() + bytes * new Random(11, life).uniform();
    const laterMs = (isInSetUp ? 300 : 15) * new Random(12, life).uniform();
    const sent = signals[life % signals.length];
    const started = startMinke(next(), { threads: 1 + (life % 2) });
    const { code, signal, said } = await signalWhen(started, sent, () => isInSetUp || size() >= wanted, laterMs);
    if (signal !== null || code === 143) deaths++;
    else assert.equal(code, 0, said);
  }
  return deaths;
}

/** Returns the hash of the last checkpoint's weights. */
export function lastWeights(folder: string): string {
  const steps = readdirSync(join(folder, 'checkpoints')).sort();
  const { weights } = readLineage(join(folder, 'checkpoints', steps.at(-1) as string)) as Lineage;
  return weights as string;
}

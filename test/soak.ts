// The soak: a server in a process of its own, one honest reader in another, and a crowd of attackers.
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Random } from '../src/math/index.ts';
import { attack, hostileNames, writeHostileFiles } from './soak-attacks.ts';
import type { ObserverReport } from './soak-observer.ts';
import type { SoakReport, SoakStart } from './soak-server.ts';

const atOnce = 12;
/** Idle processes of the server end after a minute. */
const idleMs = 90_000;

export interface SoakResult {
  /** After half of the requests, and at the end. */
  readonly before: SoakReport;
  readonly after: SoakReport;
  /** While the attacks were in flight. */
  readonly busiestMs: number;
  readonly observer: ObserverReport;
  /** The same reader while the other clients were ordinary ones. */
  readonly control: ObserverReport;
  /** Requests by name and status. */
  readonly sent: ReadonlyMap<string, number>;
}

const message = <T>(child: ChildProcess): Promise<T> =>
  new Promise((resolve, reject) => {
    child.once('message', (value) => resolve(value as T));
    child.once('exit', (code, signal) => reject(new Error(`the process ended (${code ?? signal})`)));
  });

function ask<T>(child: ChildProcess): Promise<T> {
  const answer = message<T>(child);
  child.send('report');
  return answer;
}

function start(name: string, args: readonly string[]): ChildProcess {
  const script = new URL(`./${name}.js`, import.meta.url);
  return fork(script, args, { execArgv: ['--expose-gc'] }).setMaxListeners(0);
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.send('stop');
  await ended;
}

/** Attacks a server. With `settles`, waits until the processes that it started have ended. */
export async function soak(requests: number, seed: number, settles: boolean): Promise<SoakResult> {
  const folder = mkdtempSync(join(tmpdir(), 'minke-soak-'));
  writeHostileFiles(folder);
  const server = start('soak-server', [folder, ...hostileNames]);
  const { url } = await message<SoakStart>(server);
  const random = new Random(seed);
  const sent = new Map<string, number>();
  let next = 0;
  const crowd = async (count: number, isOrdinary = false): Promise<void> => {
    const until = next + count;
    const attacker = async (): Promise<void> => {
      while (next < until) {
        const { name, status } = await attack(url, random, next++, isOrdinary);
        const key = `${name}: ${status}`;
        sent.set(key, (sent.get(key) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, attacker));
  };
  const observed = async (work: () => Promise<void>): Promise<ObserverReport> => {
    const reader = start('soak-observer', [url]);
    await message(reader);
    await work();
    const report = await ask<ObserverReport>(reader);
    await end(reader);
    return report;
  };
  const quiet = async (): Promise<SoakReport> => {
    if (settles) await pause(idleMs);
    let report = await ask<SoakReport>(server);
    for (const last = Date.now() + 5000; report.live > 0 && Date.now() < last; report = await ask<SoakReport>(server))
      await pause(50);
    return report;
  };
  const half = Math.ceil(requests / 2);
  const control = await observed(() => crowd(half / 10, true));
  await ask<SoakReport>(server);
  const first = await observed(() => crowd(half));
  const busiest = [await ask<SoakReport>(server)];
  const before = await quiet();
  const second = await observed(() => crowd(half));
  busiest.push(await ask<SoakReport>(server));
  const after = await quiet();
  await end(server);
  rmSync(folder, { recursive: true });
  const gaps = [...first.gaps, ...second.gaps].sort((a, b) => b - a);
  const observer = { parts: first.parts + second.parts, gaps: gaps.slice(0, 10) };
  const busiestMs = Math.max(...busiest.map((report) => report.busiestMs));
  return { before, after, busiestMs, control, observer, sent };
}

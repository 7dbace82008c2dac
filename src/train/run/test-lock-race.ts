// Shared by tests of the lock: processes that start on one folder at the same moment. This file is also their program.
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Random } from '../../math/index.ts';
import { lockFolder, withRunLock } from './lock.ts';

interface Attempt {
  readonly folder: string;
  /** The moment to start, in milliseconds since 1970. */
  readonly at: number;
  readonly holdMs: number;
  /** Whether the run writes a file; a folder without one is removed at its end. */
  readonly writes: boolean;
}

/** held: it had the folder alone. doubled: another process had it too. Anything else: why it was refused. */
type Outcome = 'held' | 'doubled' | { readonly refusal: string };

async function attempt({ folder, at, holdMs, writes }: Attempt): Promise<Outcome> {
  while (Date.now() < at); // timers would not be on time
  const mark = `${folder}.held`;
  try {
    return await withRunLock(folder, async () => {
      writeFileSync(mark, '', { flag: 'wx' });
      if (writes) writeFileSync(join(folder, 'events.jsonl'), '');
      await sleep(holdMs);
      rmSync(mark);
      return 'held' as const;
    });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EEXIST' ? 'doubled' : { refusal: (error as Error).message };
  }
}

const isProgram = process.argv[2] === 'contend';
if (isProgram) process.on('message', async (message: Attempt) => process.send?.(await attempt(message)));
if (isProgram) process.on('disconnect', () => process.exit(0));

const writeStaleClaims = (folder: string, count: number): void => {
  mkdirSync(join(folder, lockFolder), { recursive: true });
  for (let i = 0; i < count; i++) writeFileSync(join(folder, lockFolder, randomBytes(16).toString('hex')), 'key');
};

export interface RaceResult {
  readonly wins: number;
  readonly doubled: number;
  /** Tries in which nobody held the folder. */
  readonly empty: number;
  readonly refusals: readonly string[];
}

/** Lets some processes start `tries` times at the same moment, on fresh folders and on ones with stale claims. */
export async function race(tries: number, contenders: number, seed: number): Promise<RaceResult> {
  const root = mkdtempSync(join(tmpdir(), 'minke-race-'));
  const file = fileURLToPath(import.meta.url);
  const processes = Array.from({ length: contenders }, () => fork(file, ['contend'], { execArgv: [] }));
  const random = new Random(seed);
  let [wins, doubled, empty] = [0, 0, 0];
  const refusals: string[] = [];
  try {
    for (let n = 0; n < tries; n++) {
      const folder = join(root, `run-${n}`);
      if (random.whole(0, 2) > 0) writeStaleClaims(folder, random.whole(1, 3));
      const outcomes = await startAtOnce(processes, random, folder);
      wins += outcomes.filter((outcome) => outcome === 'held').length;
      doubled += outcomes.filter((outcome) => outcome === 'doubled').length;
      if (!outcomes.includes('held')) empty++;
      for (const outcome of outcomes) if (typeof outcome === 'object') refusals.push(outcome.refusal);
    }
  } finally {
    for (const each of processes) each.disconnect();
    rmSync(root, { recursive: true });
  }
  return { wins, doubled, empty, refusals };
}

async function startAtOnce(processes: readonly ChildProcess[], random: Random, folder: string): Promise<Outcome[]> {
  const at = Date.now() + 3;
  const answers = processes.map(async (each) => ((await once(each, 'message')) as [Outcome])[0]);
  const writes = random.whole(0, 1) === 1;
  for (const each of processes) each.send({ folder, at: at + random.whole(0, 2), holdMs: random.whole(0, 4), writes });
  return Promise.all(answers);
}

// A run's folder is held by one process at a time, and who holds it can be found out.
//
// Contract: process.json names the process from before the first file of a run is written until its last one is. A
// process that was killed leaves its name behind; it counts as gone, also when its number was given to another one,
// which is told by the time it began (Linux; elsewhere the number alone speaks). Left out: folders that several machines share.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TrainError } from '../errors.ts';

const holderFile = 'process.json';

interface Holder {
  readonly pid: number;
  /** Clock ticks between the start of the machine and of the process; null where that cannot be read. */
  readonly began: string | null;
}

/** Field 22 of /proc/<pid>/stat; the second one, a name in brackets, may hold spaces. */
function beganAt(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function isAlive({ pid, began }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return began === null || began === beganAt(pid);
}

/** The process that holds a run's folder; null when none does. */
export function holderOf(folder: string): number | null {
  const path = join(folder, holderFile);
  if (!existsSync(path)) return null;
  try {
    const holder = JSON.parse(readFileSync(path, 'utf8')) as Holder;
    return Number.isInteger(holder.pid) && isAlive(holder) ? holder.pid : null;
  } catch {
    return null; // being written, or cut off by a crash
  }
}

function take(folder: string): void {
  const path = join(folder, holderFile);
  const own = JSON.stringify({ pid: process.pid, began: beganAt(process.pid) } satisfies Holder);
  try {
    writeFileSync(path, own, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const pid = holderOf(folder);
    if (pid !== null)
      throw new TrainError(folder, `process ${pid} is at work on this run`, 'wait for it, or stop it first');
    writeFileSync(path, own);
  }
}

/** Does `work` while this process holds the folder. Throws TrainError when a living one does. */
export async function holding<T>(folder: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(folder, { recursive: true });
  take(folder);
  try {
    return await work();
  } finally {
    rmSync(join(folder, holderFile), { force: true });
    if (readdirSync(folder).length === 0) rmdirSync(folder); // refused before anything was written
  }
}

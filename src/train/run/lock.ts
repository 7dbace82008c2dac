// The run lock: one process at a time works in a run's folder, and anyone can find out which.
//
// Contract: process.json names the process from before the first file of a run is written until the last one is. A
// process that was killed leaves the file behind; it counts as gone, even if its number was given to another process:
// the time at which the process began tells them apart (on Linux; elsewhere the number alone). Left out: folders that
// several machines share.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TrainError } from '../errors.ts';

const lockFile = 'process.json';

interface LockHolder {
  readonly pid: number;
  /** Clock ticks from the start of the machine to that of the process; null where that cannot be read. */
  readonly began: string | null;
}

/** Reads field 22 of /proc/<pid>/stat; the second field, a name in brackets, may have spaces. */
function findStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function isAlive({ pid, began }: LockHolder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return began === null || began === findStart(pid);
}

/** Returns the number of the process that works in a run's folder; null if none does. */
export function lockHolder(folder: string): number | null {
  const path = join(folder, lockFile);
  if (!existsSync(path)) return null;
  try {
    const holder = JSON.parse(readFileSync(path, 'utf8')) as LockHolder;
    return Number.isInteger(holder.pid) && isAlive(holder) ? holder.pid : null;
  } catch {
    return null; // being written, or cut off by a crash
  }
}

function acquire(folder: string): void {
  const path = join(folder, lockFile);
  const own = JSON.stringify({ pid: process.pid, began: findStart(process.pid) } satisfies LockHolder);
  try {
    writeFileSync(path, own, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const pid = lockHolder(folder);
    if (pid !== null)
      throw new TrainError(folder, `process ${pid} works in this folder`, 'wait for it, or stop it first');
    writeFileSync(path, own);
  }
}

/** Does `work` while this process holds the lock of the folder. Throws TrainError when another living process does. */
export async function withRunLock<T>(folder: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(folder, { recursive: true });
  acquire(folder);
  try {
    return await work();
  } finally {
    rmSync(join(folder, lockFile), { force: true });
    if (readdirSync(folder).length === 0) rmdirSync(folder); // refused before anything was written
  }
}

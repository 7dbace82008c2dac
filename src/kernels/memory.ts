// The memory of this machine, or of the container that it is: the tightest limit of its control groups counts.
import { existsSync, readFileSync } from 'node:fs';
import { freemem, platform, totalmem } from 'node:os';
import { dirname, join } from 'node:path';

export interface Memory {
  /** What this process may use, with others that share its limits. */
  readonly totalBytes: number;
  /** What can be taken now without taking it from a process; files that the system caches can be dropped. */
  readonly freeBytes: number;
}

/** Folders of Linux's own files. */
export interface SystemFolders {
  readonly proc: string;
  readonly groups: string;
}

const system: SystemFolders = { proc: '/proc', groups: '/sys/fs/cgroup' };

function readText(path: string): string {
  try {
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  } catch {
    return ''; // not ours to read
  }
}

/** Reads the first number after a name at the beginning of a line; NaN where there is none. */
function readField(text: string, name: string): number {
  return Number(new RegExp(`^${name}:?\\s+(\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN);
}

/** Reads the limit of one control group: version 2, else version 1. Null where it has none. */
function readGroup(folder: string): Memory | null {
  const isSecond = existsSync(join(folder, 'memory.max'));
  const [limitFile, usedFile] = isSecond
    ? ['memory.max', 'memory.current']
    : ['memory.limit_in_bytes', 'memory.usage_in_bytes'];
  const limit = Number.parseInt(readText(join(folder, limitFile)), 10); // NaN for "max"
  if (!(limit < totalmem())) return null;
  const used = Number.parseInt(readText(join(folder, usedFile)), 10) || 0;
  const files = readText(join(folder, 'memory.stat'));
  const total = isSecond ? '' : 'total_';
  const cached = readField(files, `${total}inactive_file`) + readField(files, `${total}active_file`);
  return { totalBytes: limit, freeBytes: Math.max(0, limit - used + (cached || 0)) };
}

/** Lists the limits of the control groups of this process, from its own up to the root. */
function listLimits({ proc, groups }: SystemFolders): Memory[] {
  const lines = readText(join(proc, 'self/cgroup')).split('\n');
  const paths = lines.flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === '') return [{ root: groups, path }];
    return controllers?.split(',').includes('memory') ? [{ root: join(groups, 'memory'), path }] : [];
  });
  const found: Memory[] = [];
  for (const { root, path } of [...paths, { root: groups, path: '/' }])
    for (let at = path; ; at = dirname(at)) {
      const limit = readGroup(join(root, at));
      if (limit !== null) found.push(limit);
      if (at === '/') break;
    }
  return found;
}

/** Returns the free memory of the machine as a whole. */
function machineFreeBytes(proc: string): number {
  const available = readField(readText(join(proc, 'meminfo')), 'MemAvailable');
  if (available > 0) return 1024 * available;
  // macOS counts only pages that hold nothing; half of all memory is what its cache usually gives back.
  return platform() === 'darwin' ? Math.max(freemem(), totalmem() / 2) : freemem();
}

export function describeMemory(folders: SystemFolders = system): Memory {
  const machine = { totalBytes: totalmem(), freeBytes: machineFreeBytes(folders.proc) };
  const all = [machine, ...listLimits(folders)];
  return {
    totalBytes: Math.min(...all.map(({ totalBytes }) => totalBytes)),
    freeBytes: Math.min(...all.map(({ freeBytes }) => freeBytes)),
  };
}

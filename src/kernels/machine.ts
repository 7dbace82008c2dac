// What the operating system reports about this machine: the line above every measurement.
import { existsSync, readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, platform } from 'node:os';
import { describeMemory } from './memory.ts';

export interface Machine {
  readonly cpu: string;
  readonly platform: string;
  /** Cores this process may run on. */
  readonly cores: number;
  /** Cores' worth of time that a container grants, or Infinity. */
  readonly coreQuota: number;
  /** The memory of the machine, or of its container. */
  readonly memoryBytes: number;
  /** Running processes, averaged over the last minute; 0 where the system does not say. */
  readonly load: number;
  readonly node: string;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() || 'unknown CPU',
    platform: `${platform()} ${arch()}`,
    cores: availableParallelism(),
    coreQuota: coreQuota(),
    memoryBytes: describeMemory().totalBytes,
    load: loadavg()[0] ?? 0,
    node: process.version,
  };
}

/** Linux containers (cgroup v2): "max 100000" or "150000 100000", microseconds of time a period. */
function coreQuota(path = '/sys/fs/cgroup/cpu.max'): number {
  if (!existsSync(path)) return Number.POSITIVE_INFINITY;
  const [granted, period] = readFileSync(path, 'utf8').trim().split(' ').map(Number);
  return granted && period ? granted / period : Number.POSITIVE_INFINITY;
}

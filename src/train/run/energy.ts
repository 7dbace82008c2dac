// The energy of a run: read from the counters of the processor (RAPL) where they can be read, else estimated.
//
// The counters are those of whole packages and their memory, so other programs on the machine are in them. They wrap
// after minutes, so they are read every half minute. An estimate is a band: the power of a busy hardware thread times
// the threads of the device. Neither includes disks, network, power supplies or cooling.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Band } from '../../planner/index.ts';

export const energySchema = z.object({
  /** kWh */
  low: z.number().nonnegative(),
  middle: z.number().nonnegative(),
  high: z.number().nonnegative(),
  method: z.enum(['measured', 'partly measured', 'estimated']),
  source: z.string(),
});

export type Energy = z.infer<typeof energySchema>;

const joulesPerKwh = 3.6e6;
const readEveryMs = 30_000;

/** Watts of a hardware thread at full load: EPYC Milan, Cascade Lake, Haswell. */
export const threadWatts: Band = { low: 1.87, middle: 3.8, high: 5.99 };
const estimateSource = 'estimate: 1.9 to 6.0 W a busy thread (SPECpower, by Cloud Carbon Footprint)';
const measuredSource = 'RAPL: whole packages and their memory, other programs included';

interface Counter {
  readonly file: string;
  /** Microjoules after which it begins again. */
  readonly range: number;
  last: number;
}

const readNumber = (path: string): number => Number(readFileSync(path, 'utf8').trim());

/** Returns the counters that may be read: packages, and memory where it has its own. */
function openCounters(root: string): Counter[] {
  try {
    return readdirSync(root)
      .filter((name) => /^intel-rapl:\d+(:\d+)?$/.test(name))
      .filter((name) => {
        const domain = readFileSync(join(root, name, 'name'), 'utf8').trim();
        return name.split(':').length === 2 ? domain.startsWith('package') : domain === 'dram';
      })
      .map((name) => {
        const file = join(root, name, 'energy_uj');
        return { file, range: readNumber(join(root, name, 'max_energy_range_uj')), last: readNumber(file) };
      });
  } catch {
    return []; // no such processor, or only for the administrator
  }
}

/** Adds up the energy of this machine from when it is made. */
export class EnergyMeter {
  readonly #counters: readonly Counter[];
  readonly #timer: NodeJS.Timeout | null;
  #microjoules = 0;
  #isReadable: boolean;

  constructor(root = '/sys/class/powercap') {
    this.#counters = openCounters(root);
    this.#isReadable = this.#counters.length > 0;
    this.#timer = this.#isReadable ? setInterval(() => this.joules, readEveryMs).unref() : null;
  }

  /** Joules until now; null where they cannot be read. */
  get joules(): number | null {
    if (!this.#isReadable) return null;
    try {
      for (const counter of this.#counters) {
        const now = readNumber(counter.file);
        this.#microjoules += now >= counter.last ? now - counter.last : now + counter.range - counter.last;
        counter.last = now;
      }
    } catch {
      this.#isReadable = false;
      return null;
    }
    return this.#microjoules / 1e6;
  }

  close(): void {
    if (this.#timer) clearInterval(this.#timer);
  }
}

/** Some seconds of a machine: its busy threads, null where unknown, and its measured joules, null without counters. */
export interface PoweredTime {
  readonly seconds: number;
  readonly threads: number | null;
  readonly joules: number | null;
}

/** Returns the energy of several times; null where nothing is known of one of them. */
export function toEnergy(times: readonly PoweredTime[]): Energy | null {
  let [low, middle, high] = [0, 0, 0];
  for (const { seconds, threads, joules } of times) {
    if (joules === null && threads === null) return null;
    const own = (watts: number) => (joules ?? seconds * (threads ?? 0) * watts) / joulesPerKwh;
    low += own(threadWatts.low);
    middle += own(threadWatts.middle);
    high += own(threadWatts.high);
  }
  const measured = times.filter(({ joules }) => joules !== null).length;
  if (measured === times.length && measured > 0)
    return { low, middle, high, method: 'measured', source: measuredSource };
  const source = measured > 0 ? `${measuredSource}; ${estimateSource}` : estimateSource;
  return { low, middle, high, method: measured > 0 ? 'partly measured' : 'estimated', source };
}

// Work on models that is no run: a conversion, an evaluation, a collection of a teacher's answers. It is billed alike.
import type { Device } from '../../kernels/index.ts';
import { chargeAttempts, findRuns } from './attempts.ts';
import { EnergyMeter } from './energy.ts';
import { type Lineage, withSeconds } from './lineage.ts';
import { mergeRecords } from './lineage-record.ts';
import { newLineage, type Origin } from './lineage-session.ts';
import { addWork, noWork, totalFlops, type Work } from './work.ts';

export interface JobStart {
  readonly kind: 'convert' | 'eval' | 'collection';
  readonly device: Device;
  readonly seed: number;
  /** What it does, as data. */
  readonly config: object;
  readonly origin: Origin;
  /** The folder of the runs that its model came from, some of which may have led to nothing; null: none. */
  readonly runs: string | null;
}

export interface JobEnd {
  readonly status: 'completed' | 'failed';
  readonly reason: string;
  readonly weights?: string | null;
  readonly work?: Partial<Work>;
  readonly changes?: Partial<Pick<Lineage, 'data' | 'teachers' | 'ancestors'>>;
}

/** A job that runs, from when it is made. */
export class Job {
  readonly #start: JobStart;
  readonly #began = performance.now();
  readonly #energy = new EnergyMeter();

  constructor(start: JobStart) {
    this.#start = start;
  }

  /** Returns the lineage of what came of it. */
  async end({ status, reason, weights = null, work = {}, changes = {} }: JobEnd): Promise<Lineage> {
    const { kind, device, seed, config, origin, runs } = this.#start;
    const seconds = (performance.now() - this.#began) / 1000;
    const { joules } = this.#energy;
    this.#energy.close();
    const recipe = { ...config, seed, currency: 'USD' };
    const begun = await newLineage({ folder: null, kind, recipe, origin, device });
    const counted = addWork(noWork, work);
    const served = { ...begun, weights, started: begun.sessions[0].started };
    const attempts = runs === null ? { charged: [], ancestors: [] } : chargeAttempts(served, findRuns(runs, 1).runs);
    const lineage = {
      ...begun,
      ...changes,
      status,
      reason,
      weights,
      work: counted,
      flops: totalFlops(counted),
      charged: [...begun.charged, ...attempts.charged],
      ancestors: mergeRecords(begun.ancestors, changes.ancestors ?? [], attempts.ancestors),
    };
    return withSeconds(lineage, seconds, joules);
  }
}

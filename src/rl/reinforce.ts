// Reinforcement learning, begun or gone on with: opened, run, and closed whatever happens.
import type { Outcome } from '../train/index.ts';
import type { RlConfig } from './config.ts';
import { RlLoop } from './loop.ts';
import { beginRl, type RlOptions, type RlRun, resumeRl } from './open-run.ts';

async function runFrom(run: RlRun, { signal }: RlOptions): Promise<Outcome> {
  const loop = new RlLoop(run);
  try {
    return await loop.run(signal);
  } catch (error) {
    await loop.fail(error as Error);
    throw error;
  } finally {
    await run.close();
  }
}

/** Trains from the first step. Throws TrainError, TaskError or CheckpointError before it where something does not fit. */
export async function reinforce(config: RlConfig, options: RlOptions): Promise<Outcome> {
  return runFrom(await beginRl(config, options), options);
}

/** Goes on with the run of a folder from its last whole checkpoint. */
export async function resumeReinforcing(options: RlOptions): Promise<Outcome> {
  return runFrom(await resumeRl(options), options);
}

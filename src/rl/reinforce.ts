// Reinforcement learning, begun or gone on with: opened, run, and closed whatever happens.
import { holding } from '../train/index.ts';
import type { RlConfig } from './config.ts';
import { RlLoop, type RlOutcome } from './loop.ts';
import { beginRl, expectRun, type RlOptions, type RlRun, resumeRl } from './open-run.ts';

async function runFrom(run: RlRun, { signal }: RlOptions): Promise<RlOutcome> {
  const loop = new RlLoop(run);
  try {
    return await loop.run(signal);
  } catch (error) {
    await loop.fail(error as Error).catch(() => undefined); // a full disk takes no last words
    throw error;
  } finally {
    await run.close();
  }
}

/** Trains from the first step. Throws TrainError, TaskError or CheckpointError before it where something does not fit. */
export async function reinforce(config: RlConfig, options: RlOptions): Promise<RlOutcome> {
  return holding(options.folder, async () => runFrom(await beginRl(config, options), options));
}

/** Goes on with the run of a folder from its last whole checkpoint. */
export async function resumeReinforcing(options: RlOptions): Promise<RlOutcome> {
  expectRun(options.folder);
  return holding(options.folder, async () => runFrom(await resumeRl(options), options));
}

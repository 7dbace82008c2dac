// Reinforcement learning, begun or gone on with: opened, run, and closed whatever happens.
import { beginRun, type Last, type Outcome, resumeRun } from '../train/index.ts';
import { type RlConfig, rlSchema } from './config.ts';
import { RlLoop } from './loop.ts';
import { openRl, type RlOptions, rlFiles } from './open-run.ts';

async function runFrom(config: RlConfig, last: Last | undefined, options: RlOptions): Promise<Outcome> {
  const run = await openRl(config, last, options);
  const loop = new RlLoop(run);
  try {
    return await loop.run(options.signal);
  } catch (error) {
    await loop.fail(error as Error);
    throw error;
  } finally {
    await run.close();
  }
}

/** Trains from the first step. Throws TrainError, TaskError or CheckpointError before it where something does not fit. */
export function reinforce(config: RlConfig, options: RlOptions): Promise<Outcome> {
  return beginRun(options.folder, rlFiles.config, () => runFrom(config, undefined, options));
}

/** Goes on with the run of a folder from its last whole checkpoint. */
export function resumeReinforcing(options: RlOptions): Promise<Outcome> {
  return resumeRun(options.folder, rlFiles.config, rlSchema, (config, last) => runFrom(config, last, options));
}

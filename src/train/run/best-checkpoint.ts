// The best checkpoint of a run by its held-out score: best.json in the folder of the run names it.
//
// Contract: the checkpoint that best.json names stays on disk, beyond keepCheckpoints. Where no evaluation is better
// than the first one, which measures the model that the run begins from, it names none.
import { join } from 'node:path';
import { z } from 'zod';
import { writeJson } from '../../model/checkpoint/index.ts';
import { TrainError } from '../errors.ts';
import { checkpointFolder, verifyCheckpoint } from './checkpoint.ts';
import { describeIssue, readRunJson } from './run-file.ts';

const bestFile = 'best.json';

const schema = z.object({
  step: z.number().int().nonnegative(),
  /** What the score is: `held-out accuracy`, a mean over the tasks of the run. */
  metric: z.string(),
  score: z.number(),
});

export type BestCheckpoint = z.infer<typeof schema>;

export const writeBestCheckpoint = (run: string, best: BestCheckpoint): Promise<void> =>
  writeJson(join(run, bestFile), best);

/** Returns what best.json of a run says; null where there is none. Throws TrainError. */
export function readBestCheckpoint(run: string): BestCheckpoint | null {
  const path = join(run, bestFile);
  const value = readRunJson(path);
  if (value === undefined) return null;
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  throw new TrainError(path, `names no checkpoint (${describeIssue(checked.error)})`, 'remove it');
}

/** Returns the folder of the best checkpoint of a run, which is as it was written. Throws TrainError. */
export async function findBestCheckpoint(run: string): Promise<string> {
  const best = readBestCheckpoint(run);
  if (best === null)
    throw new TrainError(run, 'has no best checkpoint', 'name a run with evaluations, or a folder in its checkpoints');
  if (best.step === 0)
    throw new TrainError(
      run,
      `never exceeded the ${best.metric} of the model that it began from`,
      'take that model, or a folder in the checkpoints of the run',
    );
  return (await verifyCheckpoint(checkpointFolder(run, best.step))).folder;
}

// The bill of an evaluation: a record beside the lineage of the run whose checkpoint was asked.
//
// A model outside of its run gets none: nothing is written into models that were converted, fetched, or bundled. Nor
// does a run that cannot be written to, which is said.
import { basename, resolve } from 'node:path';
import type { Answerer } from '../eval/index.ts';
import type { Device } from '../kernels/index.ts';
import { sequenceFlops } from '../model/index.ts';
import { addEvaluation, findRunAbove, Job, readBaseConfig, toRecord } from '../train/index.ts';

export interface EvaluationWork {
  /** Folder of the model. */
  readonly path: string;
  readonly device: Device;
  readonly seed: number;
  /** What it is asked, in words. */
  readonly about: string;
}

/** Asks a model with `evaluate` through an answerer that counts, and records what the answers took. */
export async function recordEvaluation<T>(
  { path, device, seed, about }: EvaluationWork,
  answer: Answerer,
  evaluate: (answer: Answerer) => Promise<T>,
): Promise<T> {
  const folder = findRunAbove(path);
  if (folder === null) return evaluate(answer);
  const job = new Job({ kind: 'eval', device, seed, config: { about }, origin: { initial: null }, runs: null });
  const { forward, generation } = sequenceFlops(readBaseConfig(path));
  let [evaluation, generated] = [0, 0];
  const counting: Answerer = async (...request) => {
    const given = await answer(...request);
    const { tokens, promptTokens = 0 } = given;
    evaluation += forward(promptTokens) + generation(promptTokens, tokens);
    generated += tokens;
    return given;
  };
  const record = async (status: 'completed' | 'failed', reason: string): Promise<void> => {
    const lineage = await job.end({ status, reason, work: { evaluation, generated } });
    try {
      addEvaluation(folder, toRecord(lineage, `${basename(resolve(path))}, ${about}`));
    } catch (error) {
      console.error(`this evaluation is not on the bill of ${folder}: ${(error as Error).message}`);
    }
  };
  try {
    const result = await evaluate(counting);
    await record('completed', 'all answers are judged');
    return result;
  } catch (error) {
    await record('failed', (error as Error).message);
    throw error;
  }
}

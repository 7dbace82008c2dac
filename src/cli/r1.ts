// minke r1: runs the stages of a pipeline in order (stage-runner.ts), each behind the gate of the one before, and
// writes report.md with curves and samples.
import { join } from 'node:path';
import { TrainError } from '../train/index.ts';
import { writeR1Report } from './r1-report.ts';
import { loadRecipe } from './recipe.ts';
import { writeResult } from './results.ts';
import {
  expectStages,
  findStageModel,
  type Pipeline,
  type PipelineOptions,
  runPipeline,
  untilStopped,
} from './stage-runner.ts';

export interface R1Pipeline extends Pipeline {
  /** The stage to chat with. */
  readonly best: string;
}

/** Runs and evaluates the stages that are not done yet, and writes the report. Returns the evaluations by stage. */
export async function runR1(pipeline: R1Pipeline, folder: string, options: PipelineOptions = {}) {
  const evaluations = await runPipeline(pipeline, folder, options);
  return { evaluations, part: writeR1Report(folder, pipeline, evaluations) };
}

export interface R1Command {
  readonly run: string;
  /** Replaces the seed of every stage; worked examples stay the same. */
  readonly seed?: number;
  readonly accept?: readonly string[];
  /** The folder of a page of results to add this pipeline to. */
  readonly results?: string;
}

async function loadPipeline(name: string, accept: readonly string[]): Promise<R1Pipeline> {
  const { recipe } = await loadRecipe<R1Pipeline>(name);
  if (!('stages' in recipe))
    throw new TrainError(name, 'is the recipe of one run, not of a pipeline', 'take r1, or a file that exports stages');
  expectStages(recipe, accept);
  return recipe;
}

export async function r1Command(name: string, { run: folder, seed, accept = [], results }: R1Command): Promise<void> {
  const began = performance.now();
  const pipeline = await loadPipeline(name, accept);
  const done = await untilStopped((signal) => runR1(pipeline, folder, { seed, signal, accept }));
  if (done === null) return;
  if (results !== undefined) writeResult(results, done.part);
  console.log(done.part.paragraphs[1]);
  console.log(`${((performance.now() - began) / 60_000).toFixed(1)} minutes, report: ${join(folder, 'report.md')}`);
  console.log(`chat with it: npx minke chat ${await findStageModel(folder, pipeline.best)}`);
}

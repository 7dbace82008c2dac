// minke speedrun: runs the stages of recipes/speedrun.ts in order (stage-runner.ts), and writes report.html.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatPercent } from '../math/index.ts';
import { loadRecipe } from './recipe.ts';
import { writeResult } from './results.ts';
import { speedrunPage, speedrunPart } from './speedrun-page.ts';
import { findStageModel, type Pipeline, type PipelineOptions, runPipeline, untilStopped } from './stage-runner.ts';

export interface Speedrun extends Pipeline {
  /** The stage to chat with. */
  readonly best: string;
}

/** Runs and evaluates the stages that are not done yet, and writes report.html. Returns the evaluations by stage. */
export async function runSpeedrun(speedrun: Speedrun, folder: string, options: PipelineOptions = {}) {
  const evaluations = await runPipeline(speedrun, folder, options);
  writeFileSync(join(folder, 'report.html'), speedrunPage(folder, speedrun, evaluations));
  return evaluations;
}

export interface SpeedrunCommand {
  /** Replaces the seed of every stage; worked examples stay the same. */
  readonly seed?: number;
  /** The folder of a page of results to add this speedrun to. */
  readonly results?: string;
}

export async function speedrunCommand(folder: string, { seed, results }: SpeedrunCommand = {}): Promise<void> {
  const began = performance.now();
  const speedrun = (await loadRecipe<Speedrun>('speedrun')).recipe as Speedrun;
  const evaluations = await untilStopped((signal) => runSpeedrun(speedrun, folder, { seed, signal }));
  if (evaluations === null) return;
  if (results !== undefined) writeResult(results, speedrunPart(folder, speedrun, evaluations));
  for (const { name } of speedrun.stages)
    console.log(`${name.padEnd(10)} pass@1 ${formatPercent(evaluations[name][0].passAt1.mean, 1)}`);
  console.log(`${((performance.now() - began) / 60_000).toFixed(1)} minutes, report: ${join(folder, 'report.html')}`);
  const best = await findStageModel(folder, speedrun.best);
  console.log(`chat with it: npx minke chat ${best} --prompt "Make 24 from 3, 7, 8."`);
}

// minke speedrun: runs the stages of recipes/speedrun.ts in order (stage-runner.ts), and writes report.html.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatPercent } from '../math/index.ts';
import { isTaskFile } from '../tasks/index.ts';
import { loadRecipe } from './recipe.ts';
import { writeResult } from './results.ts';
import { speedrunPage, speedrunPart } from './speedrun-page.ts';
import { runSeeds, seedsPart, seedTable } from './speedrun-seeds.ts';
import {
  answeringStages,
  expectStages,
  findStageModel,
  type Pipeline,
  type PipelineOptions,
  runPipeline,
  untilStopped,
} from './stage-runner.ts';
import {
  defaultFolder,
  expectSameBeginning,
  readSpeedrunTask,
  type SpeedrunTask,
  setStages,
  withTask,
} from './task-speedrun.ts';

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
  /** A task instead of the recipe's, `name:4` for a difficulty. */
  readonly task?: string;
  /** Fields of stages, as in `base.steps=3000`. */
  readonly set?: readonly string[];
  /** Runs all of it with each of these seeds, in folders of their own. */
  readonly seeds?: readonly number[];
  /** Replaces the seed of every stage; worked examples stay the same. */
  readonly seed?: number;
  /** Stages that need not pass their gates. */
  readonly accept?: readonly string[];
  /** The folder of a page of results to add this speedrun to. */
  readonly results?: string;
}

/** Returns the speedrun of the recipe, on the task and with the settings of the command line. */
async function readSpeedrun(own: SpeedrunTask | null, set: readonly string[]): Promise<Speedrun> {
  const speedrun = (await loadRecipe<Speedrun>('speedrun')).recipe as Speedrun;
  return setStages(own === null ? speedrun : withTask(speedrun, own), set);
}

type RunInFolder = (folder: string, options: PipelineOptions) => ReturnType<typeof runSpeedrun>;

interface SeedsCommand {
  readonly seeds: readonly number[];
  readonly results: string | undefined;
  readonly run: RunInFolder;
}

async function runEachSeed(speedrun: Speedrun, folder: string, { seeds, results, run }: SeedsCommand): Promise<void> {
  const found = await untilStopped((signal) => runSeeds(speedrun, folder, { seeds, signal, run }));
  if (found === null) return;
  for (const row of seedTable(speedrun, found)) console.log(row.join('  '));
  if (results !== undefined) writeResult(results, seedsPart(folder, speedrun, found));
  if (found.some(({ problem }) => problem !== null)) process.exitCode = 1;
}

export async function speedrunCommand(given: string | undefined, command: SpeedrunCommand = {}): Promise<void> {
  const began = performance.now();
  const { task, seed, seeds, set, accept = [], results } = command;
  const folder = given ?? defaultFolder(task);
  const own = task === undefined ? null : await readSpeedrunTask(task);
  const speedrun = await readSpeedrun(own, set ?? []);
  expectStages(speedrun, accept);
  const tasks = own !== null && isTaskFile(own.task) ? [own.task] : [];
  const run: RunInFolder = (root, options) => {
    expectSameBeginning(root, { task, seed: options.seed, set });
    return runSpeedrun(speedrun, root, { ...options, tasks, accept });
  };
  if (seeds !== undefined) return runEachSeed(speedrun, folder, { seeds, results, run });
  const evaluations = await untilStopped((signal) => run(folder, { seed, signal }));
  if (evaluations === null) return;
  const again = task === undefined ? '' : ` --task ${task}`;
  if (results !== undefined) writeResult(results, speedrunPart(folder, speedrun, evaluations, again));
  for (const { name } of answeringStages(speedrun))
    console.log(`${name.padEnd(10)} pass@1 ${formatPercent(evaluations[name][0].passAt1.mean, 1)}`);
  console.log(`${((performance.now() - began) / 60_000).toFixed(1)} minutes, report: ${join(folder, 'report.html')}`);
  const best = await findStageModel(folder, speedrun.best);
  console.log(`chat with it: npx minke chat ${best} --prompt '${own?.example ?? 'Make 24 from 3, 7, 8.'}'`);
  if (tasks.length > 0) console.log(`in the browser: npx minke serve ${best} --task ${own?.task}`);
}

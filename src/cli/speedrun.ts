// minke speedrun: from nothing to a model that thinks and its dense student, by recipes/speedrun.ts.
//
// A base reads how people search (never how to answer); reinforcement learning finds out what pays; a dense student learns
// from its right answers; all are asked the same held-out problems; report.html shows curves, samples and cost.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '../engine/index.ts';
import { type Evaluation, evaluate, modelAnswerer } from '../eval/index.ts';
import { closeTasks, openTasks } from '../tasks/index.ts';
import { loadRecipe } from './recipe.ts';
import { writeResult } from './results.ts';
import { percent, type Results, speedrunPage, speedrunPart } from './speedrun-page.ts';
import { modelOf, runStages, type Speedrun, stages } from './speedrun-stages.ts';

const evaluation = {
  problems: 250,
  samples: 4,
  temperature: 0.6,
  topP: 0.95,
  maxTokens: 256,
  parallel: 64,
} as const;
const questions = { seed: 7, template: 'short' } as const;

async function evaluateStage(run: string): Promise<Evaluation> {
  const tasks = await openTasks([{ task: 'countdown', difficulty: 3, share: 1 }], questions.seed);
  const model = await openModel(await modelOf(run));
  try {
    return await evaluate(modelAnswerer(model), { tasks, ...questions }, tasks[0], evaluation);
  } finally {
    await model.close();
    await closeTasks(tasks);
  }
}

/** Evaluates the stages that have no evaluation yet. */
async function evaluateAll(folder: string): Promise<Results> {
  const file = join(folder, 'evaluation.json');
  const known: Partial<Results> = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  for (const stage of stages) {
    if (known[stage]) continue;
    const result = await evaluateStage(join(folder, stage));
    known[stage] = result;
    writeFileSync(file, JSON.stringify(known));
    console.error(`${stage}: pass@1 ${percent(result.passAt1.mean)} of ${evaluation.problems} held-out problems`);
  }
  return known as Results;
}

/** The recipe with one seed for all of its stages; pages stay the same. */
function seeded(recipe: Speedrun, seed: number): Speedrun {
  const { base, zero, student, distilled } = recipe;
  return {
    base: { ...base, seed },
    zero: { ...zero, seed },
    student: { ...student, seed },
    distilled: { ...distilled, seed },
  };
}

export interface SpeedrunCommand {
  readonly seed?: number;
  /** Folder of a page of results, to which this run is added. */
  readonly results?: string;
}

export async function speedrunCommand(folder: string, { seed, results: page }: SpeedrunCommand = {}): Promise<void> {
  const began = performance.now();
  mkdirSync(folder, { recursive: true });
  const recipe = (await loadRecipe<Speedrun>('speedrun')) as Speedrun;
  await runStages(seed === undefined ? recipe : seeded(recipe, seed), folder);
  const results = await evaluateAll(folder);
  writeFileSync(join(folder, 'report.html'), speedrunPage(folder, results));
  if (page !== undefined) writeResult(page, speedrunPart(folder, results));
  for (const stage of stages) console.log(`${stage.padEnd(10)} pass@1 ${percent(results[stage].passAt1.mean)}`);
  console.log(`${((performance.now() - began) / 60_000).toFixed(1)} minutes, report: ${join(folder, 'report.html')}`);
  console.log(`talk to it: npx minke chat ${await modelOf(join(folder, 'zero'))} --prompt "Make 24 from 3, 7, 8."`);
}

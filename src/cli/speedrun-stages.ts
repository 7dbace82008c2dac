// The stages of a speedrun: a base, reinforcement learning on it, a dense student that reads too, its distillation.
//
// Contract: each stage has a folder; one that is done is not done again, one that was stopped goes on.
import { join } from 'node:path';
import { type DistilRecipe, distil, isDistilRun, resolveDistil, resumeDistilling } from '../distill/index.ts';
import { type Device, openDevice } from '../kernels/index.ts';
import { isRlRun, type RlRecipe, reinforce, resolveRl, resumeReinforcing } from '../rl/index.ts';
import { useDevice } from '../tensor/index.ts';
import {
  isRun,
  latestCheckpoint,
  type PretrainRecipe,
  pretrain,
  readLineage,
  resolvePretrain,
  resumePretraining,
} from '../train/index.ts';
import { showDistilling } from './distil.ts';
import { RlConsole } from './rl-console.ts';
import { TrainConsole } from './train-console.ts';

export interface Speedrun {
  readonly base: PretrainRecipe;
  readonly zero: Omit<RlRecipe, 'model'>;
  readonly student: PretrainRecipe;
  readonly distilled: Omit<DistilRecipe, 'student' | 'teacher'>;
}

export const stages = ['base', 'zero', 'student', 'distilled'] as const;
export type Stage = (typeof stages)[number];

/** The latest checkpoint of a run's folder. */
export async function modelOf(run: string): Promise<string> {
  const checkpoint = await latestCheckpoint(run, ({ message }) => console.error(message));
  if (checkpoint === null) throw new Error(`${run} holds no checkpoint: remove it and begin again`);
  return checkpoint.folder;
}

type Run = (folder: string) => Promise<unknown>;

function pretraining(device: Device, recipe: PretrainRecipe): Run {
  return (folder) => {
    const shown = new TrainConsole();
    const options = { folder, device, listen: shown.show.bind(shown) };
    return isRun(folder) ? resumePretraining(options) : pretrain(resolvePretrain(recipe), options);
  };
}

function reinforcing(device: Device, recipe: Speedrun['zero'], base: string): Run {
  return async (folder) => {
    const shown = new RlConsole();
    const options = { folder, device, listen: shown.show.bind(shown) };
    if (isRlRun(folder)) return resumeReinforcing(options);
    return reinforce(resolveRl({ ...recipe, model: await modelOf(base) }), options);
  };
}

function distilling(device: Device, recipe: Speedrun['distilled'], student: string, teacher: string): Run {
  return async (folder) => {
    const options = { folder, device, listen: showDistilling() };
    if (isDistilRun(folder)) return resumeDistilling(options);
    const models = { student: await modelOf(student), teacher: await modelOf(teacher) };
    return distil(resolveDistil({ ...recipe, ...models }), options);
  };
}

/** Does what is not done yet. */
export async function runStages(recipe: Speedrun, folder: string): Promise<void> {
  const device = openDevice();
  useDevice(device);
  const at = (stage: Stage) => join(folder, stage);
  const runs: Record<Stage, Run> = {
    base: pretraining(device, recipe.base),
    zero: reinforcing(device, recipe.zero, at('base')),
    student: pretraining(device, recipe.student),
    distilled: distilling(device, recipe.distilled, at('student'), at('zero')),
  };
  try {
    for (const stage of stages) if (readLineage(at(stage))?.status !== 'completed') await runs[stage](at(stage));
  } finally {
    await device.close();
  }
}

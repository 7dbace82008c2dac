// An ablation of pipelines: arms that continue from the same stages, at equal data and at equal FLOPs, over seeds.
//
// Contract: each seed is a pipeline in a folder of its own, resumable like any (stage-runner.ts). At equal data an arm
// is the recipe's. At equal FLOPs an arm is run once more with `scaled` multiplied by the FLOPs of the reference arm
// over its own, both as counted from the runs of that seed (run-flops.ts); the reference is not run again.
import { join } from 'node:path';
import { distill } from '../distill/index.ts';
import { mean, sampleVariance } from '../math/index.ts';
import { rl } from '../rl/index.ts';
import { eventsNamed, readEvents, readLineage, runFiles, setField, TrainError } from '../train/index.ts';
import type { EvaluationRecipe } from './eval.ts';
import { type RunFlops, readRunFlops } from './run-flops.ts';
import { type RunStage, runPipeline, type Stage, type StageEvaluations } from './stage-runner.ts';

export interface PipelineArm extends Omit<RunStage, 'title'> {
  /** The field of its recipe that its FLOPs are in proportion to: steps, or the number of traces. */
  readonly scaled: string;
}

export interface PipelineAblationRecipe {
  readonly question: string;
  /** What the papers found, with the source. */
  readonly published: string;
  /** What all arms continue from. */
  readonly stages: readonly Stage[];
  /** By what the table calls them. */
  readonly arms: Readonly<Record<string, PipelineArm>>;
  /** The arm whose FLOPs the others get. */
  readonly reference: string;
  readonly evaluation: EvaluationRecipe;
  readonly seeds: readonly number[];
}

/** One run of an arm. */
export interface ArmRun {
  readonly passAt1: { readonly mean: number; readonly margin: number };
  readonly format: number;
  /** Mean tokens of a response. */
  readonly tokens: number;
  readonly flops: RunFlops;
  readonly hours: number;
  /** Accuracy on held-out problems while it trained, by the share of its steps. */
  readonly curve: readonly (readonly [share: number, passAt1: number])[];
}

export type Comparison = 'data' | 'flops';

/** The runs of each arm, one for each seed. */
export type ArmRuns = Readonly<Record<Comparison, ReadonlyMap<string, readonly ArmRun[]>>>;

export interface PipelineAblationOptions {
  readonly folder: string;
  readonly signal?: AbortSignal;
}

const totalFlops = ({ student, teacher }: RunFlops): number => student + teacher;

const scaledName = (arm: PipelineArm) => `${arm.name}-at-equal-flops`;

const toStage = (title: string, { scaled: _, ...arm }: PipelineArm): RunStage => ({ ...arm, title });

/** Returns the value of a field by its path. */
function fieldAt(recipe: object, path: string): number {
  const value = path
    .split('.')
    .reduce<unknown>((at, name) => (at as Readonly<Record<string, unknown>> | undefined)?.[name], recipe);
  if (typeof value === 'number') return value;
  throw new TrainError('recipe', `${path} is not a number in the recipe of an arm`, 'name the field that scales it');
}

/** Returns the stage of an arm with its FLOPs multiplied. */
function toScaledStage(title: string, arm: PipelineArm, factor: number): RunStage {
  const recipe = structuredClone(arm.recipe) as Record<string, unknown>;
  setField(recipe, arm.scaled, Math.max(1, Math.round(factor * fieldAt(recipe, arm.scaled))));
  return { ...toStage(title, arm), name: scaledName(arm), recipe };
}

function readCurve(run: string, kind: string): ArmRun['curve'] {
  const path = join(run, runFiles.events);
  const events = kind === rl.name ? readEvents(path, rl.events) : readEvents(path, distill.events);
  const evaluated = eventsNamed<(typeof events)[number], 'evaluated'>(events, 'evaluated');
  const last = evaluated.at(-1)?.step ?? 0;
  return evaluated.map(({ step, passAt1 }) => [last === 0 ? 1 : step / last, passAt1]);
}

function readArmRun(folder: string, stage: RunStage, evaluations: StageEvaluations): ArmRun {
  const run = join(folder, stage.name);
  const { passAt1, format, tokens } = evaluations[stage.name][0];
  const hours = readLineage(run)?.hours ?? 0;
  return { passAt1, format, tokens, flops: readRunFlops(run), hours, curve: readCurve(run, stage.kind) };
}

function readArmRuns(folder: string, stages: readonly RunStage[], evaluations: StageEvaluations) {
  return new Map(stages.map((stage) => [stage.title, readArmRun(folder, stage, evaluations)]));
}

/** Runs all arms with one seed. Returns the run of each arm at equal data and at equal FLOPs. */
async function runSeed(recipe: PipelineAblationRecipe, folder: string, seed: number, signal?: AbortSignal) {
  const { stages, arms, reference, evaluation } = recipe;
  const evaluations = [evaluation];
  const options = { seed, ...(signal && { signal }) };
  const own = Object.entries(arms).map(([title, arm]) => toStage(title, arm));
  const data = readArmRuns(
    folder,
    own,
    await runPipeline({ stages: [...stages, ...own], evaluations }, folder, options),
  );
  const armRun = (title: string) => data.get(title) as ArmRun;
  const budget = totalFlops(armRun(reference).flops);
  const scaled = Object.entries(arms).flatMap(([title, arm]) =>
    title === reference ? [] : [toScaledStage(title, arm, budget / totalFlops(armRun(title).flops))],
  );
  const again = readArmRuns(
    folder,
    scaled,
    await runPipeline({ stages: [...stages, ...scaled], evaluations }, folder, options),
  );
  const flops = new Map(Object.keys(arms).map((title) => [title, again.get(title) ?? armRun(title)]));
  return { data, flops };
}

/** Runs every arm with every seed, as far as this was not done before. Rejects where the signal aborts. */
export async function runPipelineAblation(
  recipe: PipelineAblationRecipe,
  { folder, signal }: PipelineAblationOptions,
): Promise<ArmRuns> {
  const runs = { data: new Map<string, ArmRun[]>(), flops: new Map<string, ArmRun[]>() };
  for (const seed of recipe.seeds) {
    const seeded = await runSeed(recipe, join(folder, `seed-${seed}`), seed, signal);
    for (const comparison of ['data', 'flops'] as const)
      for (const [title, run] of seeded[comparison])
        runs[comparison].set(title, [...(runs[comparison].get(title) ?? []), run]);
  }
  return runs;
}

/** 97.5 % quantiles of Student's t distribution with 1, 2, ... degrees of freedom. */
const quantiles = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

/** Returns the mean of pass@1 and half of its 95 % interval: over seeds, or over problems with one seed. */
export function estimateOverSeeds(runs: readonly Pick<ArmRun, 'passAt1'>[]): {
  readonly mean: number;
  readonly margin: number;
} {
  const values = runs.map(({ passAt1 }) => passAt1.mean);
  if (values.length === 1) return runs[0].passAt1;
  const quantile = quantiles[values.length - 2] ?? 1.96;
  return { mean: mean(values), margin: quantile * Math.sqrt(sampleVariance(values) / values.length) };
}

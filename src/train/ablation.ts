// An ablation: the same recipe with and without one idea, over several seeds.
//
// Contract: each arm and seed is an ordinary run in a folder of its own; a complete one is used as it is, one that was
// cut off is resumed. Results are read from the events of the runs alone.
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Device } from '../kernels/index.ts';
import { mean, median } from '../math/index.ts';
import { readJson } from '../model/checkpoint/index.ts';
import { cacheBytesPerToken, countParameters, fp8Share, type ModelConfig, readConfig } from '../model/index.ts';
import type { PretrainEvent } from './events.ts';
import { worstViolation } from './load.ts';
import { pretrain } from './pretrain.ts';
import type { PretrainRecipe } from './pretrain-recipe.ts';
import { readEvents } from './run/event-log.ts';
import { eventsNamed } from './run/facts.ts';
import { readLineage } from './run/lineage.ts';
import { resolveRecipe } from './run/recipe.ts';
import { runFiles } from './run/records.ts';
import { holdsRun, readRunRecipe, resumeRun, startRun } from './run/run.ts';

export interface Arm {
  /** Replaces the base's model. */
  readonly model?: PretrainRecipe['model'];
  /** path=value, as in --set. */
  readonly set?: readonly string[];
}

export interface AblationRecipe {
  readonly question: string;
  /** What the papers found, with the source. */
  readonly published: string;
  readonly base: PretrainRecipe;
  /** The others are compared with the first. */
  readonly arms: Readonly<Record<string, Arm>>;
  readonly seeds: readonly number[];
  /** What the plot shows over the tokens; compute: the validation loss over FLOPs, and FLOPs to equal loss. */
  readonly plot: 'loss' | 'maxVio' | 'compute';
}

export interface Curve {
  readonly tokens: readonly number[];
  readonly loss: readonly number[];
  readonly maxVio: readonly number[];
}

/** A measured validation loss, and the FLOPs of training until then. */
export interface LossAtCompute {
  readonly flops: number;
  readonly loss: number;
}

/** The results of one arm, a number for each seed. */
export interface ArmResult {
  readonly name: string;
  readonly validation: readonly number[];
  /** All evaluations after the first step, for each seed. */
  readonly progress: readonly (readonly LossAtCompute[])[];
  /** The share of its FLOPs in products of FP8 matrices; 0 unless it trains in FP8. */
  readonly fp8Share: number;
  /** MaxVio of the worst layer, over the summed loads of the last quarter of the steps; empty without experts. */
  readonly maxVio: readonly number[];
  /** MaxVio over the validation text, which may have other topics. */
  readonly validationMaxVio: readonly number[];
  readonly tokensPerSecond: readonly number[];
  readonly parameters: { readonly total: number; readonly active: number };
  readonly cacheBytes: number;
  /** The mean over seeds. */
  readonly curve: Curve;
}

export interface AblationOptions {
  readonly folder: string;
  readonly inputs: readonly string[];
  readonly device: Device;
  readonly signal?: AbortSignal;
  readonly listen: (run: string, event: PretrainEvent) => void;
}

function toCurve(events: readonly PretrainEvent[]): Curve {
  const steps = eventsNamed(events, 'step');
  return {
    tokens: steps.map(({ tokens }) => tokens),
    loss: steps.map(({ loss }) => loss ?? Number.NaN),
    maxVio: steps.map(({ maxVio }) => maxVio ?? Number.NaN),
  };
}

function meanCurve(curves: readonly Curve[]): Curve {
  const { tokens } = curves[0];
  const average = (values: (curve: Curve) => readonly number[]) =>
    tokens.map((_, i) => mean(curves.map((curve) => values(curve)[i])));
  return { tokens, loss: average((c) => c.loss), maxVio: average((c) => c.maxVio) };
}

function toProgress(events: readonly PretrainEvent[]): LossAtCompute[] {
  const [started] = eventsNamed(events, 'started');
  const flopsPerStep = (started?.tokensPerStep ?? 0) * (started?.flopsPerToken ?? 0);
  const evaluated = eventsNamed(events, 'evaluated').filter(({ step }) => step > 0);
  return evaluated.map(({ step, loss }) => ({ flops: step * flopsPerStep, loss }));
}

/** Returns MaxVio of the loads of the last quarter of the steps, summed. */
function lateViolation(events: readonly PretrainEvent[]): number[] {
  const steps = eventsNamed(events, 'step');
  const late = steps.slice(Math.floor(0.75 * steps.length)).flatMap(({ load }) => (load ? [load] : []));
  const sums = late[0]?.map((layer, l) =>
    layer.map((_, e) => late.reduce((sum, load) => sum + (load[l]?.[e] ?? 0), 0)),
  );
  return sums === undefined ? [] : [worstViolation(sums)].filter((violation) => violation !== null);
}

function summarizeArm(name: string, folders: readonly string[]): ArmResult {
  const events = folders.map((folder) => readEvents(join(folder, runFiles.events), pretrain.events));
  const last = events.map((each) => eventsNamed(each, 'evaluated').at(-1));
  const config = readModelConfig(folders[0]);
  const { total, active } = countParameters(config);
  const { precision, sequenceLength } = readRunRecipe(pretrain, folders[0]);
  return {
    name,
    validation: last.map((event) => event?.loss ?? Number.NaN),
    progress: events.map(toProgress),
    fp8Share: precision === 'fp8' ? fp8Share(config, sequenceLength) : 0,
    maxVio: events.flatMap(lateViolation),
    validationMaxVio: last.flatMap((event) => event?.maxVio ?? []),
    tokensPerSecond: events.map((each) => median(eventsNamed(each, 'step').map((step) => step.tokensPerSecond))),
    parameters: { total, active },
    cacheBytes: cacheBytesPerToken(config).bf16,
    curve: meanCurve(events.map(toCurve)),
  };
}

/** Reads the model of a run, with the vocabulary it got, from its last checkpoint. */
function readModelConfig(run: string): ModelConfig {
  const saved = eventsNamed(readEvents(join(run, runFiles.events), pretrain.events), 'saved').at(-1);
  const path = join(run, 'checkpoints', basename(saved?.folder ?? ''), 'config.json');
  return readConfig(readJson(path), path);
}

/** Runs every arm with every seed, as far as this was not done before. Returns the results, null if it was stopped. */
export async function runAblation(recipe: AblationRecipe, options: AblationOptions): Promise<ArmResult[] | null> {
  const { folder, inputs, device, signal, listen } = options;
  const folders = new Map(Object.keys(recipe.arms).map((name) => [name, [] as string[]]));
  for (const seed of recipe.seeds)
    for (const [name, { model, set = [] }] of Object.entries(recipe.arms)) {
      const run = join(folder, `${name.replaceAll(/\W+/g, '-')}-${seed}`);
      (folders.get(name) as string[]).push(run);
      if (existsSync(run) && readLineage(run)?.status === 'completed') continue;
      const { base } = recipe;
      const merged = { ...base, ...(model && { model }), data: { ...base.data, inputs: [...inputs] } };
      const config = resolveRecipe(pretrain, merged, [...set, `seed=${seed}`]);
      const runOptions = {
        folder: run,
        device,
        ...(signal && { signal }),
        listen: (e: PretrainEvent) => listen(run, e),
      };
      const isBegun = holdsRun(run, pretrain);
      const status = await (isBegun ? resumeRun(pretrain, runOptions) : startRun(pretrain, config, runOptions));
      if (status === 'stopped') return null;
    }
  return [...folders].map(([name, runs]) => summarizeArm(name, runs));
}

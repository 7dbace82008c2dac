// One idea measured: the same recipe with and without it, over seeds, as runs that can be stopped and gone on with.
//
// Contract: each arm and seed is an ordinary run in a folder of its own; one that is complete is used as it is, one that
// was cut off is resumed. What is compared is read from the runs' events, so the folders are all there is to know.
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Device } from '../kernels/index.ts';
import { readJson } from '../model/checkpoint/index.ts';
import { cacheBytesPerToken, countParameters, type ModelConfig, readConfig } from '../model/index.ts';
import { type PretrainRecipe, resolvePretrain } from './config.ts';
import type { TrainEvent } from './events.ts';
import { worstViolation } from './load.ts';
import { isRun, pretrain, resumePretraining } from './pretrain.ts';
import { readEvents } from './run/event-log.ts';
import { readLineage } from './run/lineage.ts';

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
  /** The first is what the others are compared with. */
  readonly arms: Readonly<Record<string, Arm>>;
  readonly seeds: readonly number[];
  /** What the plot shows over tokens. */
  readonly plot: 'loss' | 'maxVio';
}

export interface Curve {
  readonly tokens: readonly number[];
  readonly loss: readonly number[];
  readonly maxVio: readonly number[];
}

/** What one arm came to, a number for each seed. */
export interface ArmResult {
  readonly name: string;
  readonly validation: readonly number[];
  /** MaxVio of the worst layer over the last quarter of the steps together; empty without experts. */
  readonly maxVio: readonly number[];
  /** Over the validation text, whose topics may be others. */
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
  readonly listen: (run: string, event: TrainEvent) => void;
}

function curveOf(events: readonly TrainEvent[]): Curve {
  const steps = events.flatMap((event) => (event.event === 'step' ? [event] : []));
  return {
    tokens: steps.map(({ tokens }) => tokens),
    loss: steps.map(({ loss }) => loss ?? Number.NaN),
    maxVio: steps.map(({ maxVio }) => maxVio ?? Number.NaN),
  };
}

function meanOf(curves: readonly Curve[]): Curve {
  const mean = (of: (curve: Curve) => readonly number[]) =>
    curves[0].tokens.map((_, i) => curves.reduce((sum, c) => sum + of(c)[i], 0) / curves.length);
  return { tokens: curves[0].tokens, loss: mean((c) => c.loss), maxVio: mean((c) => c.maxVio) };
}

/** MaxVio of the loads of the last quarter of the steps, summed. */
function lateViolation(events: readonly TrainEvent[]): number[] {
  const steps = events.flatMap((event) => (event.event === 'step' ? [event] : []));
  const late = steps.slice(Math.floor(0.75 * steps.length)).flatMap(({ load }) => (load ? [load] : []));
  const [first] = late;
  if (!first) return [];
  const sums = first.map((layer, l) => layer.map((_, e) => late.reduce((sum, load) => sum + (load[l]?.[e] ?? 0), 0)));
  return [worstViolation(sums) as number];
}

function resultOf(name: string, folders: readonly string[]): ArmResult {
  const events = folders.map((folder) => readEvents(join(folder, 'events.jsonl')));
  const last = events.map((each) => each.findLast((event) => event.event === 'evaluated'));
  const paces = events.map((each) =>
    each.flatMap((event) => (event.event === 'step' ? [event.tokensPerSecond] : [])).sort((a, b) => a - b),
  );
  const config = modelOf(folders[0]);
  const { total, active } = countParameters(config);
  return {
    name,
    validation: last.map((event) => event?.loss ?? Number.NaN),
    maxVio: events.flatMap(lateViolation),
    validationMaxVio: last.flatMap((event) => (typeof event?.maxVio === 'number' ? [event.maxVio] : [])),
    tokensPerSecond: paces.map((pace) => pace[pace.length >> 1]),
    parameters: { total, active },
    cacheBytes: cacheBytesPerToken(config).bf16,
    curve: meanOf(events.map(curveOf)),
  };
}

/** The model of a run, with the vocabulary it got, from its last checkpoint. */
function modelOf(run: string): ModelConfig {
  const saved = readEvents(join(run, 'events.jsonl')).findLast((event) => event.event === 'saved');
  const path = join(run, 'checkpoints', basename((saved as { folder: string }).folder), 'config.json');
  return readConfig(readJson(path), path);
}

/** Runs every arm with every seed, or what is still to do; then says what came out. */
export async function runAblation(recipe: AblationRecipe, options: AblationOptions): Promise<ArmResult[]> {
  const { folder, inputs, device, signal, listen } = options;
  const folders = new Map(Object.keys(recipe.arms).map((name) => [name, [] as string[]]));
  for (const seed of recipe.seeds)
    for (const [name, { model, set = [] }] of Object.entries(recipe.arms)) {
      const run = join(folder, `${name.replaceAll(/\W+/g, '-')}-${seed}`);
      (folders.get(name) as string[]).push(run);
      if (existsSync(run) && readLineage(run)?.status === 'completed') continue;
      const { base } = recipe;
      const merged = { ...base, ...(model && { model }), data: { ...base.data, inputs: [...inputs] } };
      const config = resolvePretrain(merged, [...set, `seed=${seed}`]);
      const runOptions = { folder: run, device, ...(signal && { signal }), listen: (e: TrainEvent) => listen(run, e) };
      const status = isRun(run) ? await resumePretraining(runOptions) : await pretrain(config, runOptions);
      if (status === 'stopped') throw signal?.reason;
    }
  return [...folders].map(([name, runs]) => resultOf(name, runs));
}

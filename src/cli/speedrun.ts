// minke speedrun: runs the stages of recipes/speedrun.ts in order, evaluates the model of each, and writes report.html.
//
// Contract: each stage has a folder. A completed stage is not run again, a stopped one resumes, and an evaluation that
// is in evaluation.json is not repeated. A signal stops the stage that runs and leaves the rest to the next call.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '../engine/index.ts';
import { type Evaluation, expectVerdicts, modelAnswerer } from '../eval/index.ts';
import type { Device } from '../kernels/index.ts';
import { formatPercent } from '../math/index.ts';
import { permitResume, runKinds } from '../runs/index.ts';
import { useDevice } from '../tensor/index.ts';
import {
  holdsRun,
  latestCheckpoint,
  readLineage,
  resolveRecipe,
  resumeRun,
  startRun,
  TrainError,
} from '../train/index.ts';
import { type EvaluationRecipe, evaluateByRecipe } from './eval.ts';
import { openDeviceForLongWork } from './long-work.ts';
import { loadRecipe } from './recipe.ts';
import { writeResult } from './results.ts';
import { RunConsole } from './run-console.ts';
import { speedrunPage, speedrunPart } from './speedrun-page.ts';
import { StopRequest } from './stop-request.ts';

export interface Stage {
  /** The name of its folder. */
  readonly name: string;
  /** Describes its model in the report. */
  readonly title: string;
  /** The kind of run. */
  readonly kind: string;
  readonly recipe: object;
  /** Fields of the recipe that name the model of an earlier stage. */
  readonly from?: Readonly<Record<string, string>>;
}

export interface Speedrun {
  readonly stages: readonly Stage[];
  /** What every model is asked. */
  readonly evaluation: EvaluationRecipe;
  /** The stage to chat with. */
  readonly best: string;
}

async function findModel(run: string): Promise<string> {
  const checkpoint = await latestCheckpoint(run, ({ message }) => console.error(message));
  if (checkpoint === null) throw new TrainError(run, 'holds no checkpoint', 'remove it and run the speedrun again');
  return checkpoint.folder;
}

/** Returns the recipe of a stage with the models that it starts from. */
async function readRecipe({ recipe, from = {} }: Stage, root: string, seed?: number): Promise<object> {
  const fields: Record<string, unknown> = { ...recipe, ...(seed !== undefined && { seed }) };
  for (const [field, stage] of Object.entries(from)) fields[field] = await findModel(join(root, stage));
  return fields;
}

async function runStage(stage: Stage, root: string, device: Device, { seed, signal }: SpeedrunOptions): Promise<void> {
  const folder = join(root, stage.name);
  if (readLineage(folder)?.status === 'completed') return;
  const kind = runKinds.find(({ name }) => name === stage.kind);
  if (kind === undefined)
    throw new TrainError(`stage ${stage.name}`, `there is no kind of run ${stage.kind}`, 'correct recipes/speedrun.ts');
  const options = {
    folder,
    device,
    listen: new RunConsole(kind).show,
    notice: (message: string) => console.error(message),
    ...(signal && { signal }),
  };
  if (holdsRun(folder, kind)) await resumeRun(kind, { ...options, permit: permitResume(kind, {}) });
  else await startRun(kind, resolveRecipe(kind, await readRecipe(stage, root, seed)), options);
}

async function runStages({ stages }: Speedrun, folder: string, options: SpeedrunOptions): Promise<void> {
  const device = await openDeviceForLongWork();
  useDevice(device);
  try {
    for (const stage of stages) {
      options.signal?.throwIfAborted();
      await runStage(stage, folder, device, options);
    }
  } finally {
    await device.close();
  }
}

/** Evaluates the models that have no evaluation yet. Returns all evaluations by stage. */
async function evaluateStages(
  { stages, evaluation }: Speedrun,
  folder: string,
  signal?: AbortSignal,
): Promise<Record<string, Evaluation>> {
  const file = join(folder, 'evaluation.json');
  const known: Record<string, Evaluation> = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  for (const { name } of stages.filter((stage) => !(stage.name in known))) {
    signal?.throwIfAborted();
    const model = await openModel(await findModel(join(folder, name)));
    try {
      known[name] = await evaluateByRecipe(modelAnswerer(model), evaluation, signal);
      expectVerdicts(known[name]);
    } finally {
      await model.close();
    }
    writeFileSync(file, JSON.stringify(known));
    console.error(`${name}: pass@1 ${formatPercent(known[name].passAt1.mean, 1)}`);
  }
  return known;
}

export interface SpeedrunOptions {
  /** Replaces the seed of every stage. */
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal;
}

/**
 * Runs and evaluates the stages that are not done yet, and writes report.html. Returns the evaluations by stage.
 * Rejects with the signal's reason where that aborts; what runs has saved then.
 */
export async function runSpeedrun(speedrun: Speedrun, folder: string, options: SpeedrunOptions = {}) {
  mkdirSync(folder, { recursive: true });
  await runStages(speedrun, folder, options);
  const evaluations = await evaluateStages(speedrun, folder, options.signal);
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
  const stop = new StopRequest();
  const { signal } = stop;
  const evaluations = await runSpeedrun(speedrun, folder, { seed, signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
    console.error('stopped; the same command continues');
    stop.setExitCode();
    return null;
  });
  if (evaluations === null) return;
  if (results !== undefined) writeResult(results, speedrunPart(folder, speedrun, evaluations));
  for (const { name } of speedrun.stages)
    console.log(`${name.padEnd(10)} pass@1 ${formatPercent(evaluations[name].passAt1.mean, 1)}`);
  console.log(`${((performance.now() - began) / 60_000).toFixed(1)} minutes, report: ${join(folder, 'report.html')}`);
  const best = await findModel(join(folder, speedrun.best));
  console.log(`chat with it: npx minke chat ${best} --prompt "Make 24 from 3, 7, 8."`);
}

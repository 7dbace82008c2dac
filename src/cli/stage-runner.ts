// Stages: runs in order, each from the models of earlier ones, each evaluated when it is done. A pipeline is a list of
// them; the speedrun is one.
//
// Contract: each stage has a folder. A completed stage is not run again, a stopped one resumes to the same bits, and an
// evaluation that is in evaluations.json is not repeated. A signal stops the stage that runs and leaves the rest to the
// next call.
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
import { RunConsole } from './run-console.ts';
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

export interface Pipeline {
  readonly stages: readonly Stage[];
  /** What every model is asked. */
  readonly evaluations: readonly EvaluationRecipe[];
}

/** The evaluations of each stage, in the order of the pipeline's. */
export type StageEvaluations = Readonly<Record<string, readonly Evaluation[]>>;

export interface PipelineOptions {
  /** Replaces the seed of every stage. */
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal;
  /** Files of the user's tasks, which resumed stages may run. */
  readonly tasks?: readonly string[];
}

/** Returns the folder of a stage's last checkpoint. Throws TrainError where it has none. */
export async function findStageModel(root: string, stage: string): Promise<string> {
  const run = join(root, stage);
  const checkpoint = await latestCheckpoint(run, ({ message }) => console.error(message));
  if (checkpoint === null) throw new TrainError(run, 'holds no checkpoint', 'remove it and run the command again');
  return checkpoint.folder;
}

/** Returns the recipe of a stage with the models that it starts from. */
async function readRecipe({ recipe, from = {} }: Stage, root: string, seed?: number): Promise<object> {
  const fields: Record<string, unknown> = { ...recipe, ...(seed !== undefined && { seed }) };
  for (const [field, stage] of Object.entries(from)) fields[field] = await findStageModel(root, stage);
  return fields;
}

async function runStage(stage: Stage, root: string, device: Device, pipeline: PipelineOptions): Promise<void> {
  const { seed, signal, tasks = [] } = pipeline;
  const folder = join(root, stage.name);
  if (readLineage(folder)?.status === 'completed') return;
  const kind = runKinds.find(({ name }) => name === stage.kind);
  if (kind === undefined)
    throw new TrainError(`stage ${stage.name}`, `there is no kind of run ${stage.kind}`, 'correct the recipe');
  const options = {
    folder,
    device,
    listen: new RunConsole(kind).show,
    notice: (message: string) => console.error(message),
    ...(signal && { signal }),
  };
  if (holdsRun(folder, kind))
    await resumeRun(kind, { ...options, permit: permitResume(kind, tasks.length > 0 ? { task: tasks } : {}) });
  else await startRun(kind, resolveRecipe(kind, await readRecipe(stage, root, seed)), options);
}

/** The evaluations of a pipeline's models, kept in a file. */
class EvaluationFile {
  readonly #file: string;
  readonly #known: Record<string, Evaluation[]>;

  constructor(folder: string) {
    this.#file = join(folder, 'evaluations.json');
    this.#known = existsSync(this.#file) ? JSON.parse(readFileSync(this.#file, 'utf8')) : {};
  }

  get all(): StageEvaluations {
    return this.#known;
  }

  /** Evaluates the model of a stage on what it has not been asked yet. */
  async add(stage: string, folder: string, recipes: readonly EvaluationRecipe[], options: AskOptions): Promise<void> {
    this.#known[stage] ??= [];
    const known = this.#known[stage];
    if (known.length >= recipes.length) return;
    const model = await openModel(await findStageModel(folder, stage), { device: options.device });
    try {
      for (const recipe of recipes.slice(known.length)) {
        const evaluation = await evaluateByRecipe(modelAnswerer(model), recipe, options.signal);
        expectVerdicts(evaluation);
        known.push(evaluation);
        writeFileSync(this.#file, JSON.stringify(this.#known));
        const { task, difficulty, passAt1 } = evaluation;
        console.error(`${stage}: ${task} ${difficulty}: pass@1 ${formatPercent(passAt1.mean, 1)}`);
      }
    } finally {
      await model.close();
    }
  }
}

interface AskOptions {
  readonly device: Device;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs and evaluates the stages that are not done yet. Returns the evaluations by stage. Rejects with the signal's
 * reason where that aborts; what runs has saved then.
 */
export async function runPipeline(
  { stages, evaluations }: Pipeline,
  folder: string,
  options: PipelineOptions = {},
): Promise<StageEvaluations> {
  const { signal } = options;
  mkdirSync(folder, { recursive: true });
  const device = await openDeviceForLongWork();
  useDevice(device);
  const file = new EvaluationFile(folder);
  try {
    for (const stage of stages) {
      signal?.throwIfAborted();
      await runStage(stage, folder, device, options);
      signal?.throwIfAborted();
      await file.add(stage.name, folder, evaluations, { device, signal });
    }
    return file.all;
  } finally {
    await device.close();
  }
}

/** Runs until it is done or a signal stops it; then returns null and sets the exit code. */
export async function untilStopped<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
  const stop = new StopRequest();
  try {
    return await run(stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    console.error('stopped; the same command continues');
    stop.setExitCode();
    return null;
  }
}

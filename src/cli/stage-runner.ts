// Stages: runs and collections of data in order, each from the models of earlier ones. A pipeline is a list of them;
// the speedrun is one, the R1 recipe another.
//
// Contract: each stage has a folder. A completed stage is not run again, a stopped one resumes to the same bits, and an
// evaluation that is in evaluations.json is not repeated. A model is evaluated when its stage is done, and must pass
// the stage's gate before the next stage starts. A signal stops the stage that runs and leaves the rest to the next
// call.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CollectionRecipe,
  collectExamples,
  collectionFiles,
  collectionSchema,
  type ReadableOptions,
  readCollection,
} from '../distill/index.ts';
import { openModel } from '../engine/index.ts';
import { type Answerer, type Evaluation, expectVerdicts, modelAnswerer } from '../eval/index.ts';
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
  setField,
  startRun,
  TrainError,
} from '../train/index.ts';
import { type EvaluationRecipe, evaluateByRecipe } from './eval.ts';
import { recordEvaluation } from './evaluation-record.ts';
import { checkGate, expectPassed, type Finding, type Requirement } from './gates.ts';
import { openDeviceForLongWork } from './long-work.ts';
import { Progress } from './progress.ts';
import { RunConsole } from './run-console.ts';
import { StopRequest } from './stop-request.ts';

/** A run: it ends with a model. */
export interface RunStage {
  /** The name of its folder. */
  readonly name: string;
  /** Describes its model in the report. */
  readonly title: string;
  /** The kind of run. */
  readonly kind: string;
  readonly recipe: object;
  /** Fields of the recipe, by path, that name the model of an earlier stage. */
  readonly from?: Readonly<Record<string, string>>;
  /** Collections whose conversations stand before the data of the recipe. */
  readonly data?: readonly string[];
  /** What its model must prove. */
  readonly gate?: readonly Requirement[];
  /** Later stages go without its model where it fails its gate: the fields that name it are left out. */
  readonly isOptional?: boolean;
  /** Its model does not answer, so it is not evaluated. */
  readonly isScorer?: boolean;
}

/** A collection: conversations made of the right answers of an earlier stage's model. */
export interface CollectionStage extends ReadableOptions {
  readonly name: string;
  readonly title: string;
  readonly kind: 'collection';
  /** The stage whose model answers. */
  readonly teacher: string;
  readonly recipe: CollectionRecipe;
}

export type Stage = RunStage | CollectionStage;

export interface Pipeline {
  readonly stages: readonly Stage[];
  /** What every model is asked. */
  readonly evaluations: readonly EvaluationRecipe[];
}

export const isRun = (stage: Stage): stage is RunStage => stage.kind !== 'collection';

/** The stages whose models answer. */
export const answeringStages = ({ stages }: Pipeline): RunStage[] =>
  stages.filter(isRun).filter(({ isScorer }) => !isScorer);

/** Throws TrainError where a stage that is accepted is not one of the pipeline's. */
export function expectStages({ stages }: Pipeline, accept: readonly string[]): void {
  const names = stages.map(({ name }) => name);
  const unknown = accept.find((stage) => !names.includes(stage));
  if (unknown !== undefined)
    throw new TrainError('--accept', `there is no stage ${unknown}`, `stages are ${names.join(', ')}`);
}

/** The evaluations of each stage, in the order of the pipeline's. */
export type StageEvaluations = Readonly<Record<string, readonly Evaluation[]>>;

export interface PipelineOptions {
  /** Replaces the seed of every stage. */
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal;
  /** Files of the user's tasks, which resumed stages may run. */
  readonly tasks?: readonly string[];
  /** Stages that need not pass their gates. */
  readonly accept?: readonly string[];
}

/** Returns the folder of a stage's last checkpoint. Throws TrainError where it has none. */
export async function findStageModel(root: string, stage: string): Promise<string> {
  const run = join(root, stage);
  const checkpoint = await latestCheckpoint(run, ({ message }) => console.error(message));
  if (checkpoint === null) throw new TrainError(run, 'holds no checkpoint', 'remove it and run the command again');
  return checkpoint.folder;
}

/** Works on the stages of a folder, one after the other. */
class StageRunner {
  readonly #root: string;
  readonly #device: Device;
  readonly #options: PipelineOptions;
  /** Optional stages that failed their gates. */
  readonly #leftOut = new Set<string>();

  constructor(root: string, device: Device, options: PipelineOptions) {
    this.#root = root;
    this.#device = device;
    this.#options = options;
  }

  run(stage: Stage): Promise<void> {
    return isRun(stage) ? this.#train(stage) : this.#collect(stage);
  }

  /** Says what a stage's gate found. Throws TrainError where it must be passed and is not. */
  pass(stage: RunStage, evaluations: StageEvaluations): void {
    const findings = checkGate(stage, this.#root, evaluations);
    for (const { sentence, isPassed } of findings) console.error(`${isPassed ? 'passed' : 'NOT passed'}: ${sentence}`);
    if (!stage.isOptional) expectPassed(stage.name, findings, this.#options.accept ?? []);
    else if (findings.some(({ isPassed }) => !isPassed)) this.#leaveOut(stage, findings);
  }

  #leaveOut(stage: RunStage, findings: readonly Finding[]): void {
    this.#leftOut.add(stage.name);
    console.error(`later stages go without ${stage.name}: ${findings.map(({ remedy }) => remedy).join('; ')}`);
  }

  async #train(stage: RunStage): Promise<void> {
    const folder = join(this.#root, stage.name);
    if (readLineage(folder)?.status === 'completed') return;
    const kind = runKinds.find(({ name }) => name === stage.kind);
    if (kind === undefined)
      throw new TrainError(`stage ${stage.name}`, `there is no kind of run ${stage.kind}`, 'correct the recipe');
    const { signal, tasks = [] } = this.#options;
    const options = {
      folder,
      device: this.#device,
      listen: new RunConsole(kind).show,
      notice: (message: string) => console.error(message),
      ...(signal && { signal }),
    };
    if (holdsRun(folder, kind))
      await resumeRun(kind, { ...options, permit: permitResume(kind, tasks.length > 0 ? { task: tasks } : {}) });
    else await startRun(kind, resolveRecipe(kind, await this.#readRecipe(stage)), options);
  }

  /** Returns the recipe of a run with the models and collections that it starts from. */
  async #readRecipe({ recipe, from = {}, data = [] }: RunStage): Promise<object> {
    const { seed } = this.#options;
    const fields = { ...structuredClone(recipe), ...(seed !== undefined && { seed }) } as Record<string, unknown>;
    for (const [path, stage] of Object.entries(from))
      if (this.#leftOut.has(stage)) delete fields[path.split('.')[0]];
      else setField(fields, path, await findStageModel(this.#root, stage));
    const files = data.map((stage) => join(this.#root, stage, collectionFiles.conversations));
    if (files.length > 0) fields.data = [...files, ...((fields.data ?? []) as unknown[])];
    return fields;
  }

  async #collect({ name, teacher, recipe: fields, perProblem, directEvery }: CollectionStage): Promise<void> {
    const folder = join(this.#root, name);
    if (readCollection(folder) !== null) return;
    const { seed, signal } = this.#options;
    const model = await findStageModel(this.#root, teacher);
    const recipe = collectionSchema.parse({ ...fields, teacher: model, ...(seed !== undefined && { seed }) });
    const progress = new Progress(name, recipe.traces.wanted);
    try {
      const { traces, conversations } = await collectExamples(folder, recipe, {
        device: this.#device,
        perProblem,
        directEvery,
        progress: ({ done }) => progress.reach(done),
        fault: (cause, message) => console.error(`${cause}: ${message}`),
        ...(signal && { signal }),
      });
      console.error(`${name}: ${conversations} conversations of ${traces} correct answers`);
    } finally {
      progress.end();
    }
  }
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
    const path = await findStageModel(folder, stage);
    const model = await openModel(path, { device: options.device });
    try {
      for (const recipe of recipes.slice(known.length)) {
        const work = { path, device: options.device, seed: recipe.seed, about: recipe.task };
        const ask = (answer: Answerer) => evaluateByRecipe(answer, recipe, options.signal);
        const evaluation = await recordEvaluation(work, modelAnswerer(model), ask);
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
  const runner = new StageRunner(folder, device, options);
  try {
    for (const stage of stages) {
      signal?.throwIfAborted();
      await runner.run(stage);
      signal?.throwIfAborted();
      if (!isRun(stage)) continue;
      if (!stage.isScorer) await file.add(stage.name, folder, evaluations, { device, signal });
      runner.pass(stage, file.all);
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

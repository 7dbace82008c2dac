// Everything a reinforcement learning run stands on while it runs; begun anew or from a checkpoint of its own.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '../kernels/index.ts';
import { importWeights, openCheckpoint, openSafetensors, readJson, writeJson } from '../model/checkpoint/index.ts';
import {
  countParameters,
  createModel,
  type Model,
  type ModelConfig,
  precisions,
  readConfig,
  type WeightMap,
} from '../model/index.ts';
import { chatTemplateOf, closeTasks, openTasks } from '../tasks/index.ts';
import { type LoadedTokenizer, loadTokenizer, saveTokenizer } from '../tokenizer/index.ts';
import {
  type BatchShape,
  type Checkpoint,
  EventLog,
  type Lineage,
  latestCheckpoint,
  loadMoments,
  newLineage,
  readEvents,
  readLineage,
  resumedLineage,
  TrainError,
  TrainStep,
  writeLineage,
} from '../train/index.ts';
import { type RlConfig, rlSchema } from './config.ts';
import { type RlEvent, rlEventSchema } from './events.ts';
import { columnNames, GrpoObjective } from './grpo-objective.ts';
import { checkLength, type QuestionSource, questionsOf } from './question.ts';
import { Rollouts } from './rollout.ts';

export const rlFiles = { config: 'rl.json', events: 'events.jsonl', reference: 'reference.safetensors' } as const;

export interface RlOptions {
  readonly folder: string;
  readonly device: Device;
  readonly listen?: (event: RlEvent) => void;
  readonly signal?: AbortSignal;
}

export interface RlRun {
  readonly folder: string;
  readonly config: RlConfig;
  readonly model: Model;
  readonly weights: WeightMap;
  readonly reference: WeightMap;
  readonly trainStep: TrainStep;
  readonly rollouts: Rollouts;
  readonly shape: BatchShape;
  readonly questions: QuestionSource;
  readonly decode: (ids: ArrayLike<number>) => string;
  readonly saveTokenizer: (folder: string) => void;
  readonly log: EventLog<RlEvent>;
  readonly lineage: Lineage;
  readonly fromStep: number;
  /** Questions asked before. */
  readonly asked: number;
  readonly close: () => Promise<void>;
}

async function weightsIn(config: ModelConfig, source: Awaited<ReturnType<typeof openCheckpoint>>): Promise<WeightMap> {
  try {
    return (await importWeights(config, source, { dtype: 'f32' })).weights;
  } finally {
    await source.close();
  }
}

/** The loaded tokenizer of a base, with the template of the run as its chat template. */
function tokenizerOf(config: RlConfig): { loaded: LoadedTokenizer; save: (folder: string) => void; endId: number } {
  const loaded = loadTokenizer(config.model);
  const [endId] = loaded.eosIds;
  if (endId === undefined)
    throw new TrainError(config.model, 'its tokenizer has no end token', 'train the base with documents that end');
  const fields = { ...loaded.specialTokens, chat_template: chatTemplateOf(config.template) };
  return { loaded, endId, save: (folder) => saveTokenizer(folder, loaded.tokenizer.json, fields) };
}

/** Whether a folder holds a run of reinforcement learning. */
export function isRlRun(folder: string): boolean {
  return existsSync(join(folder, rlFiles.config));
}

/** Throws TrainError unless a folder holds a run that can be resumed. */
export function expectRun(folder: string): void {
  if (!isRlRun(folder)) throw new TrainError(folder, 'holds no run', 'start one without --resume');
}

/** Opens a new run. Throws TrainError, TaskError or CheckpointError before anything is written. */
export async function beginRl(config: RlConfig, options: RlOptions): Promise<RlRun> {
  const { folder } = options;
  if (isRlRun(folder))
    throw new TrainError(folder, 'holds a run already', 'resume it with --resume, or choose another folder');
  return open(config, null, options);
}

/** Opens a run (expectRun) where it stopped, from its last whole checkpoint. */
export async function resumeRl(options: RlOptions): Promise<RlRun> {
  const { folder } = options;
  const config = rlSchema.parse(readJson(join(folder, rlFiles.config)));
  const damaged: string[] = [];
  const checkpoint = await latestCheckpoint(folder, ({ message }) => damaged.push(message));
  const run = await open(config, checkpoint, options);
  for (const message of damaged)
    run.log.append({ event: 'alarm', step: run.fromStep, kind: 'damaged-checkpoint', message });
  return run;
}

async function open(config: RlConfig, checkpoint: Checkpoint | null, options: RlOptions): Promise<RlRun> {
  const { folder, device } = options;
  const file = join(config.model, 'config.json');
  if (!existsSync(file)) throw new TrainError(config.model, 'has no config.json', 'name the folder of a checkpoint');
  const modelConfig = readConfig(readJson(file), file);
  const { loaded, endId, save } = tokenizerOf(config);
  const { tokenizer } = loaded;
  const questions: QuestionSource = {
    tasks: await openTasks(config.tasks, config.seed),
    tokenizer,
    config,
  };
  const contextLength = modelConfig.maxPositionEmbeddings;
  const longest = contextLength - config.maxTokens;
  for (const chosen of questions.tasks)
    for (const question of await questionsOf(questions, chosen, [0], 'train')) checkLength(question, longest);
  const weights = await weightsIn(modelConfig, await openCheckpoint(checkpoint?.folder ?? config.model));
  const reference = checkpoint
    ? await weightsIn(modelConfig, await openSafetensors(join(checkpoint.folder, rlFiles.reference)))
    : await weightsIn(modelConfig, await openCheckpoint(config.model));
  const model = createModel(modelConfig, weights, contextLength);
  const referenceModel = createModel(modelConfig, reference, contextLength);
  const policy = precisions[config.precision];
  const shape = {
    tokens: config.microBatchTokens,
    sequences: Math.min(256, Math.ceil(config.microBatchTokens / 16)),
    longest: Math.min(contextLength, config.microBatchTokens),
    columns: columnNames.length,
  };
  const { clipLow, clipHigh, klBeta } = config;
  const objective = new GrpoObjective(model, referenceModel, { shape, policy, clipLow, clipHigh, klBeta });
  const trainStep = new TrainStep(modelConfig, weights, config.optimizer, 'sum', objective);
  if (checkpoint) await loadMoments(checkpoint.folder, trainStep.optimizer);
  const { maxTokens, parallel: maxSequences } = config;
  const rollouts = new Rollouts(model, { policy, maxSequences, contextLength, maxTokens, endId });
  mkdirSync(folder, { recursive: true });
  const state = checkpoint?.state;
  const { log, lineage } = await openRecords(config, modelConfig, options, state?.step ?? 0);
  return {
    ...{ folder, config, model, weights, reference, trainStep, rollouts, shape, questions, log, lineage },
    decode: (ids) => tokenizer.decode(Array.from(ids)),
    saveTokenizer: save,
    fromStep: state?.step ?? 0,
    asked: (state?.data as { asked?: number } | undefined)?.asked ?? 0,
    close: async () => {
      await device.flush().catch(() => undefined);
      for (const owned of [rollouts, trainStep, model, referenceModel]) owned.dispose();
      await closeTasks(questions.tasks);
      for (const weight of [...weights.values(), ...reference.values()]) weight.dispose();
    },
  };
}

/** config, events and lineage of the run's folder. */
async function openRecords(
  config: RlConfig,
  modelConfig: ModelConfig,
  { folder, device, listen }: RlOptions,
  fromStep: number,
): Promise<{ log: EventLog<RlEvent>; lineage: Lineage }> {
  await writeJson(join(folder, rlFiles.config), config);
  const path = join(folder, rlFiles.events);
  const log = new EventLog<RlEvent>(path, listen);
  const events = readEvents(path, rlEventSchema);
  const before = readLineage(folder);
  const own = { ...config, initial: config.model };
  const lineage = before
    ? resumedLineage(before, own, device, fromStep, events.at(-1)?.time ?? 0)
    : await newLineage(own, device, { kind: 'reinforcement' });
  await writeLineage(folder, lineage);
  if (events.length > 0) log.append({ event: 'resumed', step: fromStep, steps: config.steps });
  else
    log.append({
      ...{ event: 'started', run: folder, parameters: countParameters(modelConfig).total, steps: config.steps },
      responsesPerStep: config.questions * config.groupSize,
      device: `${device.name} ${device.isa}, ${device.threads} threads`,
    });
  return { log, lineage };
}

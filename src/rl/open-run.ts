// Everything a reinforcement learning run stands on while it runs; begun anew or from a checkpoint of its own.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type BaseVocabulary, loadBaseVocabulary } from '../corpus/index.ts';
import { Rollouts } from '../engine/index.ts';
import {
  type Answerer,
  openQuestions,
  type QuestionSource,
  type RolloutAnswer,
  rolloutAnswerer,
} from '../eval/index.ts';
import type { Device } from '../kernels/index.ts';
import { openCheckpoint, openSafetensors } from '../model/checkpoint/index.ts';
import {
  countParameters,
  createModel,
  type Model,
  type ModelConfig,
  precisions,
  type WeightMap,
} from '../model/index.ts';
import { closeTasks, toChatTemplate } from '../tasks/index.ts';
import {
  type BatchShape,
  batchShape,
  describeDevice,
  type Last,
  loadMoments,
  loadWeights,
  Records,
  readBaseConfig,
  recordFiles,
  TrainStep,
} from '../train/index.ts';
import type { RlConfig } from './config.ts';
import { type RlEvent, rlEventSchema } from './events.ts';
import { columnNames, GrpoObjective } from './grpo-objective.ts';

export const rlFiles = { ...recordFiles, config: 'rl.json', reference: 'reference.safetensors' } as const;

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
  readonly answer: Answerer<RolloutAnswer>;
  readonly shape: BatchShape;
  readonly questions: QuestionSource;
  readonly vocabulary: BaseVocabulary;
  readonly records: Records<RlEvent>;
  readonly fromStep: number;
  /** Questions asked before. */
  readonly asked: number;
  /** Tokens learned before. */
  readonly tokens: number;
  readonly close: () => Promise<void>;
}

/** Whether a folder holds a run of reinforcement learning. */
export function isRlRun(folder: string): boolean {
  return existsSync(join(folder, rlFiles.config));
}

/** Opens a run, new or where it was. Throws TrainError, TaskError or CheckpointError before anything is written. */
export async function openRl(config: RlConfig, last: Last | undefined, options: RlOptions): Promise<RlRun> {
  const began = performance.now();
  const { folder, device } = options;
  const checkpoint = last?.checkpoint ?? null;
  const state = checkpoint?.state;
  const modelConfig = readBaseConfig(config.model);
  const vocabulary = loadBaseVocabulary(config.model, toChatTemplate(config.template));
  const { tokenizer, endId } = vocabulary;
  const contextLength = modelConfig.maxPositionEmbeddings;
  const questions = await openQuestions(config, tokenizer, contextLength - config.maxTokens);
  const base = checkpoint?.folder ?? config.model;
  const weights = await loadWeights(modelConfig, openCheckpoint(base));
  const renewed = checkpoint && join(checkpoint.folder, rlFiles.reference);
  const reference = await loadWeights(modelConfig, renewed ? openSafetensors(renewed) : openCheckpoint(base));
  const model = createModel(modelConfig, weights, contextLength);
  const referenceModel = createModel(modelConfig, reference, contextLength);
  const policy = precisions[config.precision];
  const shape = batchShape(config.microBatchTokens, contextLength, columnNames.length);
  const { clipLow, clipHigh, klBeta } = config;
  const objective = new GrpoObjective(model, referenceModel, { shape, policy, clipLow, clipHigh, klBeta });
  const trainStep = new TrainStep(modelConfig, weights, config.optimizer, 'sum', objective);
  if (checkpoint) await loadMoments(checkpoint.folder, trainStep.optimizer);
  const { parallel: maxSequences } = config;
  const rollouts = new Rollouts(model, { policy, maxSequences, contextLength, endId });
  const records = await openRecords(config, modelConfig, last, options, began);
  return {
    folder,
    config,
    model,
    weights,
    reference,
    trainStep,
    answer: rolloutAnswerer(rollouts, tokenizer),
    shape,
    questions,
    vocabulary,
    records,
    fromStep: state?.step ?? 0,
    asked: (state?.data as { asked?: number } | undefined)?.asked ?? 0,
    tokens: state?.tokens ?? 0,
    close: async () => {
      await device.flush().catch(() => undefined);
      for (const owned of [rollouts, trainStep, model, referenceModel]) owned.dispose();
      await closeTasks(questions.tasks);
      for (const weight of [...weights.values(), ...reference.values()]) weight.dispose();
    },
  };
}

async function openRecords(
  config: RlConfig,
  modelConfig: ModelConfig,
  last: Last | undefined,
  { folder, device, listen }: RlOptions,
  began: number,
): Promise<Records<RlEvent>> {
  const records = await Records.open<RlEvent>({
    folder,
    device,
    listen,
    schema: rlEventSchema,
    kind: 'reinforcement',
    recipeFile: rlFiles.config,
    recipe: config,
    initial: config.model,
    last,
    began,
  });
  const { steps } = config;
  if (records.isResumed) records.log.append({ event: 'resumed', step: last?.checkpoint?.state.step ?? 0, steps });
  else
    records.log.append({
      event: 'started',
      run: folder,
      parameters: countParameters(modelConfig).total,
      steps,
      responsesPerStep: config.questions * config.groupSize,
      device: describeDevice(device),
    });
  return records;
}

// Everything a pretraining run stands on while it runs: model, objective, optimizer, batches, events, lineage.
import { type BatchState, BatchStream, type Dataset, type PrepareOptions, type Vocabulary } from '../corpus/index.ts';
import type { Device } from '../kernels/index.ts';
import { openCheckpoint } from '../model/checkpoint/index.ts';
import {
  countParameters,
  createModel,
  flopsPerToken,
  initialWeights,
  type Model,
  type ModelConfig,
  precisions,
  type WeightMap,
} from '../model/index.ts';
import { keep, scope } from '../tensor/index.ts';
import { loadWeights } from './base.ts';
import type { PretrainConfig } from './config.ts';
import { Evaluation } from './evaluation.ts';
import { eventSchema, type TrainEvent } from './events.ts';
import { PretrainObjective, windowLength } from './pretrain-objective.ts';
import { type Checkpoint, loadMoments } from './run/checkpoint.ts';
import { describeDevice } from './run/lineage.ts';
import { type Last, Records } from './run/records.ts';
import { measureGemmRate } from './throughput.ts';
import { TrainStep } from './train-step.ts';

/** Names within a run's folder. */
export const runFiles = { config: 'config.json', tokenizer: 'tokenizer' } as const;

export interface RunOptions {
  readonly folder: string;
  readonly device: Device;
  /** Datasets are folders in it. @default datasets, beside the run */
  readonly datasets?: string;
  readonly listen?: (event: TrainEvent) => void;
  readonly progress?: PrepareOptions['progress'];
  readonly notice?: (message: string) => void;
  readonly signal?: AbortSignal;
}

export interface PretrainRun {
  readonly folder: string;
  readonly config: PretrainConfig;
  readonly vocabulary: Vocabulary;
  readonly dataset: Dataset;
  readonly stream: BatchStream;
  readonly model: Model;
  readonly weights: WeightMap;
  readonly objective: PretrainObjective;
  readonly trainStep: TrainStep;
  readonly evaluation: Evaluation;
  readonly records: Records;
  /** Measured bf16 GEMM, FLOP/s. */
  readonly gemmRate: number;
  readonly fromStep: number;
}

/** A recipe with the corpus and the vocabulary that it trains on. */
export interface Prepared {
  readonly config: PretrainConfig;
  readonly model: ModelConfig;
  readonly vocabulary: Vocabulary;
  readonly dataset: Dataset;
}

async function weightsOf(
  checkpoint: Checkpoint | null,
  config: ModelConfig,
  { seed, initial }: PretrainConfig,
  device: Device,
): Promise<WeightMap> {
  const folder = checkpoint?.folder ?? initial;
  if (folder === null) {
    return scope(() => {
      const made = initialWeights(config, seed, device);
      for (const tensor of made.values()) keep(tensor);
      return made;
    });
  }
  return loadWeights(config, openCheckpoint(folder));
}

function objectiveOf({ balance, ...config }: PretrainConfig, model: Model): PretrainObjective {
  const { method, sequenceAlpha, auxiliaryAlpha } = balance;
  return new PretrainObjective(model, {
    sequences: config.microBatchSize ?? config.batchSize,
    sequenceLength: config.sequenceLength,
    policy: precisions[config.precision],
    balance: method,
    alpha: method === 'loss' ? auxiliaryAlpha : sequenceAlpha,
  });
}

function streamOf({ config, model, vocabulary, dataset }: Prepared): BatchStream {
  const { batchSize, sequenceLength, seed, data } = config;
  const { fim, endId } = vocabulary;
  return new BatchStream(dataset.train, {
    batch: batchSize,
    sequenceLength,
    windowLength: windowLength(model, sequenceLength),
    seed,
    mode: data.mode,
    ...(data.fimRate > 0 && fim && { fim: { rate: data.fimRate, ids: fim, endId } }),
  });
}

/** From the beginning, or from where a run was. `close` frees all of it but the device. */
export async function openRun(
  last: Last | undefined,
  prepared: Prepared,
  options: RunOptions,
): Promise<{ readonly run: PretrainRun; readonly close: () => Promise<void> }> {
  const began = performance.now();
  const { config, model: modelConfig, vocabulary, dataset } = prepared;
  const { folder, device, listen } = options;
  const checkpoint = last?.checkpoint ?? null;
  const weights = await weightsOf(checkpoint, modelConfig, config, device);
  const model = createModel(modelConfig, weights, Math.max(config.sequenceLength, 2));
  const sequences = config.microBatchSize ?? config.batchSize;
  const objective = objectiveOf(config, model);
  const trainStep = new TrainStep(modelConfig, weights, config.optimizer, config.batchSize / sequences, objective);
  const stream = streamOf(prepared);
  if (checkpoint) {
    await loadMoments(checkpoint.folder, trainStep.optimizer);
    stream.restore(checkpoint.state.data as BatchState);
  }
  const fromStep = checkpoint?.state.step ?? 0;
  const evaluation = new Evaluation(modelConfig, objective, config.sequenceLength, device);
  const gemmRate = await measureGemmRate(device);
  const { training, mtpTraining } = flopsPerToken(modelConfig, config.sequenceLength);
  const records = await Records.open<TrainEvent>({
    folder,
    device,
    listen,
    schema: eventSchema,
    kind: 'pretraining',
    recipeFile: runFiles.config,
    recipe: config,
    initial: config.initial,
    dataset,
    last,
    began,
    flopsPerToken: training + mtpTraining,
  });
  if (records.isResumed) records.log.append({ event: 'resumed', step: fromStep, steps: config.steps });
  else announce(prepared, options, records, gemmRate);
  const run = {
    folder,
    config,
    vocabulary,
    dataset,
    stream,
    model,
    weights,
    objective,
    trainStep,
    evaluation,
    records,
    gemmRate,
    fromStep,
  };
  const close = async () => {
    await device.flush().catch(() => undefined);
    for (const owned of [evaluation, trainStep, objective, model]) owned.dispose();
    for (const weight of weights.values()) weight.dispose();
    dataset.close();
  };
  return { run, close };
}

function announce(
  { config, model }: Prepared,
  { folder, device }: RunOptions,
  records: Records,
  gemmRate: number,
): void {
  const { total, active, mtp } = countParameters(model);
  const { training, mtpTraining } = flopsPerToken(model, config.sequenceLength);
  records.log.append({
    event: 'started',
    run: folder,
    parameters: { total, active, mtp },
    flopsPerToken: training + mtpTraining,
    tokensPerStep: config.batchSize * config.sequenceLength,
    steps: config.steps,
    gemmRate,
    device: describeDevice(device),
  });
}

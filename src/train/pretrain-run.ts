// Everything a pretraining run stands on, opened before its first step: folder, corpus, tokenizer, model, optimizer.
//
// A run folder: config.json (resolved recipe), tokenizer/, events.jsonl, lineage.json, checkpoints/step-N/. Datasets
// stand beside runs and are shared by all. Contract: a folder that holds a run is never begun anew, only resumed, with the
// configuration that stands in it.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type BatchState,
  BatchStream,
  chooseVocabulary,
  type Dataset,
  hashOfFile,
  type PrepareOptions,
  prepareDataset,
  readDocuments,
  type Vocabulary,
} from '../data/index.ts';
import type { Device } from '../kernels/index.ts';
import { importWeights, openCheckpoint, readJson, writeJson } from '../model/checkpoint/index.ts';
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
import { type Checkpoint, latestCheckpoint, loadMoments } from './checkpoint.ts';
import { modelConfigOf, type PretrainConfig, type PretrainRecipe, pretrainSchema, resolvePretrain } from './config.ts';
import { TrainError } from './errors.ts';
import { Evaluation } from './evaluation.ts';
import { EventLog, readEvents } from './event-log.ts';
import type { TrainEvent } from './events.ts';
import { codeVersion, describeSession, type Lineage, readLineage, withSeconds, writeLineage } from './lineage.ts';
import { PretrainLoop } from './pretrain.ts';
import { PretrainObjective, windowLength } from './pretrain-objective.ts';
import { measureGemmRate } from './throughput.ts';
import { TrainStep } from './train-step.ts';

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
  readonly log: EventLog;
  readonly lineage: Lineage;
  /** Measured bf16 GEMM, FLOP/s. */
  readonly gemmRate: number;
  readonly fromStep: number;
  /** Seconds of this session before the loop. */
  readonly secondsBefore: number;
}

const files = { config: 'config.json', events: 'events.jsonl', tokenizer: 'tokenizer' } as const;

/** Whether a folder holds a run. */
export function isRun(folder: string): boolean {
  return existsSync(join(folder, files.config));
}

/** Trains from the first step. Throws TrainError, DataError or ModelError before it where something does not fit. */
export async function pretrain(config: PretrainConfig, options: RunOptions): Promise<'completed' | 'stopped'> {
  const { folder } = options;
  if (isRun(folder))
    throw new TrainError(folder, 'holds a run already', 'resume it with --resume, or choose another folder');
  mkdirSync(folder, { recursive: true });
  try {
    const vocabulary = await vocabularyOf(config);
    const dataset = await datasetOf(config, vocabulary, options);
    const model = modelConfigOf(config, vocabulary.tokenizer.vocabSize);
    checkBeginning(config, model, vocabulary, dataset);
    vocabulary.save(join(folder, files.tokenizer));
    await writeJson(join(folder, files.config), config);
    return await runFrom(null, { config, model, vocabulary, dataset }, options);
  } catch (error) {
    if (!existsSync(join(folder, files.events))) rmSync(join(folder, files.config), { force: true });
    throw error;
  }
}

/**
 * Goes on with the run of a folder from its last whole checkpoint. `assignments` change its choices from there on, but
 * for model and data.
 */
export async function resumePretraining(
  options: RunOptions,
  assignments: readonly string[] = [],
): Promise<'completed' | 'stopped'> {
  const { folder, listen } = options;
  if (!isRun(folder)) throw new TrainError(folder, 'holds no run', 'start one without --resume');
  const began = pretrainSchema.parse(readJson(join(folder, files.config)));
  for (const assignment of assignments)
    if (/^(model|data|initial|seed)\b/.test(assignment))
      throw new TrainError('--set', `${assignment}: a run keeps its model and its data`, 'start another run');
  const config = resolvePretrain(began as PretrainRecipe, assignments);
  if (assignments.length > 0) await writeJson(join(folder, files.config), config);
  const saved = { ...config, data: { ...config.data, tokenizer: join(folder, files.tokenizer) } };
  const vocabulary = await vocabularyOf(saved);
  const dataset = await datasetOf(config, vocabulary, options);
  const model = modelConfigOf(config, vocabulary.tokenizer.vocabSize);
  const log = new EventLog(join(folder, files.events), listen);
  const checkpoint = await latestCheckpoint(folder, ({ message }) =>
    log.append({
      event: 'alarm',
      step: 0,
      kind: 'damaged-checkpoint',
      message: `${message}; going on from an earlier one`,
    }),
  );
  return runFrom(checkpoint, { config, model, vocabulary, dataset }, options);
}

/** What can be known to be wrong before the first step. */
function checkBeginning(config: PretrainConfig, model: ModelConfig, vocabulary: Vocabulary, dataset: Dataset): void {
  const { initial, data, sequenceLength, batchSize, microBatchSize = batchSize, samplePrompt } = config;
  if (samplePrompt !== null) vocabulary.tokenizer.encode(samplePrompt, { plain: true }); // refuses what has no token
  const needed = (microBatchSize - 1) * sequenceLength + windowLength(model, sequenceLength);
  const held = dataset.validation.tokens;
  if (data.validationFraction > 0 && held < needed)
    throw new TrainError(
      'data.validationFraction',
      `${held} tokens are held out for validation, one batch takes ${needed}`,
      'give more text, hold out a larger share, or 0 to have no validation',
    );
  if (initial === null || !existsSync(join(initial, 'tokenizer.json'))) return;
  const own = readFileSync(join(initial, 'tokenizer.json'), 'utf8');
  if (JSON.stringify(JSON.parse(own)) !== JSON.stringify(vocabulary.tokenizer.json))
    throw new TrainError(
      'data.tokenizer',
      `is not the tokenizer of ${initial}: its ids would mean other texts`,
      'leave data.tokenizer out, or start from fresh weights',
    );
}

/** The weights that a run begins from, by their content. */
async function parentsOf({ initial }: PretrainConfig): Promise<Lineage['parents']> {
  if (initial === null) return [];
  const files = readdirSync(initial).filter((name) => /^model.*\.safetensors$/.test(name));
  const hashes = await Promise.all(files.sort().map((name) => hashOfFile(join(initial, name))));
  return hashes.map((weights) => ({ role: 'initial weights', weights }));
}

function vocabularyOf({ data }: PretrainConfig): Promise<Vocabulary> {
  const { inputs, fields, separator } = data;
  const reading = { ...(fields && { fields }), ...(separator !== undefined && { separator }) };
  return chooseVocabulary(data.tokenizer, () => readDocuments(inputs, reading), { fim: data.fimRate > 0 });
}

async function datasetOf({ data }: PretrainConfig, vocabulary: Vocabulary, options: RunOptions): Promise<Dataset> {
  const { inputs, fields, separator, validationFraction } = data;
  const { folder, datasets = join(dirname(folder), 'datasets'), progress, notice, signal } = options;
  if (data.fimRate > 0 && vocabulary.fim === null)
    throw new TrainError('data.fimRate', 'the tokenizer has no FIM tokens', 'set it to 0 or train a tokenizer');
  return prepareDataset({
    ...{ inputs, vocabulary, validationFraction, root: datasets },
    ...(fields && { fields }),
    ...(separator !== undefined && { separator }),
    ...(progress && { progress }),
    ...(notice && { notice }),
    ...(signal && { signal }),
  });
}

interface Prepared {
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
    const weights = scope(() => {
      const made = initialWeights(config, seed, device);
      for (const tensor of made.values()) keep(tensor);
      return made;
    });
    return weights;
  }
  const source = await openCheckpoint(folder);
  try {
    return (await importWeights(config, source, { dtype: 'f32' })).weights;
  } finally {
    await source.close();
  }
}

async function runFrom(
  checkpoint: Checkpoint | null,
  prepared: Prepared,
  options: RunOptions,
): Promise<'completed' | 'stopped'> {
  const began = performance.now();
  const { config, model: modelConfig, vocabulary, dataset } = prepared;
  const { folder, device, signal, listen } = options;
  const weights = await weightsOf(checkpoint, modelConfig, config, device);
  const model = createModel(modelConfig, weights, Math.max(config.sequenceLength, 2));
  const sequences = config.microBatchSize ?? config.batchSize;
  const { method, sequenceAlpha, auxiliaryAlpha } = config.balance;
  const objective = new PretrainObjective(model, {
    ...{ sequences, sequenceLength: config.sequenceLength, policy: precisions[config.precision], balance: method },
    alpha: method === 'loss' ? auxiliaryAlpha : sequenceAlpha,
  });
  const trainStep = new TrainStep(modelConfig, weights, config.optimizer, config.batchSize / sequences, objective);
  const stream = new BatchStream(dataset.train, {
    ...{ batch: config.batchSize, sequenceLength: config.sequenceLength, seed: config.seed, mode: config.data.mode },
    windowLength: windowLength(modelConfig, config.sequenceLength),
    ...(config.data.fimRate > 0 &&
      vocabulary.fim && { fim: { rate: config.data.fimRate, ids: vocabulary.fim, endId: vocabulary.endId } }),
  });
  if (checkpoint) {
    await loadMoments(checkpoint.folder, trainStep.optimizer);
    stream.restore(checkpoint.state.data as BatchState);
  }
  const fromStep = checkpoint?.state.step ?? 0;
  const evaluation = new Evaluation(modelConfig, objective, config.sequenceLength, device);
  const gemmRate = await measureGemmRate(device);
  const log = new EventLog(join(folder, files.events), listen);
  const lineage = await lineageOf(prepared, options, fromStep);
  await writeLineage(folder, lineage);
  const secondsBefore = (performance.now() - began) / 1000;
  announce(prepared, options, log, {
    fromStep,
    gemmRate,
    isResumed: readEvents(join(folder, files.events)).length > 0,
  });
  const loop = new PretrainLoop({
    ...{ folder, config, vocabulary, dataset, stream, model, weights, objective, trainStep, evaluation },
    ...{ log, lineage, gemmRate, fromStep, secondsBefore },
  });
  try {
    return await loop.run(signal);
  } catch (error) {
    await loop.fail(error as Error).catch(() => undefined); // a full disk takes no last words
    throw error;
  } finally {
    await device.flush().catch(() => undefined);
    for (const owned of [evaluation, trainStep, objective, model]) owned.dispose();
    for (const weight of weights.values()) weight.dispose();
    dataset.close();
  }
}

function announce(
  { config, model }: Prepared,
  { folder, device }: RunOptions,
  log: EventLog,
  { fromStep, gemmRate, isResumed }: { fromStep: number; gemmRate: number; isResumed: boolean },
): void {
  if (isResumed) {
    log.append({ event: 'resumed', step: fromStep, steps: config.steps });
    return;
  }
  const { total, active, mtp } = countParameters(model);
  const { training, mtpTraining } = flopsPerToken(model, config.sequenceLength);
  log.append({
    ...{ event: 'started', run: folder, parameters: { total, active, mtp }, flopsPerToken: training + mtpTraining },
    ...{ tokensPerStep: config.batchSize * config.sequenceLength, steps: config.steps, gemmRate },
    device: `${device.name} ${device.isa}, ${device.threads} threads`,
  });
}

/** The run's lineage with this session added; one that was killed counts until its last event. */
async function lineageOf(
  { config, dataset }: Prepared,
  { folder, device }: RunOptions,
  fromStep: number,
): Promise<Lineage> {
  const session = describeSession(device, fromStep);
  const before = readLineage(folder);
  if (before) {
    const last = before.sessions.at(-1);
    const ended = readEvents(join(folder, files.events)).at(-1)?.time ?? 0;
    const lasted = last ? Math.max(last.seconds, (ended - Date.parse(last.started)) / 1000) : 0;
    const counted = withSeconds(before, lasted);
    return { ...counted, config, status: 'running', reason: '', sessions: [...counted.sessions, session] };
  }
  const { hash, tokenizerHash, documents, sources, train, validation } = dataset;
  return {
    ...{ format: 1, kind: 'pretraining', status: 'running', reason: '', weights: null },
    data: {
      hash,
      tokenizer: tokenizerHash,
      documents,
      tokens: train.tokens + validation.tokens,
      sources: [...sources],
    },
    ...{
      code: codeVersion(),
      seed: config.seed,
      config,
      parents: await parentsOf(config),
      steps: 0,
      tokens: 0,
      flops: 0,
      hours: 0,
    },
    cost: { amount: 0, currency: config.currency, pricePerHour: config.pricePerHour },
    sessions: [session],
  };
}

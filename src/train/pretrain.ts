// Pretraining, begun or gone on with: what is opened and checked before the first step, then the loop.
//
// A run folder: config.json (resolved recipe), tokenizer/, events.jsonl, lineage.json, checkpoints/step-N/. Datasets
// stand beside runs and are shared by all. Contract: a folder that holds a run is never begun anew, only resumed, with the
// configuration that stands in it; what can be known to be wrong is refused before the first step, and leaves no run.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  chooseVocabulary,
  type Dataset,
  type Input,
  pagesInput,
  prepareDataset,
  readDocuments,
  type Vocabulary,
} from '../data/index.ts';
import { readJson, writeJson } from '../model/checkpoint/index.ts';
import type { ModelConfig } from '../model/index.ts';
import { type Checkpoint, latestCheckpoint } from './checkpoint.ts';
import { modelConfigOf, type PretrainConfig, type PretrainRecipe, pretrainSchema, resolvePretrain } from './config.ts';
import { TrainError } from './errors.ts';
import { EventLog } from './event-log.ts';
import { holding } from './held.ts';
import { openRun, type Prepared, type RunOptions, runFiles } from './open-run.ts';
import { type Outcome, PretrainLoop } from './pretrain-loop.ts';
import { windowLength } from './pretrain-objective.ts';

/** Whether a folder holds a run. */
export function isRun(folder: string): boolean {
  return existsSync(join(folder, runFiles.config));
}

/** Trains from the first step. Throws TrainError, DataError or ModelError before it where something does not fit. */
export async function pretrain(config: PretrainConfig, options: RunOptions): Promise<Outcome> {
  return holding(options.folder, () => begin(config, options));
}

async function begin(config: PretrainConfig, options: RunOptions): Promise<Outcome> {
  const { folder } = options;
  if (isRun(folder))
    throw new TrainError(folder, 'holds a run already', 'resume it with --resume, or choose another folder');
  try {
    const vocabulary = await vocabularyOf(config);
    const dataset = await datasetOf(config, vocabulary, options);
    const model = modelConfigOf(config, vocabulary.tokenizer.vocabSize);
    checkBeginning(config, model, vocabulary, dataset);
    vocabulary.save(join(folder, runFiles.tokenizer));
    await writeJson(join(folder, runFiles.config), config);
    return await runFrom(null, { config, model, vocabulary, dataset }, options);
  } catch (error) {
    if (!existsSync(join(folder, runFiles.events))) rmSync(join(folder, runFiles.config), { force: true });
    throw error;
  }
}

/**
 * Goes on with the run of a folder from its last whole checkpoint. `assignments` change its choices from there on, but
 * for model and data.
 */
export async function resumePretraining(options: RunOptions, assignments: readonly string[] = []): Promise<Outcome> {
  const { folder } = options;
  if (!isRun(folder)) throw new TrainError(folder, 'holds no run', 'start one without --resume');
  return holding(folder, () => goOn(options, assignments));
}

async function goOn(options: RunOptions, assignments: readonly string[]): Promise<Outcome> {
  const { folder, listen } = options;
  const began = pretrainSchema.parse(readJson(join(folder, runFiles.config)));
  for (const assignment of assignments)
    if (/^(model|data|initial|seed)\b/.test(assignment))
      throw new TrainError('--set', `${assignment}: a run keeps its model and its data`, 'start another run');
  const config = resolvePretrain(began as PretrainRecipe, assignments);
  if (assignments.length > 0) await writeJson(join(folder, runFiles.config), config);
  const saved = { ...config, data: { ...config.data, tokenizer: join(folder, runFiles.tokenizer) } };
  const vocabulary = await vocabularyOf(saved);
  const dataset = await datasetOf(config, vocabulary, options);
  const model = modelConfigOf(config, vocabulary.tokenizer.vocabSize);
  const log = new EventLog(join(folder, runFiles.events), listen);
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

function inputOf(input: PretrainConfig['data']['inputs'][number]): Input {
  return typeof input === 'string' ? input : pagesInput(input);
}

function vocabularyOf({ data }: PretrainConfig): Promise<Vocabulary> {
  const { inputs, fields, separator } = data;
  const reading = { ...(fields && { fields }), ...(separator !== undefined && { separator }) };
  return chooseVocabulary(data.tokenizer, () => readDocuments(inputs.map(inputOf), reading), { fim: data.fimRate > 0 });
}

async function datasetOf({ data }: PretrainConfig, vocabulary: Vocabulary, options: RunOptions): Promise<Dataset> {
  const { inputs, fields, separator, validationFraction } = data;
  const { folder, datasets = join(dirname(folder), 'datasets'), progress, notice, signal } = options;
  if (data.fimRate > 0 && vocabulary.fim === null)
    throw new TrainError('data.fimRate', 'the tokenizer has no FIM tokens', 'set it to 0 or train a tokenizer');
  return prepareDataset({
    ...{ inputs: inputs.map(inputOf), vocabulary, validationFraction, root: datasets },
    ...(fields && { fields }),
    ...(separator !== undefined && { separator }),
    ...(progress && { progress }),
    ...(notice && { notice }),
    ...(signal && { signal }),
  });
}

async function runFrom(checkpoint: Checkpoint | null, prepared: Prepared, options: RunOptions): Promise<Outcome> {
  const { run, close } = await openRun(checkpoint, prepared, options);
  const loop = new PretrainLoop(run);
  try {
    return await loop.run(options.signal);
  } catch (error) {
    await loop.fail(error as Error).catch(() => undefined); // a full disk takes no last words
    throw error;
  } finally {
    await close();
  }
}

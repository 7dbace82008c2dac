// Pretraining, begun or gone on with: what is opened and checked before the first step, then the loop.
//
// A run folder: config.json (resolved recipe), tokenizer/, events.jsonl, lineage.json, checkpoints/step-N/. Datasets
// stand beside runs and are shared by all. Contract: a folder that holds a run is never begun anew, only resumed, with the
// configuration that stands in it; what can be known to be wrong is refused before the first step, and leaves no run.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  chooseVocabulary,
  type Dataset,
  type Input,
  prepareDataset,
  readDocuments,
  toSynthetic,
  type Vocabulary,
} from '../corpus/index.ts';
import { modelConfigOf, type PretrainConfig, type PretrainRecipe, pretrainSchema, resolvePretrain } from './config.ts';
import { TrainError } from './errors.ts';
import { openRun, type Prepared, type RunOptions, runFiles } from './open-run.ts';
import { PretrainLoop } from './pretrain-loop.ts';
import { windowLength } from './pretrain-objective.ts';
import { beginRun, type Last, type Outcome, resumeRun } from './run/records.ts';

/** Whether a folder holds a run. */
export function isRun(folder: string): boolean {
  return existsSync(join(folder, runFiles.config));
}

/** Trains from the first step. Throws TrainError, CorpusError or ModelError before it where something does not fit. */
export function pretrain(config: PretrainConfig, options: RunOptions): Promise<Outcome> {
  const { folder } = options;
  return beginRun(folder, runFiles.config, async () => {
    const prepared = await prepare(config, config, options);
    checkBeginning(prepared);
    prepared.vocabulary.save(join(folder, runFiles.tokenizer));
    return runFrom(undefined, prepared, options);
  });
}

/**
 * Goes on with the run of a folder from its last whole checkpoint. `assignments` change its choices from there on, but
 * for model and data.
 */
export function resumePretraining(options: RunOptions, assignments: readonly string[] = []): Promise<Outcome> {
  const { folder } = options;
  return resumeRun(folder, runFiles.config, pretrainSchema, async (began, last) => {
    for (const assignment of assignments)
      if (/^(model|data|initial|seed)\b/.test(assignment))
        throw new TrainError('--set', `${assignment}: a run keeps its model and its data`, 'start another run');
    const config = resolvePretrain(began as PretrainRecipe, assignments);
    const saved = { ...config, data: { ...config.data, tokenizer: join(folder, runFiles.tokenizer) } };
    return runFrom(last, await prepare(config, saved, options), options);
  });
}

/** `withVocabulary`: the same recipe, its tokenizer perhaps the one that the run has made. */
async function prepare(config: PretrainConfig, withVocabulary: PretrainConfig, options: RunOptions): Promise<Prepared> {
  const vocabulary = await vocabularyOf(withVocabulary);
  const dataset = await datasetOf(config, vocabulary, options);
  return { config, model: modelConfigOf(config, vocabulary.tokenizer.vocabSize), vocabulary, dataset };
}

/** What can be known to be wrong before the first step. */
function checkBeginning({ config, model, vocabulary, dataset }: Prepared): void {
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
  return typeof input === 'string' ? input : toSynthetic(input);
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
    inputs: inputs.map(inputOf),
    vocabulary,
    validationFraction,
    root: datasets,
    ...(fields && { fields }),
    ...(separator !== undefined && { separator }),
    ...(progress && { progress }),
    ...(notice && { notice }),
    ...(signal && { signal }),
  });
}

async function runFrom(last: Last | undefined, prepared: Prepared, options: RunOptions): Promise<Outcome> {
  const { run, close } = await openRun(last, prepared, options);
  const loop = new PretrainLoop(run);
  try {
    return await loop.run(options.signal);
  } catch (error) {
    await loop.fail(error as Error);
    throw error;
  } finally {
    await close();
  }
}

// What pretraining reads: the vocabulary and the dataset of a recipe, checked before the first step.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  chooseVocabulary,
  type Dataset,
  type Input,
  prepareDataset,
  readDocuments,
  toDialogues,
  toSynthetic,
  type Vocabulary,
} from '../corpus/index.ts';
import type { ModelConfig } from '../model/index.ts';
import { TrainError } from './errors.ts';
import { windowLength } from './pretrain-objective.ts';
import { type PretrainConfig, toModelConfig } from './pretrain-recipe.ts';
import type { Run } from './run/kind.ts';

/** A recipe's model with the vocabulary and the dataset that it trains on. */
export interface PretrainCorpus {
  readonly model: ModelConfig;
  readonly vocabulary: Vocabulary;
  readonly dataset: Dataset;
}

const tokenizerFolder = 'tokenizer';

/** Opens vocabulary and dataset. A new run saves its tokenizer in its folder, a resumed one reads it from there. */
export async function openCorpus(config: PretrainConfig, run: Run): Promise<PretrainCorpus> {
  const { folder, isResumed, signal, progress, notice } = run;
  const { fields, separator, validationFraction, fimRate } = config.data;
  const saved = join(folder, tokenizerFolder);
  const inputs = config.data.inputs.map((input): Input => {
    if (typeof input === 'string') return input;
    return 'conversations' in input ? toDialogues(input) : toSynthetic(input);
  });
  const reading = { ...(fields && { fields }), ...(separator !== undefined && { separator }) };
  const vocabulary = await chooseVocabulary(
    isResumed && existsSync(saved) ? saved : config.data.tokenizer,
    () => readDocuments(inputs, { ...reading, signal }),
    { fim: fimRate > 0, signal },
  );
  if (fimRate > 0 && vocabulary.fim === null)
    throw new TrainError('data.fimRate', 'the tokenizer has no FIM tokens', 'set it to 0 or train a tokenizer');
  const dataset = await prepareDataset({
    inputs,
    vocabulary,
    validationFraction,
    root: join(dirname(folder), 'datasets'),
    ...reading,
    progress: ({ bytes, totalBytes }) => progress('tokenizing', bytes, totalBytes),
    notice,
    signal,
  });
  const corpus = { model: toModelConfig(config, vocabulary.tokenizer.vocabSize), vocabulary, dataset };
  if (!isResumed) {
    expectTrainable(config, corpus);
    vocabulary.save(saved);
  }
  return corpus;
}

/** Throws for what can be known to be wrong before the first step. */
function expectTrainable(config: PretrainConfig, { model, vocabulary, dataset }: PretrainCorpus): void {
  const { initial, data, sequenceLength, batchSize, microBatchSize = batchSize, samplePrompt } = config;
  if (samplePrompt !== null) vocabulary.tokenizer.encode(samplePrompt, { plain: true }); // refuses what has no token
  const needed = (microBatchSize - 1) * sequenceLength + windowLength(model, sequenceLength);
  const { tokens } = dataset.validation;
  if (data.validationFraction > 0 && tokens < needed)
    throw new TrainError(
      'data.validationFraction',
      `${tokens} tokens are held out for validation, one batch takes ${needed}`,
      'give more text, hold out a larger fraction, or 0 to have no validation',
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

// The recipe of a pretraining run: every field with its default.
//
// Defaults are those of the V3 report (section 4.2) where a laptop can follow it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { conversationsInput, preTokenizerNames, workedExamplesInput } from '../corpus/index.ts';
import { readJson } from '../model/checkpoint/index.ts';
import { expectMemory, type ModelConfig, preset, readConfig, writeConfig } from '../model/index.ts';
import { TrainError } from './errors.ts';
import { count, fraction, nonnegative, runFields } from './run/recipe.ts';

const bpe = z.strictObject({
  size: count,
  preTokenizer: z.enum(preTokenizerNames),
});

const data = z.strictObject({
  /** Files (.txt, .jsonl, .parquet), and worked examples of tasks and dialogues, made as they are read. */
  inputs: z.array(z.union([z.string().meta({ names: 'file' }), workedExamplesInput, conversationsInput])).min(1),
  /**
   * characters: one id for each character of the corpus. bytes: one id per byte. A number: a BPE of this size, trained
   * on the corpus, with V3's pre-tokenizer; { size, preTokenizer }: with another one. Any other text: a tokenizer's
   * folder.
   */
  tokenizer: z
    .union([z.literal('characters'), z.literal('bytes'), count, bpe, z.string().meta({ names: 'checkpoint' })])
    .default('bytes'),
  /** Fields of JSONL lines or columns of Parquet files, joined by newlines. */
  fields: z.array(z.string().meta({ names: 'text' })).optional(),
  /** The text between the documents of a text file; without it, a file is one document. */
  separator: z.string().meta({ names: 'text' }).optional(),
  validationFraction: fraction.default(0.1),
  /** packed: an epoch shows every token once. windows: random positions, as in nanoGPT. */
  mode: z.enum(['packed', 'windows']).default('packed'),
  fimRate: fraction.default(0),
});

const schedule = z.strictObject({
  learningRate: z.number().positive().default(1e-3),
  minLearningRate: nonnegative.default(1e-4),
  warmupSteps: z.number().int().nonnegative().default(100),
  decay: z.enum(['constant', 'cosine']).default('cosine'),
  decayFrom: fraction.default(0),
});

export const optimizerSchema = z.strictObject({
  beta1: fraction.default(0.9),
  beta2: fraction.default(0.95),
  eps: z.number().positive().default(1e-8),
  weightDecay: nonnegative.default(0.1),
  maxGradNorm: z.number().positive().default(1),
  moments: z.enum(['f32', 'bf16']).default('f32'),
  /** The optimizer of the matrices between embedding and head; AdamW updates the rest. */
  matrices: z.enum(['adamw', 'muon']).default('adamw'),
  momentum: fraction.default(0.95),
});

const balance = z.strictObject({
  method: z.enum(['bias', 'loss', 'none']).default('bias'),
  /** gamma; 0 from `biasFixedFrom` on */
  biasUpdateSpeed: nonnegative.default(0.001),
  /** The share of the steps after which gamma is 0; V3: 14.3T of 14.8T tokens. */
  biasFixedFrom: fraction.default(0.97),
  /** Weight of the sequence-wise loss (method bias). */
  sequenceAlpha: nonnegative.default(1e-4),
  /** Weight of the auxiliary loss over the batch (method loss). */
  auxiliaryAlpha: nonnegative.default(0.01),
});

const mtp = z.strictObject({
  /** lambda */
  weight: nonnegative.default(0.3),
  lateWeight: nonnegative.default(0.1),
  /** The share of the steps after which the weight is `lateWeight`; V3: 10T of 14.8T tokens. */
  lateFrom: fraction.default(0.67),
});

const every = z.strictObject({
  evaluate: count.default(250),
  sample: count.default(500),
  save: count.default(250),
});

export const pretrainSchema = z.strictObject({
  /** Fields of a Hugging Face config.json; vocab_size follows the tokenizer where it is not given. */
  model: z.record(z.string(), z.unknown()).meta({ names: 'text' }),
  /** Folder of a checkpoint to start from instead of fresh weights. */
  initial: z.string().meta({ names: 'checkpoint' }).nullable().default(null),
  data,
  steps: count.default(2000),
  /** Sequences per step, and per micro-batch. */
  batchSize: count.default(16),
  microBatchSize: count.optional(),
  sequenceLength: count.default(256),
  /** Whether blocks are computed again in backward instead of keeping their intermediate results: the same bits. */
  gradientCheckpointing: z.boolean().default(false),
  precision: z.enum(['f32', 'bf16', 'fp8']).default('bf16'),
  schedule: schedule.prefault({}),
  optimizer: optimizerSchema.prefault({}),
  balance: balance.prefault({}),
  mtp: mtp.prefault({}),
  every: every.prefault({}),
  /** The maximum number of tokens of an evaluation. */
  evaluateTokens: count.default(65536),
  /** Null: samples continue the first words of the validation text. */
  samplePrompt: z.string().min(1).meta({ names: 'text' }).nullable().default(null),
  sampleTokens: count.default(200),
  ...runFields,
});

export type PretrainConfig = z.infer<typeof pretrainSchema>;

/** What a recipe gives: a preset's name, a checkpoint's folder or config.json fields, and any of the other choices. */
export type PretrainRecipe = Omit<z.input<typeof pretrainSchema>, 'model' | 'data'> & {
  readonly model: string | Readonly<Record<string, unknown>>;
  readonly data?: Partial<z.input<typeof data>>;
};

type Fields = Readonly<Record<string, unknown>>;

function presetFields(name: string): Fields {
  const { vocab_size: _, ...fields } = writeConfig(preset(name));
  return fields;
}

/** Writes the model out as fields of config.json. A checkpoint's folder brings its weights and its tokenizer. */
export function expandModel(given: Fields): Record<string, unknown> {
  const { model, data = {} } = given;
  if (typeof model === 'string') {
    const file = join(model, 'config.json');
    if (!existsSync(file)) return { ...given, data, model: presetFields(model) };
    return { ...given, model: readJson(file), initial: model, data: { tokenizer: model, ...(data as Fields) } };
  }
  const { preset: name, ...own } = (model ?? {}) as Fields;
  return { ...given, data, ...(typeof name === 'string' && { model: { ...presetFields(name), ...own } }) };
}

/** The vocabulary of bytes, which is the smallest one; the tokenizer is made later. */
const smallestVocabulary = 256;
/** Throws ModelError where weights, gradients and moments alone do not fit this machine. */
function expectTrainingMemory(model: ModelConfig, { moments, matrices }: PretrainConfig['optimizer']): void {
  const momentBytes = (moments === 'bf16' ? 2 : 4) * (matrices === 'muon' ? 1 : 2);
  const isSmallest = moments === 'bf16';
  const remedy = isSmallest ? 'choose a smaller model' : 'set optimizer.moments=bf16, or choose a smaller model';
  expectMemory(model, 4 + 4 + momentBytes, 'recipe', remedy);
}

/** Throws TrainError where fields contradict each other, and ModelError for a model that cannot be. */
export function checkPretrain(config: PretrainConfig): void {
  const { batchSize, microBatchSize, schedule, steps, model, sequenceLength, optimizer } = config;
  if (microBatchSize !== undefined && batchSize % microBatchSize !== 0)
    throw new TrainError(
      'microBatchSize',
      `${batchSize} sequences cannot be divided into micro-batches of ${microBatchSize}`,
      'choose a divisor',
    );
  if (schedule.warmupSteps >= steps)
    throw new TrainError(
      'schedule.warmupSteps',
      `${schedule.warmupSteps} of ${steps} steps`,
      'leave steps after the warm-up',
    );
  const least = { ...model, vocab_size: model.vocab_size ?? smallestVocabulary };
  expectTrainingMemory(readConfig(least, 'recipe'), optimizer);
  const context = model.max_position_embeddings;
  if (typeof context === 'number' && sequenceLength > context)
    throw new TrainError(
      'sequenceLength',
      `${sequenceLength} tokens, the model takes ${context}`,
      'shorten it or raise model.max_position_embeddings',
    );
}

/** Returns the configuration of the model, once the tokenizer is known. Throws TrainError or ModelError. */
export function toModelConfig({ model }: PretrainConfig, vocabSize: number): ModelConfig {
  const given = model.vocab_size;
  if (typeof given === 'number' && given < vocabSize)
    throw new TrainError(
      'model.vocab_size',
      `${given}, the tokenizer has ids up to ${vocabSize - 1}`,
      'leave it out, or choose the tokenizer that belongs to it',
    );
  return readConfig({ ...model, vocab_size: given ?? vocabSize }, 'recipe');
}

// What a pretraining run is, resolved: every choice with its default, checked before the first step.
//
// A recipe gives some of these fields; `--set path=value` replaces any by its path. The resolved form stands in the run
// folder and in the lineage, so that a run can be made again from it alone. Defaults are the V3 report's (section 4.2)
// where a laptop can follow it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { preTokenizerNames, workedExamplesInput } from '../corpus/index.ts';
import { readJson } from '../model/checkpoint/index.ts';
import { type ModelConfig, preset, readConfig, writeConfig } from '../model/index.ts';
import { TrainError } from './errors.ts';

const count = z.number().int().positive();
const atLeastZero = z.number().nonnegative();
const share = z.number().min(0).max(1);

const bpe = z.strictObject({
  size: count,
  preTokenizer: z.enum(preTokenizerNames),
});

const data = z.strictObject({
  /** Files (.txt, .jsonl, .parquet), and worked examples of tasks, made as they are read. */
  inputs: z.array(z.union([z.string(), workedExamplesInput])).min(1),
  /** characters: those of the corpus. bytes: one id a byte. A number: a BPE trained on them, cut as V3 cuts; { size, preTokenizer }: cut otherwise. Else a folder. */
  tokenizer: z.union([z.literal('characters'), z.literal('bytes'), count, bpe, z.string()]).default('bytes'),
  /** Fields of JSONL lines or columns of Parquet files, joined by newlines. */
  fields: z.array(z.string()).optional(),
  /** Between the documents of a text file; without, a file is one document. */
  separator: z.string().optional(),
  validationFraction: share.default(0.1),
  /** packed: an epoch shows every token once. windows: random places, as nanoGPT. */
  mode: z.enum(['packed', 'windows']).default('packed'),
  fimRate: share.default(0),
});

const schedule = z.strictObject({
  learningRate: z.number().positive().default(1e-3),
  minLearningRate: atLeastZero.default(1e-4),
  warmupSteps: z.number().int().nonnegative().default(100),
  decay: z.enum(['constant', 'cosine']).default('cosine'),
  decayFrom: share.default(0),
});

export const optimizerSchema = z.strictObject({
  beta1: share.default(0.9),
  beta2: share.default(0.95),
  eps: z.number().positive().default(1e-8),
  weightDecay: atLeastZero.default(0.1),
  maxGradNorm: z.number().positive().default(1),
  moments: z.enum(['f32', 'bf16']).default('f32'),
  /** What moves the matrices between embedding and head; the rest stays with AdamW. */
  matrices: z.enum(['adamw', 'muon']).default('adamw'),
  momentum: share.default(0.95),
});

const balance = z.strictObject({
  method: z.enum(['bias', 'loss', 'none']).default('bias'),
  /** gamma; 0 from `biasFixedFrom` on */
  biasUpdateSpeed: atLeastZero.default(0.001),
  /** Share of the steps; V3: 14.3T of 14.8T tokens. */
  biasFixedFrom: share.default(0.97),
  /** Of the sequence-wise loss (bias). */
  sequenceAlpha: atLeastZero.default(1e-4),
  /** Of the auxiliary loss over the batch (loss). */
  auxiliaryAlpha: atLeastZero.default(0.01),
});

const mtp = z.strictObject({
  /** lambda */
  weight: atLeastZero.default(0.3),
  lateWeight: atLeastZero.default(0.1),
  /** Share of the steps; V3: 10T of 14.8T tokens. */
  lateFrom: share.default(0.67),
});

const every = z.strictObject({
  evaluate: count.default(250),
  sample: count.default(500),
  save: count.default(250),
});

export const pretrainSchema = z.strictObject({
  /** Fields of a Hugging Face config.json; vocab_size follows the tokenizer where it is not given. */
  model: z.record(z.string(), z.unknown()),
  /** A checkpoint's folder to start from instead of fresh weights. */
  initial: z.string().nullable().default(null),
  data,
  steps: count.default(2000),
  /** Sequences of a step, and of a micro-batch. */
  batchSize: count.default(16),
  microBatchSize: count.optional(),
  sequenceLength: count.default(256),
  precision: z.enum(['f32', 'bf16', 'fp8']).default('bf16'),
  schedule: schedule.prefault({}),
  optimizer: optimizerSchema.prefault({}),
  balance: balance.prefault({}),
  mtp: mtp.prefault({}),
  every: every.prefault({}),
  /** Validation tokens of an evaluation, at most. */
  evaluateTokens: count.default(65536),
  /** Null: samples go on from the first words held out for validation. */
  samplePrompt: z.string().min(1).nullable().default(null),
  sampleTokens: count.default(200),
  keepCheckpoints: count.default(2),
  seed: z.number().int().default(1337),
  /** Of one hour of this machine, for the lineage. */
  pricePerHour: atLeastZero.default(0.1),
  currency: z.string().default('USD'),
});

export type PretrainConfig = z.infer<typeof pretrainSchema>;

/** What a recipe gives: a preset's name, a checkpoint's folder or config.json fields, and any of the other choices. */
export type PretrainRecipe = Omit<z.input<typeof pretrainSchema>, 'model' | 'data'> & {
  readonly model: string | Readonly<Record<string, unknown>>;
  readonly data?: Partial<z.input<typeof data>>;
};

function presetFields(name: string): Record<string, unknown> {
  const { vocab_size: _, ...fields } = writeConfig(preset(name));
  return fields;
}

/** The model's fields; a checkpoint's folder brings its weights and its tokenizer. */
function startingPoint({ model, data }: PretrainRecipe): Record<string, unknown> {
  if (typeof model !== 'string') {
    const { preset: name, ...own } = model;
    return { model: typeof name === 'string' ? { ...presetFields(name), ...own } : own };
  }
  const file = join(model, 'config.json');
  if (!existsSync(file)) return { model: presetFields(model) };
  return { model: readJson(file), initial: model, data: { tokenizer: model, ...data } };
}

/** `text` as JSON where it is JSON, else as it stands. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Replaces one field: `schedule.learningRate=3e-4`, `model.num_hidden_layers=4`. */
export function setPath(target: Record<string, unknown>, assignment: string): void {
  const split = assignment.indexOf('=');
  const path = assignment.slice(0, split).split('.');
  if (split <= 0 || path.some((name) => name === ''))
    throw new TrainError(
      '--set',
      `expected path=value, received ${assignment}`,
      'as in --set schedule.learningRate=3e-4',
    );
  const last = path.pop() as string;
  let at = target;
  for (const name of path) {
    if (!Object.hasOwn(at, name)) at[name] = {};
    const below = at[name];
    if (typeof below !== 'object' || below === null || Array.isArray(below))
      throw new TrainError('--set', `${assignment}: ${name} has no fields`, 'name a field that exists');
    at = below as Record<string, unknown>;
  }
  at[last] = parsed(assignment.slice(split + 1));
}

/** A recipe with assignments, checked and with all defaults. Throws TrainError naming each field that is wrong. */
export function resolvePretrain(recipe: PretrainRecipe, assignments: readonly string[] = []): PretrainConfig {
  const fields = structuredClone({ ...recipe, ...startingPoint(recipe) }) as Record<string, unknown>;
  for (const assignment of assignments) setPath(fields, assignment);
  const checked = pretrainSchema.safeParse(fields);
  if (!checked.success) {
    const problems = checked.error.issues.map(({ path, message }) => `${path.join('.') || 'recipe'}: ${message}`);
    throw new TrainError('recipe', problems.join('; '), 'correct the recipe or the --set');
  }
  check(checked.data);
  return checked.data;
}

function check({ batchSize, microBatchSize, schedule, steps, model, sequenceLength }: PretrainConfig): void {
  const refuse = (field: string, problem: string, remedy: string): never => {
    throw new TrainError(field, problem, remedy);
  };
  if (microBatchSize !== undefined && batchSize % microBatchSize !== 0)
    refuse(
      'microBatchSize',
      `${batchSize} sequences do not fall into micro-batches of ${microBatchSize}`,
      'choose a divisor',
    );
  if (schedule.warmupSteps >= steps)
    refuse('schedule.warmupSteps', `${schedule.warmupSteps} of ${steps} steps`, 'leave steps after the warm-up');
  const context = model.max_position_embeddings;
  if (typeof context === 'number' && sequenceLength > context)
    refuse(
      'sequenceLength',
      `${sequenceLength} tokens, the model takes ${context}`,
      'shorten it or raise model.max_position_embeddings',
    );
}

/** The model of a run, once the tokenizer is known. */
export function modelConfigOf({ model }: PretrainConfig, vocabSize: number): ModelConfig {
  const given = model.vocab_size;
  if (typeof given === 'number' && given < vocabSize)
    throw new TrainError(
      'model.vocab_size',
      `${given}, the tokenizer has ids up to ${vocabSize - 1}`,
      'leave it out, or choose the tokenizer that belongs to it',
    );
  return readConfig({ ...model, vocab_size: given ?? vocabSize }, 'recipe');
}

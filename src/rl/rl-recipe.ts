// The recipe of a reinforcement learning run: every field with its default.
//
// Defaults are R1-Zero's where a laptop can follow it (report, supplement B.4): 32 questions with 16 answers each, one
// update on each rollout, temperature 1, equal rewards for accuracy and format, beta 0.001 to a reference that is
// renewed every 400 steps. The learning rate is higher and clipping narrower, because models here are small.
import { z } from 'zod';
import { evaluationSchema } from '../eval/index.ts';
import { taskChoice, templateNames } from '../tasks/index.ts';
import { count, nonnegative, optimizerSchema, runFields, TrainError } from '../train/index.ts';

/** A cut of the distribution, which keeps its neutral value. */
const noCut = <Value extends number>(neutral: Value) =>
  z
    .literal(neutral, {
      error:
        'rollouts sample from the whole distribution, whose log-probabilities training needs; leave it out ' +
        `(${neutral}), and lower temperature to sample more narrowly`,
    })
    .optional();

const every = z.strictObject({
  evaluate: count.default(25),
  sample: count.default(10),
  save: count.default(25),
});

export const rlSchema = z.strictObject({
  /** Folder of the checkpoint to begin from. */
  model: z.string().meta({ names: 'checkpoint' }),
  tasks: z.array(taskChoice).min(1),
  template: z.enum(templateNames).default('short'),
  steps: count.default(100),
  questions: count.default(32),
  groupSize: z.number().int().min(2).default(16),
  /** Optimizer steps on each batch of rollouts, each on its share of the responses. */
  updates: count.default(1),
  /** The maximum number of tokens of a response. */
  maxTokens: count.default(256),
  /** The policy is softmax(logits / temperature), in rollouts, training, KL and entropy alike. */
  temperature: z.number().min(0.01).default(1),
  topP: noCut(1),
  topK: noCut(0),
  minP: noCut(0),
  precision: z.enum(['f32', 'bf16', 'fp8']).default('bf16'),
  learningRate: z.number().positive().default(2e-4),
  warmupSteps: z.number().int().nonnegative().default(5),
  optimizer: optimizerSchema.prefault({ weightDecay: 0 }),
  rewards: z.strictObject({ accuracy: nonnegative.default(1), format: nonnegative.default(1) }).prefault({}),
  /** deviation: GRPO; none: Dr. GRPO. */
  advantage: z.enum(['deviation', 'none']).default('deviation'),
  /** response: GRPO; token: DAPO; constant: Dr. GRPO. */
  tokenWeight: z.enum(['response', 'token', 'constant']).default('response'),
  clipLow: nonnegative.default(0.2),
  /** DAPO's clip-higher: 0.28. */
  clipHigh: nonnegative.default(0.2),
  klBeta: nonnegative.default(0.001),
  referenceEvery: count.default(400),
  /** Dynamic sampling (DAPO): further rounds of questions, at most, to replace groups whose rewards are all equal. */
  resamplings: z.number().int().nonnegative().default(0),
  /** Rows of a micro-batch of training: few, so that they stay in the caches and the last one is nearly full. */
  microBatchTokens: count.default(2048),
  /** Whether blocks are computed again in backward instead of keeping their intermediate results: the same bits. */
  gradientCheckpointing: z.boolean().default(false),
  /** Sequences that are generated at once. */
  parallel: count.default(128),
  evaluation: evaluationSchema.prefault({}),
  every: every.prefault({}),
  ...runFields,
});

export type RlConfig = z.infer<typeof rlSchema>;
export type RlRecipe = z.input<typeof rlSchema>;

/** Throws TrainError where fields contradict each other. */
export function checkRl({ updates, questions, groupSize, maxTokens, microBatchTokens }: RlConfig): void {
  if (updates > questions * groupSize) {
    const problem = `updates: ${updates}, for ${questions * groupSize} responses`;
    throw new TrainError('recipe', problem, 'take fewer updates, or more questions');
  }
  if (maxTokens < microBatchTokens) return;
  const problem = `maxTokens: ${maxTokens}, in micro-batches of ${microBatchTokens} tokens`;
  throw new TrainError('recipe', problem, 'raise microBatchTokens above the length of a prompt with its response');
}

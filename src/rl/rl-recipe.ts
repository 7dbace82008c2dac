// The recipe of a reinforcement learning run: every field with its default.
//
// Defaults are R1-Zero's where a laptop can follow it (report, supplement B.4): 32 questions with 16 answers each, one
// update on each rollout, temperature 1, equal rewards for accuracy and format, beta 0.001 to a reference that is
// renewed every 400 steps. The learning rate is higher and clipping narrower, because models here are small.
import { z } from 'zod';
import { evaluationSchema } from '../eval/index.ts';
import { smallTalkTask, taskChoice, templateNames } from '../tasks/index.ts';
import { count, fraction, nonnegative, optimizerSchema, runFields, TrainError } from '../train/index.ts';

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

/** The least shares of a base's answers that are well-formed and correct, before the first step; 0 samples: none. */
const gate = z.strictObject({
  samples: z.number().int().nonnegative().default(512),
  wellFormed: fraction.default(0.01),
  correct: fraction.default(0.01),
});

/** A run ends after so many steps in a row of which more than this share of the groups is zero-variance; 0: never. */
const noSignal = z.strictObject({
  above: fraction.default(0.9),
  steps: z.number().int().nonnegative().default(20),
});

/**
 * Groups that stop early: where the first responses earn the same, the others are generated with probability `keep`
 * only, and then the group weighs 1 / keep. 0 responses: all groups are whole.
 */
const pilot = z.strictObject({
  responses: z.number().int().nonnegative().default(0),
  keep: z.number().positive().max(1).default(0.25),
});

export const rlSchema = z.strictObject({
  /** Folder of the checkpoint to begin from. */
  model: z.string().meta({ names: 'checkpoint' }),
  tasks: z.array(taskChoice).min(1),
  template: z.enum(templateNames).default('short'),
  gate: gate.prefault({}),
  /** success: tasks and levels are drawn more often where some answers are correct and some are not (curriculum.ts). */
  curriculum: z.enum(['fixed', 'success']).default('fixed'),
  steps: count.default(100),
  questions: count.default(32),
  groupSize: z.number().int().min(2).default(16),
  /** Optimizer steps on each batch of rollouts, each on its share of the responses. */
  updates: count.default(1),
  /** The maximum number of tokens of a response. */
  maxTokens: count.default(256),
  /** The maximum may grow so far, by half at a time, where responses are cut off. @default it does not grow */
  maxTokensLimit: count.optional(),
  /** The share of responses cut off above which it grows. */
  maxTruncated: fraction.default(0.2),
  /** The policy is softmax(logits / temperature), in rollouts, training, KL and entropy alike. */
  temperature: z.number().min(0.01).default(1),
  topP: noCut(1),
  topK: noCut(0),
  minP: noCut(0),
  precision: z.enum(['f32', 'bf16', 'fp8']).default('bf16'),
  learningRate: z.number().positive().default(2e-4),
  warmupSteps: z.number().int().nonnegative().default(5),
  optimizer: optimizerSchema.prefault({ weightDecay: 0 }),
  /** language: the share of the thinking's words in the language of the problem (R1 adds it after the cold start). */
  rewards: z
    .strictObject({
      accuracy: nonnegative.default(1),
      format: nonnegative.default(1),
      language: nonnegative.default(0),
    })
    .prefault({}),
  /** A checkpoint of minke reward, whose score of a reply to small talk is added to the rewards. */
  rewardModel: z
    .strictObject({ model: z.string().meta({ names: 'checkpoint' }), weight: z.number().positive().default(1) })
    .optional(),
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
  pilot: pilot.prefault({}),
  noSignal: noSignal.prefault({}),
  /**
   * The weight of the loss of MTP modules, from which they alone learn; 0: they do not, and drafts get worse. It is
   * small, because Adam's steps do not depend on it and the clipping of the policy's gradient should not either.
   */
  mtpWeight: nonnegative.default(0.01),
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
export function checkRl(config: RlConfig): void {
  const { updates, questions, groupSize, maxTokens, maxTokensLimit = maxTokens, microBatchTokens, pilot } = config;
  const refuse = (isWrong: boolean, problem: string, remedy: string) => {
    if (isWrong) throw new TrainError('recipe', problem, remedy);
  };
  const responses = questions * groupSize;
  refuse(
    updates > responses,
    `updates: ${updates}, for ${responses} responses`,
    'take fewer updates, or more questions',
  );
  refuse(
    maxTokensLimit < maxTokens,
    `maxTokensLimit: ${maxTokensLimit}, below maxTokens, ${maxTokens}`,
    'raise it, or leave it out',
  );
  refuse(
    maxTokensLimit >= microBatchTokens,
    `maxTokens: ${maxTokensLimit}, in micro-batches of ${microBatchTokens} tokens`,
    'raise microBatchTokens above the length of a prompt with its response',
  );
  refuse(
    pilot.responses === 1 || pilot.responses >= groupSize,
    `pilot.responses: ${pilot.responses}, of groups of ${groupSize}`,
    'take 2 or more responses, and fewer than groupSize',
  );
  refuse(
    pilot.responses > 0 && questions * pilot.keep < updates,
    `pilot.keep: ${pilot.keep}, of ${questions} questions`,
    'raise it, so that some groups are whole in every step',
  );
  refuse(
    config.rewardModel !== undefined && config.tasks.every(({ task }) => task !== smallTalkTask),
    `rewardModel: it scores replies to ${smallTalkTask}, which is no task of the run`,
    `add { task: '${smallTalkTask}' } to the tasks, or leave rewardModel out`,
  );
}

// The recipe of a reward model.
import { z } from 'zod';
import { fineTuningFields } from '../sft/index.ts';
import { templateNames } from '../tasks/index.ts';
import { count } from '../train/index.ts';

const every = z.strictObject({ evaluate: count.default(50), save: count.default(100) });

export const rewardSchema = z.strictObject({
  ...fineTuningFields,
  /** Folder of the checkpoint to begin from. */
  model: z.string().meta({ names: 'checkpoint' }),
  /** The template of prompts: that of the model whose replies are scored. */
  template: z.enum(templateNames).default('short'),
  /** Pairs of a good and a bad reply to learn from. */
  pairs: count.default(4000),
  /** Pairs about what no training says; the accuracy is measured on these. */
  heldOut: count.default(400),
  /** Pairs per step. */
  batchSize: count.default(32),
  epochs: count.default(1),
  microBatchTokens: count.default(2048),
  every: every.prefault({}),
});

export type RewardConfig = z.infer<typeof rewardSchema>;
export type RewardRecipe = z.input<typeof rewardSchema>;

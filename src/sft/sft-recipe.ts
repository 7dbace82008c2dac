// The recipe of supervised fine-tuning.
//
// Names follow TRL's SFTTrainer where it has them: epochs, learning rate, warm-up, the assistant's tokens alone.
import { z } from 'zod';
import { conversationsInput } from '../corpus/index.ts';
import { chatTemplateNames } from '../tasks/index.ts';
import { count, fraction } from '../train/index.ts';
import { fineTuningFields } from './fine-tuning.ts';

const every = z.strictObject({ evaluate: count.default(50), save: count.default(100) });

export const sftSchema = z.strictObject({
  /** Folder of the checkpoint to begin from. */
  model: z.string().meta({ names: 'checkpoint' }),
  /**
   * JSONL files, a conversation per line: {"messages":[{"role":"user","content":"..."}, ...]}; or conversations that a
   * generator makes: { conversations: 'greetings', count: 500 }.
   */
  data: z.array(z.union([z.string().meta({ names: 'file' }), conversationsInput])).min(1),
  /** The chat template of a base that has none; `tools` has calls of functions, and no thinking. */
  template: z.enum(chatTemplateNames).default('short'),
  /** The fraction of the conversations that only measures the validation loss. */
  validationFraction: fraction.default(0.05),
  /** Examples per step. */
  batchSize: count.default(32),
  every: every.prefault({}),
  ...fineTuningFields,
});

export type SftConfig = z.infer<typeof sftSchema>;
export type SftRecipe = z.input<typeof sftSchema>;

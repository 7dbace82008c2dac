// The events of a reward model's training.
import { z } from 'zod';
import { fineTuningStep } from '../sft/index.ts';
import { eventHead, share, sharedEvents, stepHead } from '../train/index.ts';

export const rewardEvents = z.discriminatedUnion('event', [
  z.object({
    ...eventHead('started'),
    run: z.string(),
    device: z.string(),
    parameters: z.number(),
    steps: z.number(),
    pairs: z.number(),
    tooLong: z.number().describe('pairs left out, because the model cannot hold them'),
  }),
  fineTuningStep,
  z.object({
    ...stepHead('evaluated'),
    accuracy: share.describe('held-out pairs whose good reply scores higher'),
    margin: z.number().describe('half of the 95 % interval of the accuracy'),
    pairs: z.number(),
    faults: z.record(z.string(), share).describe('the accuracy for each fault of the bad reply'),
  }),
  ...sharedEvents,
]);

export type RewardEvent = z.infer<typeof rewardEvents>;

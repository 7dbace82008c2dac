// The events of supervised fine-tuning; distillation shares those of its steps.
import { z } from 'zod';
import { eventHead, measured, sharedEvents, stepHead } from '../train/index.ts';

export const fineTuningStep = z.object({
  ...stepHead('step'),
  epoch: z.number(),
  loss: measured.describe('nats per learned token'),
  gradientNorm: measured,
  learningRate: z.number(),
  tokensPerSecond: z.number().describe('learned tokens'),
  secondsLeft: z.number(),
});

export type FineTuningStep = z.infer<typeof fineTuningStep>;

export const sftEvents = z.discriminatedUnion('event', [
  z.object({
    ...eventHead('started'),
    run: z.string(),
    device: z.string(),
    parameters: z.number(),
    steps: z.number(),
    epochs: z.number(),
    examples: z.number(),
    tooLong: z.number().describe('examples left out, because the model cannot hold them'),
    tokens: z.number().describe('learned tokens of an epoch'),
  }),
  fineTuningStep,
  z.object({ ...stepHead('evaluated'), loss: z.number(), tokens: z.number() }),
  ...sharedEvents,
]);

export type SftEvent = z.infer<typeof sftEvents>;

// The events of a pretraining run.
import { z } from 'zod';
import { eventHead, measured, sharedEvents, stepHead } from './run/event-schema.ts';

export type AlarmKind = 'not-finite' | 'loss-spike' | 'dead-experts' | 'router-without-gradient';

export const pretrainEvents = z.discriminatedUnion('event', [
  z.object({
    ...eventHead('started'),
    run: z.string(),
    parameters: z.object({ total: z.number(), active: z.number(), mtp: z.number() }),
    flopsPerToken: z.number(),
    tokensPerStep: z.number(),
    steps: z.number(),
    device: z.string(),
    gemmRate: z.number().describe('measured bf16 GEMM, FLOP/s'),
  }),
  z.object({
    ...stepHead('step'),
    tokens: z.number().describe('since the first step'),
    loss: measured.describe('main loss, nats per token'),
    mtpLoss: measured.optional(),
    balanceLoss: measured.optional(),
    gradientNorm: measured,
    learningRate: z.number(),
    tokensPerSecond: z.number(),
    mfu: z.number().describe("share of the machine's measured bf16 GEMM rate"),
    maxVio: z.number().nullable().describe('worst MoE layer of this step; null without experts'),
    memoryBytes: z.number(),
    secondsLeft: z.number(),
    load: z.array(z.array(z.number())).optional().describe('tokens of each expert, by MoE layer'),
  }),
  z.object({
    ...stepHead('evaluated'),
    loss: z.number(),
    margin: measured.optional().describe('half of the 95 % confidence interval of the loss; null with few batches'),
    tokens: z.number(),
    maxVio: z.number().nullable().describe('over all of the validation tokens'),
  }),
  z.object({ ...stepHead('sampled'), prompt: z.string(), text: z.string() }),
  ...sharedEvents,
]);

export type PretrainEvent = z.infer<typeof pretrainEvents>;

// Everything a run says, as typed events: one JSON object a line in events.jsonl.
//
// Contract: the file only grows. A run that was resumed says `resumed` with the step it went on from; what stood behind
// that step is superseded, because the same steps come again (readEvents leaves it out). A line that was cut off by a
// crash is completed or dropped when the file is opened. The console prints these events and the dashboard draws them.
import { z } from 'zod';
import type { RunEvent } from './run/description.ts';

const numbers = z.array(z.number());
const at = { time: z.number().describe('milliseconds since 1970') };
const step = { step: z.number().int().nonnegative() };
/** null: it was not finite. */
const number = z.number().nullable();
const share = z.number().min(0).max(1);

/** Fields and events that every kind of run has. */
export const eventParts = {
  at,
  step,
  number,
  share,
  /** pass@1 on held-out problems of a task. */
  examined: z.object({
    event: z.literal('evaluated'),
    ...at,
    ...step,
    task: z.string(),
    difficulty: z.number(),
    passAt1: share,
    margin: z.number().describe('half of the 95 % confidence interval'),
    format: share,
    tokens: z.number().describe('of a response, mean'),
    problems: z.number(),
    samples: z.number(),
  }),
  saved: z.object({ event: z.literal('saved'), ...at, ...step, folder: z.string(), sha256: z.string() }),
  ended: z.object({
    event: z.literal('ended'),
    ...at,
    ...step,
    status: z.enum(['completed', 'stopped', 'failed']),
    reason: z.string(),
  }),
};

export const alarmKinds = [
  'not-finite',
  'loss-spike',
  'dead-experts',
  'router-without-gradient',
  'damaged-checkpoint',
] as const;

export const eventSchema = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('started'),
    ...at,
    run: z.string(),
    parameters: z.object({ total: z.number(), active: z.number(), mtp: z.number() }),
    flopsPerToken: z.number(),
    tokensPerStep: z.number(),
    steps: z.number(),
    device: z.string(),
    gemmRate: z.number().describe('measured bf16 GEMM, FLOP/s'),
  }),
  z.object({ event: z.literal('resumed'), ...at, ...step, steps: z.number() }),
  z.object({
    event: z.literal('step'),
    ...at,
    ...step,
    tokens: z.number().describe('since the first step'),
    loss: number.describe('main loss, nats a token'),
    mtpLoss: number.optional(),
    balanceLoss: number.optional(),
    gradientNorm: number,
    learningRate: z.number(),
    tokensPerSecond: z.number(),
    mfu: z.number().describe("of the machine's measured bf16 GEMM rate"),
    maxVio: z.number().nullable().describe('worst MoE layer, this step; null without experts'),
    memoryBytes: z.number(),
    secondsLeft: z.number(),
    load: z.array(numbers).optional().describe('tokens of each expert, by MoE layer'),
  }),
  z.object({
    event: z.literal('evaluated'),
    ...at,
    ...step,
    loss: z.number(),
    tokens: z.number(),
    maxVio: z.number().nullable().describe('over all of the validation tokens'),
  }),
  z.object({ event: z.literal('sampled'), ...at, ...step, prompt: z.string(), text: z.string() }),
  eventParts.saved,
  z.object({ event: z.literal('alarm'), ...at, ...step, kind: z.enum(alarmKinds), message: z.string() }),
  eventParts.ended,
]);

export type TrainEvent = z.infer<typeof eventSchema>;
export type StepEvent = Extract<TrainEvent, { event: 'step' }>;
export type AlarmKind = (typeof alarmKinds)[number];

/** As JSON can write it: null where it is not finite. */
export const finite = (x: number | undefined) => (x !== undefined && Number.isFinite(x) ? x : null);

type WithoutTime<E> = E extends unknown ? Omit<E, 'time'> : never;
/** An event before the log has stamped it. */
export type NewEvent<E extends RunEvent = TrainEvent> = WithoutTime<E>;

// What a distillation says, as typed events: one JSON object a line in events.jsonl.
import { z } from 'zod';
import { eventParts } from '../train/events.ts';

const { at, step, number } = eventParts;

const counts = {
  done: z.number().describe('traces kept'),
  total: z.number().describe('traces wanted'),
  problems: z.number().describe('asked and answered'),
  rejected: z.number().describe('responses of this session that are wrong, not in form, or there already'),
};

export const distilEventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('started'), ...at, run: z.string(), teacher: z.string(), device: z.string() }),
  z.object({ event: z.literal('resumed'), ...at, ...step }),
  z.object({ event: z.literal('collecting'), ...at, ...counts }),
  z.object({
    event: z.literal('training'),
    ...at,
    parameters: z.number(),
    steps: z.number(),
    epochs: z.number(),
    traces: z.number(),
    tooLong: z.number().describe('traces left out, because the student cannot hold them'),
    tokens: z.number().describe('learned in one epoch'),
  }),
  z.object({
    event: z.literal('step'),
    ...at,
    ...step,
    epoch: z.number(),
    loss: number.describe('nats a learned token'),
    gradientNorm: number,
    learningRate: z.number(),
    tokensPerSecond: z.number().describe('learned ones'),
    secondsLeft: z.number(),
  }),
  eventParts.examined,
  eventParts.saved,
  z.object({ event: z.literal('alarm'), ...at, ...step, kind: z.string(), message: z.string() }),
  eventParts.ended,
]);

export type DistilEvent = z.infer<typeof distilEventSchema>;

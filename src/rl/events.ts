// What a reinforcement learning run says, as typed events: one JSON object a line in events.jsonl.
import { z } from 'zod';
import { eventParts } from '../train/events.ts';

const { at, step, number, share } = eventParts;

export const rlEventSchema = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('started'),
    ...at,
    run: z.string(),
    parameters: z.number(),
    steps: z.number(),
    responsesPerStep: z.number(),
    device: z.string(),
  }),
  z.object({ event: z.literal('resumed'), ...at, ...step, steps: z.number() }),
  z.object({
    event: z.literal('step'),
    ...at,
    ...step,
    reward: z.number(),
    accuracy: share,
    format: share,
    tokens: z.number().describe('of a response, mean'),
    tokensRight: number.describe('of right responses; null without any'),
    tokensWrong: number,
    truncated: share.describe('responses that did not end by themselves'),
    silentGroups: share.describe('groups whose rewards are all alike, of those that were asked'),
    formlessGroups: share.default(0).describe('silent groups none of whose responses keeps the form'),
    formProblems: z
      .record(z.string(), share)
      .default({})
      .describe('what keeps responses from the form, commonest first'),
    rounds: z.number().default(1).describe('of questions; more than one where silent groups were replaced'),
    filled: z.number().default(0).describe('silent groups that were learned from, for want of others'),
    checks: z.number().describe('words of checking and turning back in a response, mean'),
    loss: number,
    kl: number.describe('to the reference, nats a token'),
    clipped: number.describe('share of tokens, over all updates'),
    entropy: number.describe('nats a token'),
    mismatch: z.number().describe('tokens whose log-probability differs between rollout and training, in any bit'),
    gradientNorm: number,
    learningRate: z.number(),
    maxVio: number,
    rolloutSeconds: z.number(),
    trainSeconds: z.number(),
    rolloutTokensPerSecond: z.number(),
    secondsLeft: z.number(),
    faults: z.number().describe('answers whose grader failed'),
  }),
  eventParts.examined,
  z.object({
    event: z.literal('sampled'),
    ...at,
    ...step,
    prompt: z.string(),
    text: z.string(),
    verdict: z.string(),
    reward: z.number(),
  }),
  eventParts.saved,
  z.object({ event: z.literal('alarm'), ...at, ...step, kind: z.string(), message: z.string() }),
  eventParts.ended,
]);

export type RlEvent = z.infer<typeof rlEventSchema>;
export type RlStepEvent = Extract<RlEvent, { event: 'step' }>;

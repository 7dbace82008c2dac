// Fields and events that every kind of run has.
import { z } from 'zod';

const time = z.number().describe('milliseconds since 1970');
const step = z.number().int().nonnegative();

/** The first fields of each event: what it is, and when. */
export const eventHead = <Name extends string>(event: Name) => ({
  event: z.literal(event),
  time,
  flops: z.number().optional().describe('of all work of the run until then'),
});

/** The same for events that belong to a step. */
export const stepHead = <Name extends string>(event: Name) => ({ ...eventHead(event), step });

/** A number, or null where it was not finite, which JSON cannot write. */
export const measured = z.number().nullable();
export const share = z.number().min(0).max(1);

export const sharedEvents = [
  z.object({ ...stepHead('resumed'), steps: z.number().optional() }),
  z.object({ ...stepHead('saved'), folder: z.string(), sha256: z.string() }),
  z.object({ ...stepHead('alarm'), kind: z.string(), message: z.string() }),
  z.object({
    ...stepHead('ended'),
    status: z.enum(['completed', 'stopped', 'failed']),
    reason: z.string(),
    bill: z.string().optional().describe('what was predicted, counted and paid, in words'),
  }),
] as const;

export type SharedEvent = z.infer<(typeof sharedEvents)[number]>;

/** Accuracy on held-out problems of a task, as reinforcement learning and distillation measure it. */
export const taskEvaluated = z.object({
  ...stepHead('evaluated'),
  task: z.string(),
  difficulty: z.number(),
  passAt1: share,
  margin: z.number().describe('half of the 95 % confidence interval'),
  format: share.describe('responses that are well-formed'),
  tokens: z.number().describe('tokens of a response, mean'),
  language: share.optional().describe('words in the language of the problem, mean over responses'),
  problems: z.number(),
  samples: z.number(),
  faults: z.number().default(0).describe('answers whose grader failed; they count as incorrect'),
});

export type TaskEvaluated = z.infer<typeof taskEvaluated>;

/** Returns the number as JSON can write it: null where it is not finite. */
export const finite = (x: number | undefined) => (x !== undefined && Number.isFinite(x) ? x : null);

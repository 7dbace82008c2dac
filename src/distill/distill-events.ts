// The events of a distillation.
import { z } from 'zod';
import { fineTuningStep } from '../sft/index.ts';
import { eventHead, sharedEvents, taskEvaluated } from '../train/index.ts';

export const distillEvents = z.discriminatedUnion('event', [
  z.object({
    ...eventHead('started'),
    run: z.string(),
    teacher: z.string(),
    device: z.string(),
    parameters: z.number().optional(),
  }),
  z.object({
    ...eventHead('collecting'),
    done: z.number().describe('traces kept'),
    total: z.number().describe('traces to keep'),
    problems: z.number().describe('answered problems'),
    faults: z.number().default(0).describe('responses of this session whose grader failed'),
    rejected: z.number().describe('responses of this session that are incorrect, not well-formed, or known'),
  }),
  z.object({
    ...eventHead('training'),
    parameters: z.number(),
    steps: z.number(),
    epochs: z.number(),
    traces: z.number(),
    tooLong: z.number().describe('traces left out, because the student cannot hold them'),
    tokens: z.number().describe('learned tokens of an epoch'),
  }),
  fineTuningStep.extend({
    accuracy: z.number().optional().describe("share of the student's responses; on-policy only, as what follows"),
    format: z.number().optional().describe('share of responses'),
    truncated: z.number().optional().describe('share of responses'),
    tokens: z.number().optional().describe('mean of a response'),
    rolloutSeconds: z.number().optional(),
  }),
  taskEvaluated,
  ...sharedEvents,
]);

export type DistillEvent = z.infer<typeof distillEvents>;

// Pipeline parallelism: the idle share of a step for three schedules, and what they keep in memory.
//
// Time in units of one chunk of a micro-batch: F forward, B full backward, W its part for the gradients of weights.
// Source: DeepSeek-V3 report, table 2.
import { PlanError } from './errors.ts';
import { derive, type Figure, given } from './figure.ts';
import { expectCount } from './work.ts';

export const scheduleNames = ['1f1b', 'zb1p', 'dualpipe'] as const;
export type ScheduleName = (typeof scheduleNames)[number];

/** Chunk times. overlapped: a forward and a backward chunk run together, as DualPipe does. */
export interface ChunkTimes {
  readonly forward: number;
  readonly backward: number;
  readonly weightGradient: number;
  readonly overlapped: number;
}

/** Backward is twice forward, half of it for the gradients of weights. */
export const usualTimes: ChunkTimes = { forward: 1, backward: 2, weightGradient: 1, overlapped: 3 };

const formulas: Readonly<
  Record<ScheduleName, readonly [formula: string, idle: (stages: number, times: ChunkTimes) => number]>
> = {
  '1f1b': ['(stages - 1)(F + B)', (p, { forward, backward }) => (p - 1) * (forward + backward)],
  zb1p: [
    '(stages - 1)(F + B - 2W)',
    (p, { forward, backward, weightGradient }) => (p - 1) * (forward + backward - 2 * weightGradient),
  ],
  dualpipe: [
    '(stages / 2 - 1)(F&B + B - 3W)',
    (p, { overlapped, backward, weightGradient }) => (p / 2 - 1) * (overlapped + backward - 3 * weightGradient),
  ],
};

/** Copies of the parameters, and micro-batches of activations, that a schedule keeps on a device. */
export function scheduleMemory(schedule: ScheduleName, stages: number): { parameters: number; activations: number } {
  return schedule === 'dualpipe' ? { parameters: 2, activations: stages + 1 } : { parameters: 1, activations: stages };
}

/**
 * Returns the idle time of a pipeline as a share of a step. Throws PlanError for an
 * odd number of stages under DualPipe, which feeds from both ends.
 */
export function bubbleShare(schedule: ScheduleName, stages: number, microBatches: number, times = usualTimes): Figure {
  expectCount('pipeline stages', stages);
  expectCount('micro-batches', microBatches);
  if (schedule === 'dualpipe' && stages > 1 && stages % 2 === 1)
    throw new PlanError('dualpipe', `needs an even number of stages, received ${stages}`, 'use an even one, or 1f1b');
  const [formula, idle] = formulas[schedule];
  const source = 'asked';
  return derive(
    `bubble of ${schedule}`,
    'share',
    `idle / (idle + micro-batches x (F + B)), idle = ${formula}`,
    {
      stages: given('stages', stages, { source }),
      'micro-batches': given('micro-batches', microBatches, { source }),
      F: given('F', times.forward, { source: 'unit of time' }),
      B: given('B', times.backward, { source: 'twice forward' }),
      W: given('W', times.weightGradient, { source: 'half of backward' }),
      'F&B': given('F&B', times.overlapped, { source: 'the sum: overlapped chunks hide communication only' }),
    },
    (v) => {
      const chunk = { forward: v.F, backward: v.B, weightGradient: v.W, overlapped: v['F&B'] };
      const waits = Math.max(0, idle(v.stages, chunk));
      return waits / (waits + v['micro-batches'] * (v.F + v.B));
    },
  );
}

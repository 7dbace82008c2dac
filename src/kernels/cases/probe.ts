// Rows of the probes: their sums are exact, on one thread and on several.
import { Random } from '../../math/index.ts';
import type { Case } from './case.ts';

const arithmetic = [
  [0, 1],
  [1, 1],
  [5, 3],
  [1000, 2],
] as const;

const reading = [
  [0, 1],
  [1, 2],
  [63, 1],
  [1023, 3],
  [1025, 2],
  [100_003, 2],
] as const;

export const probe: Case[] = [
  ...(['probe_fma_f32', 'probe_dot_bf16'] as const).flatMap((kernel) =>
    arithmetic.map(
      ([rounds, threads]): Case => ({
        kernel,
        name: `${rounds} rounds, ${threads} tasks`,
        args: { out: new Float32Array(2 * threads), rounds, threads },
        exact: true,
      }),
    ),
  ),
  ...reading.map(([words, threads]): Case => {
    const random = new Random(words + threads);
    const data = Int32Array.from({ length: words }, () => random.below(2 ** 32) | 0);
    return {
      kernel: 'probe_read',
      name: `${words} words, ${threads} tasks`,
      args: { data, sums: new Int32Array(threads), words, threads },
      exact: true,
    };
  }),
];

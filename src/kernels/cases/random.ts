// Rows of random numbers: lengths around blocks of four and tasks, seeds of 32 bits and more, deviations of 53 bits.
import type { Case } from './case.ts';

const draws: [n: number, seed: number, deviation: number][] = [
  [0, 1, 1],
  [1, 0, 1],
  [3, 7, 0.02],
  [64, 2 ** 32 - 1, 1 / 3],
  [70_001, 2 ** 53 - 1, 0.006],
  [200_003, 123_456_789, 1e-5],
];

export const random: Case[] = draws.map(([n, seed, deviation]) => ({
  kernel: 'fill_normal_f32',
  name: `${n} numbers of seed ${seed}, deviation ${deviation}`,
  args: { out: new Float32Array(n).fill(7), n, seed, deviation },
  exact: true,
}));

import { type Case, Random } from './case.ts';

const lengths = [0, 1, 7, 16, 33, 100_001];

export const elementwise: Case[] = lengths.map((n) => {
  const random = new Random(n);
  return {
    kernel: 'add_f32',
    name: `${n} elements`,
    args: { a: random.normals(n), b: random.normals(n), out: new Float32Array(n), n },
    exact: true,
  };
});

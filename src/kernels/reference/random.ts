// Random numbers, defined by the generator that every module uses (math/random.ts).
import { fillNormal } from '../../math/index.ts';
import { kernel } from '../kernel.ts';

export const random = {
  /** Normal with mean 0: element i is number i of stream `seed`. */
  fill_normal_f32: kernel('out:f32! n:int seed:int deviation:double', (out, n, seed, deviation) => {
    fillNormal(out.subarray(0, n), seed, deviation);
  }),
};

// Elementwise kernels, defined.
import { kernel } from '../kernel.ts';

export const elementwise = {
  add_f32: kernel('a:f32 b:f32 out:f32! n:int', (a, b, out, n) => {
    for (let i = 0; i < n; i++) out[i] = a[i] + b[i];
  }),

  copy_bytes: kernel('from:u8 to:u8! n:int', (from, to, n) => {
    to.set(from.subarray(0, n));
  }),
};

// Kernels that move elements, or number them, and compute nothing, defined.
import { kernel } from '../kernel.ts';

export const copy = {
  copy_bytes: kernel('from:u8 to:u8! n:int', (from, to, n) => {
    to.set(from.subarray(0, n));
  }),

  zero_bytes: kernel('to:u8! n:int', (to, n) => {
    to.fill(0, 0, n);
  }),

  /** 0, step, 2 step, ... */
  range_i32: kernel('out:i32! n:int step:int', (out, n, step) => {
    for (let i = 0; i < n; i++) out[i] = i * step;
  }),

  /** Slice, split and concat of the last axis. Lengths in bytes; where the columns start is part of the addresses. */
  copy_columns: kernel(
    'from:u8 to:u8! rows:int row_bytes:int from_ld:int to_ld:int',
    (from, to, rows, rowBytes, fromLd, toLd) => {
      for (let r = 0; r < rows; r++) to.set(from.subarray(r * fromLd, r * fromLd + rowBytes), r * toLd);
    },
  ),

  /** Any order of four axes, and broadcasts by strides of 0. Strides in elements of `width` bytes. */
  permute: kernel(
    'from:any to:any! n0:int n1:int n2:int n3:int f0:int f1:int f2:int f3:int t0:int t1:int t2:int t3:int width:int',
    (from, to, n0, n1, n2, n3, f0, f1, f2, f3, t0, t1, t2, t3, width) => {
      for (let a = 0; a < n0; a++)
        for (let b = 0; b < n1; b++)
          for (let c = 0; c < n2; c++)
            for (let d = 0; d < n3; d++) {
              const source = (a * f0 + b * f1 + c * f2 + d * f3) * width;
              const target = (a * t0 + b * t1 + c * t2 + d * t3) * width;
              for (let k = 0; k < width; k++) to[target + k] = from[source + k];
            }
    },
  ),
};

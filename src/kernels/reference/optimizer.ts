// AdamW with decoupled decay, Muon's two ends, and the global gradient norm with its clip coefficient, defined.
//   hyper = [lr, beta1, beta2, eps, weight decay, 1 - beta1^t, 1 - beta2^t, gradient scale]
// The two corrections are computed by the caller in float64; everything that varies by step is data, not words.

import { toBf16 } from '../dtype.ts';
import { kernel } from '../kernel.ts';
import { squarePartials, squaresPerBlock } from '../sizes.ts';
import { numbersIn } from './formats.ts';

export const optimizer = {
  adamw: kernel(
    'weight:f32! grad:f32 m:any! v:any! half:bf16! hyper:f32 clip:f32 moment_type:int n:int',
    (weight, grad, m, v, half, hyper, clip, momentType, n) => {
      const [lr, beta1, beta2, eps, decay, correction1, correction2, gradScale] = hyper;
      const scale = clip.length > 0 ? gradScale * clip[0] : gradScale;
      if (Number.isNaN(clip[0])) return; // the step is skipped: the norm was not finite
      const first = numbersIn(m, momentType);
      const second = numbersIn(v, momentType);
      for (let i = 0; i < n; i++) {
        const g = grad[i] * scale;
        const mean = beta1 * first.get(i) + (1 - beta1) * g;
        const square = beta2 * second.get(i) + (1 - beta2) * g * g;
        const direction = mean / correction1 / (Math.sqrt(square / correction2) + eps);
        const w = weight[i] * (1 - lr * decay) - lr * direction;
        first.set(i, mean);
        second.set(i, square);
        weight[i] = w;
        if (half.length > 0) half[i] = toBf16(w);
      }
    },
  ),

  muon_momentum: kernel(
    'grad:f32 m:any! direction:f32! hyper:f32 clip:f32 moment_type:int n:int',
    (grad, m, direction, hyper, clip, momentType, n) => {
      const [, momentum, , , , , , gradScale] = hyper;
      const scale = clip.length > 0 ? gradScale * clip[0] : gradScale;
      const first = numbersIn(m, momentType);
      for (let i = 0; i < n; i++) {
        if (Number.isNaN(clip[0])) {
          direction[i] = 0;
          continue;
        }
        const g = grad[i] * scale;
        const sum = momentum * first.get(i) + g;
        first.set(i, sum);
        direction[i] = g + momentum * sum;
      }
    },
  ),

  muon_update: kernel(
    'weight:f32! direction:f32 hyper:f32 clip:f32 factor:float n:int',
    (weight, direction, hyper, clip, factor, n) => {
      const [lr, , , , decay] = hyper;
      if (Number.isNaN(clip[0])) return; // the step is skipped: the norm was not finite
      for (let i = 0; i < n; i++) weight[i] = weight[i] * (1 - lr * decay) - lr * factor * direction[i];
    },
  ),

  sum_squares_f32: kernel('x:f32 partials:f32! n:int', (x, partials, n) => {
    for (let block = 0; block < squarePartials(n); block++) {
      let sum = 0;
      for (const value of x.subarray(block * squaresPerBlock, Math.min(n, (block + 1) * squaresPerBlock)))
        sum += value * value;
      partials[block] = sum;
    }
  }),

  clip_coefficient: kernel(
    'partials:f32 hyper:f32 norm:f32! coefficient:f32! max_norm:float count:int',
    (partials, hyper, norm, coefficient, maxNorm, count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += partials[i];
      norm[0] = Math.sqrt(sum) * Math.abs(hyper.length > 0 ? hyper[7] : 1);
      coefficient[0] = Number.isFinite(norm[0]) ? Math.min(1, maxNorm / (norm[0] + 1e-6)) : Number.NaN;
    },
  ),
};

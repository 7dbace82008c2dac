// AdamW with decoupled decay, Muon's two ends, the global gradient norm with its clip coefficient, and sums of many
// tensors, defined.
//   hyper = [lr, beta1, beta2, eps, weight decay, 1 - beta1^t, 1 - beta2^t, gradient scale]
// The two corrections are computed by the caller in float64; everything that varies by step is data, not words.

import { toBf16 } from '../dtype.ts';
import { kernel } from '../kernel.ts';
import { squarePartials, squaresPerBlock } from '../sizes.ts';
import { numbersIn } from './formats.ts';

function updateAdamw(
  [weight, grad, m, v]: readonly [Float32Array, Float32Array, Uint8Array, Uint8Array],
  half: Uint16Array,
  hyper: Float32Array,
  clip: number,
  momentType: number,
  n: number,
): void {
  const [lr, beta1, beta2, eps, decay, correction1, correction2, gradScale] = hyper;
  const first = numbersIn(m, momentType);
  const second = numbersIn(v, momentType);
  for (let i = 0; i < n; i++) {
    const g = grad[i] * gradScale * clip;
    const mean = beta1 * first.get(i) + (1 - beta1) * g;
    const square = beta2 * second.get(i) + (1 - beta2) * g * g;
    const direction = mean / correction1 / (Math.sqrt(square / correction2) + eps);
    const w = weight[i] * (1 - lr * decay) - lr * direction;
    first.set(i, mean);
    second.set(i, square);
    weight[i] = w;
    if (half.length > 0) half[i] = toBf16(w);
  }
}

export const optimizer = {
  adamw: kernel(
    'clip:f32 moment_type:int weight:f32[]! grad:f32[] m:any[]! v:any[]! half:bf16[]! hyper:f32[] n:int[]',
    (clip, momentType, weights, grads, ms, vs, halves, hypers, ns) => {
      const factor = clip.length > 0 ? clip[0] : 1;
      if (Number.isNaN(factor)) return; // the step is skipped: the norm was not finite
      ns.forEach((n, row) => {
        const tensors = [weights[row], grads[row], ms[row], vs[row]] as const;
        updateAdamw(tensors, halves[row], hypers[row], factor, momentType, n);
      });
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

  gradient_norm: kernel(
    'partials:f32! hyper:f32 norm:f32! coefficient:f32! norms:f32! max_norm:float x:f32[] n:int[]',
    (partials, hyper, norm, coefficient, norms, maxNorm, xs, ns) => {
      const scale = Math.abs(hyper.length > 0 ? hyper[7] : 1);
      let [all, block] = [0, 0];
      ns.forEach((n, row) => {
        let own = 0;
        for (let from = 0; from < squarePartials(n) * squaresPerBlock; from += squaresPerBlock, block++) {
          let sum = 0;
          for (const x of xs[row].subarray(from, Math.min(n, from + squaresPerBlock))) sum += x * x;
          partials[block] = sum;
          own += partials[block];
          all += partials[block];
        }
        norms[row] = Math.sqrt(own) * scale;
      });
      norm[0] = Math.sqrt(all) * scale;
      coefficient[0] = Number.isFinite(norm[0]) ? Math.min(1, maxNorm / (norm[0] + 1e-6)) : Number.NaN;
    },
  ),

  add_each_f32: kernel('a:f32[] b:f32[] out:f32[]! n:int[]', (as, bs, outs, ns) => {
    ns.forEach((n, row) => {
      for (let i = 0; i < n; i++) outs[row][i] = bs[row].length > 0 ? as[row][i] + bs[row][i] : as[row][i];
    });
  }),
};

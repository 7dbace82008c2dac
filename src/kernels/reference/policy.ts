// The loss of policy optimization, defined: clipped surrogate and KL penalty of each token, with its slope.
//
// With r = exp(logprob - old) and d = reference - logprob: surrogate = min(r A, clip(r, 1 - low, 1 + high) A), kl =
// e^d - d - 1 (the k3 estimate, never negative), loss = weight * (beta kl - surrogate); slope is the loss's derivative
// by logprob. Both log-ratios are at most 20, so that no exponential overflows; beyond, a term is constant and its
// slope 0, and bounded is 1 (as in verl). clipped is 1 where the minimum is the clipped term, differs where logprob is
// not old to the bit. Tokens of weight 0 give zeros. Sources: DeepSeekMath section 4.1 (GRPO); DAPO (arXiv 2503.14476)
// for unequal low and high.
import { kernel } from '../kernel.ts';

/** The largest log-ratio of a token. The smallest has no bound: there, k3 and its slope are finite. */
const maxLogRatio = 20;

const inputs = 'logprob:f32 old:f32 reference:f32 advantage:f32 weight:f32';
const outputs = 'loss:f32! slope:f32! kl:f32! clipped:f32! differs:f32! bounded:f32!';

export const policy = {
  policy_loss_f32: kernel(
    `${inputs} ${outputs} n:int low:float high:float beta:float`,
    (
      logprob: Float32Array,
      old: Float32Array,
      reference: Float32Array,
      advantage: Float32Array,
      weight: Float32Array,
      loss: Float32Array,
      slope: Float32Array,
      kl: Float32Array,
      clipped: Float32Array,
      differs: Float32Array,
      bounded: Float32Array,
      n: number,
      low: number,
      high: number,
      beta: number,
    ) => {
      for (let i = 0; i < n; i++) {
        const [p, A, w] = [logprob[i], advantage[i], weight[i]] as [number, number, number];
        const [change, d] = [p - old[i], reference[i] - p];
        const [isFar, isFarFromReference] = [change > maxLogRatio, d > maxLogRatio];
        const r = Math.exp(isFar ? maxLogRatio : change);
        const clip = Math.min(Math.max(r, 1 - low), 1 + high) * A;
        const isClipped = clip < r * A;
        const near = isFarFromReference ? maxLogRatio : d;
        const k3 = Math.max(0, Math.exp(near) - near - 1);
        const pull = isClipped || isFar ? 0 : r * A;
        const push = isFarFromReference ? 0 : 1 - Math.exp(d);
        const counts = w !== 0;
        loss[i] = counts ? w * (beta * k3 - (isClipped ? clip : r * A)) : 0;
        slope[i] = counts ? w * (beta * push - pull) : 0;
        kl[i] = counts ? k3 : 0;
        clipped[i] = counts && isClipped ? 1 : 0;
        differs[i] = counts && p !== old[i] ? 1 : 0;
        bounded[i] = counts && (isFar || isFarFromReference) ? 1 : 0;
      }
    },
  ),

  /** out[i] = 1 where mask[i] is not 0 and a[i] is not b[i], else 0. */
  token_differs: kernel(
    'a:i32 b:i32 mask:f32 out:f32! n:int',
    (a: Int32Array, b: Int32Array, mask: Float32Array, out: Float32Array, n: number) => {
      for (let i = 0; i < n; i++) out[i] = mask[i] !== 0 && a[i] !== b[i] ? 1 : 0;
    },
  ),
};

// Cross-entropy over rows of logits [rows, V], defined: log-probabilities of the targets, and gradients.
// `ignore` marks a row without a target: its log-probability is 0 and its gradient zeros.
import { KernelFault, kernel } from '../kernel.ts';
import { numbersIn } from './formats.ts';

function checkId(where: number, id: number, limit: number): void {
  if (id < 0 || id >= limit) throw new KernelFault('indexOutOfRange', where, id, limit);
}

export const crossEntropy = {
  cross_entropy_f32: kernel(
    'logits:f32 targets:i32 logprob:f32! lse:f32! entropy:f32! rows:int V:int ignore:int',
    (logits, targets, logprob, lse, entropy, rows, V, ignore) => {
      for (let r = 0; r < rows; r++) {
        const target = targets[r];
        if (target !== ignore) checkId(r, target, V);
        const row = logits.subarray(r * V, (r + 1) * V);
        let top = Number.NEGATIVE_INFINITY;
        for (const x of row) top = Math.max(top, x);
        let sum = 0;
        for (const x of row) sum += Math.exp(x - top);
        const whole = top + Math.log(sum);
        lse[r] = whole;
        logprob[r] = target === ignore ? 0 : row[target] - whole;
        if (entropy.length === 0) continue;
        let spread = 0; // minus the sum of p log p; a logit of minus infinity adds nothing
        for (const x of row) spread -= x === Number.NEGATIVE_INFINITY ? 0 : Math.exp(x - whole) * (x - whole);
        entropy[r] = spread;
      }
    },
  ),

  cross_entropy_backward_f32: kernel(
    'logits:f32 targets:i32 lse:f32 grad:f32 dlogits:any! dlogits_type:int rows:int V:int ignore:int',
    (logits, targets, lse, grad, dlogits, dlogitsType, rows, V, ignore) => {
      const out = numbersIn(dlogits, dlogitsType);
      for (let r = 0; r < rows; r++) {
        const target = targets[r];
        if (target !== ignore) checkId(r, target, V);
        for (let i = 0; i < V; i++) {
          const softmax = Math.exp(logits[r * V + i] - lse[r]);
          out.set(r * V + i, target === ignore ? 0 : grad[r] * ((i === target ? 1 : 0) - softmax));
        }
      }
    },
  ),
};

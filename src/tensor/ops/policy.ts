// The loss of policy optimization from log-probabilities: one op, so that ratio, clip and KL have one definition.
import { ValueError } from '../../kernels/index.ts';
import { apply, type Op, type OpRows, saveNothing } from '../op.ts';
import { expectRank, expectTensor } from '../shape.ts';
import { emptyLike, type Tensor } from '../tensor.ts';

interface PolicyParams {
  readonly clipLow: number;
  readonly clipHigh: number;
  readonly beta: number;
}

type PolicyLoss = Op<
  readonly [logprob: Tensor, old: Tensor, reference: Tensor, advantage: Tensor, weight: Tensor],
  PolicyParams,
  readonly [loss: Tensor, slope: Tensor, kl: Tensor, clipped: Tensor, differs: Tensor, bounded: Tensor]
>;

type Differing = Op<readonly [a: Tensor, b: Tensor, mask: Tensor], null, readonly [Tensor]>;

export interface PolicyOps {
  policyLoss: PolicyLoss;
  differing: Differing;
}

const names = ['logprob', 'old', 'reference', 'advantage', 'weight'] as const;

export const policies: OpRows<PolicyOps> = {
  policyLoss: {
    name: 'policyLoss',
    shape: (inputs, { clipLow, clipHigh, beta }) => {
      const [logprob] = inputs;
      expectRank(logprob, 1, 'policyLoss', 'logprob');
      names.forEach((name, i) => {
        expectTensor(inputs[i], 'f32', logprob.shape, 'policyLoss', name);
      });
      for (const [name, value] of Object.entries({ clipLow, clipHigh, beta }))
        if (!(value >= 0)) throw new ValueError('policyLoss', `${name} is ${value}`, 'pass a number from 0');
      return [logprob, logprob, logprob, logprob, logprob, logprob];
    },
    forward: (device, inputs, [loss, slope, kl, clipped, differs, bounded], { clipLow, clipHigh, beta }) => {
      const [logprob, old, reference, advantage, weight] = inputs;
      const given = { logprob, old, reference, advantage, weight, n: logprob.size, low: clipLow, high: clipHigh, beta };
      device.run('policy_loss_f32', { ...given, loss, slope, kl, clipped, differs, bounded });
    },
    save: (_, [, slope]) => [slope],
    vjp: ({ device, inputs: [logprob], outputs: [, slope], gradients: [dloss, ...others] }) => {
      if (others.some((gradient) => gradient !== null))
        throw new ValueError('policyLoss', 'only the loss has a gradient', 'use the others as metrics');
      const out = emptyLike(logprob);
      device.run('mul_f32', { a: slope, b: dloss, out, n: out.size });
      return [out, null, null, null, null];
    },
  },

  differing: {
    name: 'differing',
    shape: ([a, b, mask]) => {
      expectRank(a, 1, 'differing', 'a');
      expectTensor(a, 'i32', a.shape, 'differing', 'a');
      expectTensor(b, 'i32', a.shape, 'differing', 'b');
      expectTensor(mask, 'f32', a.shape, 'differing', 'mask');
      return [mask];
    },
    forward: (device, [a, b, mask], [out]) => device.run('token_differs', { a, b, mask, out, n: out.size }),
    save: saveNothing,
    vjp: null,
  },
};

/** 1 where two lists of ids differ and the mask is not 0, else 0: a, b [T] i32 and mask [T] f32, to [T] f32. */
export function differing(a: Tensor, b: Tensor, mask: Tensor): Tensor {
  return apply(policies.differing, [a, b, mask], null)[0];
}

/** The terms of each token, [T] f32. */
export interface PolicyTerms {
  /** weight * (beta kl - min(r A, clip(r, 1 - clipLow, 1 + clipHigh) A)), r = exp(logprob - old) */
  readonly loss: Tensor;
  /** e^d - d - 1 with d = reference - logprob (k3); a metric */
  readonly kl: Tensor;
  /** 1 where the clipped term was the smaller; a metric */
  readonly clipped: Tensor;
  /** 1 where logprob and old differ in any bit; a metric */
  readonly differs: Tensor;
  /** 1 where a log-ratio is above 20, and its term constant; a metric */
  readonly bounded: Tensor;
}

/**
 * GRPO's loss of each token. All inputs [T] f32; tokens of weight 0 are skipped. Only `loss` has a gradient, to
 * `logprob` alone.
 */
export function policyLoss(
  logprob: Tensor,
  old: Tensor,
  reference: Tensor,
  advantage: Tensor,
  weight: Tensor,
  params: { readonly clipLow: number; readonly clipHigh: number; readonly beta: number },
): PolicyTerms {
  const inputs = [logprob, old, reference, advantage, weight] as const;
  const [loss, slope, kl, clipped, differs, bounded] = apply(policies.policyLoss, inputs, params);
  slope.dispose();
  return { loss, kl, clipped, differs, bounded };
}

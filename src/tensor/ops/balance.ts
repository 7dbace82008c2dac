// Balancing without a loss (V3 report, section 2.1.2): count what each expert got, then nudge the router's bias by
// sign.
//
// Both change their tensor in place, have no gradient, and can be recorded: the rate is data.
import { apply, type Op, type OpRows, saveNothing } from '../op.ts';
import { expectDType, expectRank, expectTensor } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

type CountExperts = Op<readonly [indices: Tensor, counts: Tensor], null, readonly []>;

type BalanceBias = Op<readonly [bias: Tensor, counts: Tensor, rate: Tensor], null, readonly []>;

export interface BalanceOps {
  countExperts: CountExperts;
  balanceBias: BalanceBias;
}

export const balances: OpRows<BalanceOps> = {
  countExperts: {
    name: 'countExperts',
    shape: ([indices, counts]) => {
      expectDType(indices, 'i32', 'countExperts', 'indices');
      expectDType(counts, 'i32', 'countExperts', 'counts');
      expectRank(counts, 1, 'countExperts', 'counts');
      return [];
    },
    forward: (device, [indices, counts]) => {
      device.run('expert_counts', { indices, counts, n: indices.size, E: counts.size, accumulate: 1 });
      counts.storage.change();
    },
    save: saveNothing,
    vjp: null,
  },

  balanceBias: {
    name: 'balanceBias',
    shape: ([bias, counts, rate]) => {
      expectDType(bias, 'f32', 'balanceBias', 'bias');
      expectRank(bias, 1, 'balanceBias', 'bias');
      expectTensor(counts, 'i32', bias.shape, 'balanceBias', 'counts');
      expectTensor(rate, 'f32', [1], 'balanceBias', 'rate');
      return [];
    },
    forward: (device, [bias, counts, rate]) => {
      device.run('balance_bias', { bias, counts, rate, E: bias.size });
      bias.storage.change();
    },
    save: saveNothing,
    vjp: null,
  },
};

/**
 * Adds to counts [E] i32 how often each expert stands in indices [T, K] i32. One outside is reported by the next read.
 */
export function countExperts(indices: Tensor, counts: Tensor): void {
  apply(balances.countExperts, [indices, counts], null);
}

/** bias [E] += rate [1] * sign(mean of counts - counts[e]), in place. rate is gamma: 0.001 in the report. */
export function balanceBias(bias: Tensor, counts: Tensor, rate: Tensor): void {
  apply(balances.balanceBias, [bias, counts, rate], null);
}

// Sums, means and argmax. Sums run in a fixed order of fixed blocks (cpp/reduction.cc), so they are the same for any
// threads.
import { type Device, dtypeCode, sumWorkspaceBytes } from '../../kernels/index.ts';
import { full } from '../create.ts';
import { apply, type Op, type OpRow, type OpRows, saveNothing } from '../op.ts';
import { expectDType, expectFloat, expectRank, lastDim, rowCount } from '../shape.ts';
import { emptyLike, type Tensor } from '../tensor.ts';
import { converted } from './elementwise.ts';

type Reduce = Op<readonly [x: Tensor], null, readonly [Tensor]>;

export interface ReductionOps {
  sum: Reduce;
  mean: Reduce;
  rowSum: Reduce;
  argmax: Reduce;
}

/** Returns a tensor filled with factor * scalar []. */
function spread(device: Device, scalar: Tensor, like: Tensor, factor: number): Tensor {
  const ones = full(like.shape, factor, { dtype: 'f32', device });
  const out = emptyLike(ones);
  device.run('scale_by_f32', { x: ones, s: scalar, out, n: out.size });
  ones.dispose();
  const result = converted(device, out, like.dtype as 'f32' | 'bf16');
  out.dispose();
  return result;
}

function total<Name extends 'sum' | 'mean'>(name: Name): OpRow<Name, Reduce> {
  const factorFor = (x: Tensor) => (name === 'sum' ? 1 : 1 / x.size);
  return {
    name,
    shape: ([x]) => {
      expectFloat(x, name, 'x');
      return [{ shape: [], dtype: 'f32' }];
    },
    forward: (device, [x], [out]) => {
      const workspace = device.alloc(sumWorkspaceBytes(x.size), name);
      device.run('sum', { x, out, workspace, n: x.size, factor: factorFor(x), x_type: dtypeCode[x.dtype] });
      workspace.free();
    },
    save: saveNothing,
    vjp: ({ device, inputs: [x], gradients: [dy] }) => [spread(device, dy as Tensor, x, factorFor(x))],
  };
}

export const reduction: OpRows<ReductionOps> = {
  sum: total('sum'),
  mean: total('mean'),

  rowSum: {
    name: 'rowSum',
    shape: ([x]) => {
      expectDType(x, 'f32', 'rowSum', 'x');
      return [{ shape: x.shape.slice(0, -1), dtype: 'f32' }];
    },
    forward: (device, [x], [out]) => {
      const cols = lastDim(x.shape);
      device.run('row_sum', { x, out, rows: rowCount(x.shape), cols, x_ld: cols, x_type: dtypeCode.f32 });
    },
    save: saveNothing,
    vjp: ({ device, inputs: [x], gradients: [dy] }) => {
      const ones = full(x.shape, 1, x);
      const out = emptyLike(x);
      device.run('scale_rows_f32', { x: ones, s: dy, out, rows: rowCount(x.shape), cols: lastDim(x.shape) });
      ones.dispose();
      return [out];
    },
  },

  argmax: {
    name: 'argmax',
    shape: ([x]) => {
      expectFloat(x, 'argmax', 'x');
      if (x.shape.length === 0) expectRank(x, 1, 'argmax', 'x');
      return [{ shape: x.shape.slice(0, -1), dtype: 'i32' }];
    },
    forward: (device, [x], [out]) => {
      const cols = lastDim(x.shape);
      device.run('row_argmax', { x, out, rows: rowCount(x.shape), cols, x_ld: cols, x_type: dtypeCode[x.dtype] });
    },
    save: saveNothing,
    vjp: null,
  },
};

/** Sum of all elements: [], f32. */
export function sum(x: Tensor): Tensor {
  return apply(reduction.sum, [x], null)[0];
}

/** Mean of all elements: [], f32. */
export function mean(x: Tensor): Tensor {
  return apply(reduction.mean, [x], null)[0];
}

/** Sums along the last dimension: x [.., C] f32 to [..]. */
export function rowSum(x: Tensor): Tensor {
  return apply(reduction.rowSum, [x], null)[0];
}

/** Index of the largest along the last dimension, the lowest of equals: [..], i32. Has no gradient. */
export function argmax(x: Tensor): Tensor {
  return apply(reduction.argmax, [x], null)[0];
}

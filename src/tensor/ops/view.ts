// Ops that move or rename elements and compute nothing. reshape and narrow share memory with their input.
import { dtypeBytes, ShapeError, ValueError } from '../../kernels/index.ts';
import { full } from '../create.ts';
import { apply, type Op, type OpRows, saveNothing } from '../op.ts';
import { checkShape, elementCount, formatShape, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

type Reshape = Op<readonly [x: Tensor], Shape, readonly [Tensor]>;

type Copy = Op<readonly [x: Tensor], null, readonly [Tensor]>;

type Narrow = Op<readonly [x: Tensor], { readonly start: number; readonly length: number }, readonly [Tensor]>;

export interface ViewOps {
  reshape: Reshape;
  narrow: Narrow;
  copy: Copy;
}

/** Bytes of one row along the first dimension. */
function rowBytes(x: Tensor): number {
  return elementCount(x.shape.slice(1)) * dtypeBytes[x.dtype];
}

export const view: OpRows<ViewOps> = {
  reshape: {
    name: 'reshape',
    shape: ([x], shape) => {
      checkShape(shape, 'reshape');
      if (elementCount(shape) !== x.size)
        throw new ShapeError(
          'reshape',
          `expected ${x.size} elements as in ${formatShape(x.shape)}, received ${formatShape(shape)}`,
          'keep the number of elements',
        );
      return [{ shape, dtype: x.dtype, of: x }];
    },
    forward: () => {},
    save: saveNothing,
    vjp: ({ inputs: [x], gradients: [dy] }) => [(dy as Tensor).alias(x.shape)],
  },

  narrow: {
    name: 'narrow',
    shape: ([x], { start, length }) => {
      const rows = x.shape[0] ?? 0;
      if (x.shape.length === 0 || !Number.isInteger(start) || !Number.isInteger(length))
        throw new ValueError('narrow', `rows ${start} + ${length} of ${formatShape(x.shape)}`, 'pass whole numbers');
      if (start < 0 || length < 0 || start + length > rows)
        throw new ValueError(
          'narrow',
          `expected rows within 0 to ${rows} of ${formatShape(x.shape)}, received ${start} to ${start + length}`,
          'correct start or length',
        );
      return [{ shape: [length, ...x.shape.slice(1)], dtype: x.dtype, of: x, offsetBytes: start * rowBytes(x) }];
    },
    forward: () => {},
    save: saveNothing,
    vjp: ({ device, inputs: [x], params: { start }, gradients: [dy] }) => {
      const dx = full(x.shape, 0, x);
      const part = dy as Tensor;
      device.run('copy_bytes', { from: part, to: dx.address + start * rowBytes(x), n: part.bytes });
      return [dx];
    },
  },

  copy: {
    name: 'copy',
    shape: ([x]) => [{ shape: x.shape, dtype: x.dtype }],
    forward: (device, [x], [out]) => device.run('copy_bytes', { from: x, to: out, n: x.bytes }),
    save: saveNothing,
    vjp: ({ gradients: [dy] }) => [(dy as Tensor).alias()],
  },
};

/** The same elements in another shape of equal size; shares memory. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  return apply(view.reshape, [x], shape)[0];
}

/** Rows start to start + length along the first dimension; shares memory. */
export function narrow(x: Tensor, start: number, length: number): Tensor {
  return apply(view.narrow, [x], { start, length })[0];
}

/** The same elements in memory of their own. */
export function copy(x: Tensor): Tensor {
  return apply(view.copy, [x], null)[0];
}

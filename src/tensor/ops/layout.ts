// Ops that copy elements to another order: parts and joins of the last or first dimension, permuted axes, repeated
// rows.
import { type Device, dtypeBytes, dtypeCode, ShapeError, ValueError } from '../../kernels/index.ts';
import { full } from '../create.ts';
import { apply, type Op, type OpRows, saveNothing } from '../op.ts';
import {
  expectFloat,
  expectSameDType,
  expectShape,
  formatShape,
  lastDim,
  rowCount,
  type Shape,
  withLast,
} from '../shape.ts';
import { empty, type Tensor } from '../tensor.ts';
import { converted } from './elementwise.ts';

type Concat = Op<readonly Tensor[], null, readonly [Tensor]>;

type ConcatRows = Op<readonly Tensor[], null, readonly [Tensor]>;

type Split = Op<readonly [x: Tensor], readonly number[], readonly Tensor[]>;

type Permute = Op<readonly [x: Tensor], readonly number[], readonly [Tensor]>;

type RepeatRow = Op<readonly [x: Tensor], number, readonly [Tensor]>;

export interface LayoutOps {
  concat: Concat;
  concatRows: ConcatRows;
  split: Split;
  permute: Permute;
  repeatRow: RepeatRow;
}

/** Copies all columns of `part` into `whole` from column `column` on, or back. */
function copyColumns(device: Device, part: Tensor, whole: Tensor, column: number, toWhole: boolean): void {
  const width = dtypeBytes[part.dtype];
  const [partLd, wholeLd] = [lastDim(part.shape) * width, lastDim(whole.shape) * width];
  const at = whole.address + column * width;
  const sizes = { rows: rowCount(part.shape), row_bytes: partLd };
  if (toWhole) device.run('copy_columns', { from: part, to: at, from_ld: partLd, to_ld: wholeLd, ...sizes });
  else device.run('copy_columns', { from: at, to: part, from_ld: wholeLd, to_ld: partLd, ...sizes });
}

function copyParts(device: Device, parts: readonly Tensor[], whole: Tensor, toWhole: boolean): void {
  let column = 0;
  for (const part of parts) {
    copyColumns(device, part, whole, column, toWhole);
    column += lastDim(part.shape);
  }
}

/** Row-major strides, in elements. */
function rowMajorStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

/** Copies with the axes of `out` read from `x` at strides `from`; at most four axes. */
function permuteInto(device: Device, x: Tensor, out: Tensor, shape: Shape, from: readonly number[]): void {
  const pad = new Array<number>(4 - shape.length);
  const [n0, n1, n2, n3] = [...pad.fill(1), ...shape] as [number, number, number, number];
  const [f0, f1, f2, f3] = [...pad.fill(0), ...from] as [number, number, number, number];
  const [t0, t1, t2, t3] = [...pad.fill(0), ...rowMajorStrides(shape)] as [number, number, number, number];
  const strides = { f0, f1, f2, f3, t0, t1, t2, t3 };
  device.run('permute', { from: x, to: out, n0, n1, n2, n3, ...strides, width: dtypeBytes[x.dtype] });
}

function permuted(device: Device, x: Tensor, order: readonly number[], out: Tensor): void {
  const strides = rowMajorStrides(x.shape);
  permuteInto(
    device,
    x,
    out,
    out.shape,
    order.map((axis) => strides[axis]),
  );
}

/**
 * dy [.., n, C] summed over n in f32: [.., C] in the format of `like`. By rows of the permuted [.., C, n], in the fixed
 * order of row_sum.
 */
function sumOfRepeats(device: Device, dy: Tensor, like: Tensor): Tensor {
  const [rows, cols] = [rowCount(like.shape), lastDim(like.shape)];
  const n = dy.size / Math.max(1, like.size);
  const turned = empty([rows, cols, n], dy.dtype, device);
  permuteInto(device, dy, turned, [rows, cols, n], [n * cols, 1, cols]);
  const sum = empty(like.shape, 'f32', device);
  device.run('row_sum', { x: turned, out: sum, rows: rows * cols, cols: n, x_ld: n, x_type: dtypeCode[dy.dtype] });
  turned.dispose();
  const out = converted(device, sum, like.dtype as 'f32' | 'bf16');
  sum.dispose();
  return out;
}

/** Whether each tensor begins where the one before it ends, in the same memory. */
function areAdjacent(parts: readonly Tensor[]): boolean {
  return parts.every((part, i) => {
    const before = parts[i - 1];
    return i === 0 || (part.storage === before.storage && part.address === before.address + before.bytes);
  });
}

/** A row for concat and concatRows: checks that the parts agree in all but the dimension that is joined. */
function expectParts(op: string, parts: readonly Tensor[], free: (shape: Shape) => Shape): Tensor {
  const [first] = parts;
  if (first === undefined || first.shape.length === 0)
    throw new ValueError(op, 'expected tensors of one dimension at least, received none', 'pass some');
  for (const [i, part] of parts.entries()) {
    expectSameDType(first, part, op, `inputs 0 and ${i}`);
    expectShape(part, free(first.shape), op, `input ${i}`);
  }
  return first;
}

export const layout: OpRows<LayoutOps> = {
  concat: {
    name: 'concat',
    shape: (parts) => {
      const first = expectParts('concat', parts, (shape) => withLast(shape, -1));
      const cols = parts.reduce((sum, part) => sum + lastDim(part.shape), 0);
      return [{ shape: withLast(first.shape, cols), dtype: first.dtype }];
    },
    forward: (device, parts, [out]) => copyParts(device, parts, out, true),
    save: saveNothing,
    vjp: ({ device, inputs, gradients: [dy], needs }) => {
      let column = 0;
      return inputs.map((part, i) => {
        const at = column;
        column += lastDim(part.shape);
        if (!needs[i]) return null;
        const dx = empty(part.shape, part.dtype, device);
        copyColumns(device, dx, dy as Tensor, at, false);
        return dx;
      });
    },
  },

  concatRows: {
    name: 'concatRows',
    shape: (parts) => {
      const first = expectParts('concatRows', parts, ([, ...rest]) => [-1, ...rest]);
      const rows = parts.reduce((sum, part) => sum + part.shape[0], 0);
      const spec = { shape: [rows, ...first.shape.slice(1)], dtype: first.dtype };
      return [areAdjacent(parts) ? { ...spec, of: first } : spec];
    },
    forward: (device, parts, [out]) => {
      if (areAdjacent(parts)) return;
      let to = out.address;
      for (const part of parts) {
        device.run('copy_bytes', { from: part, to, n: part.bytes });
        to += part.bytes;
      }
    },
    save: saveNothing,
    vjp: ({ inputs: parts, gradients: [dy] }) => {
      let from = 0;
      return parts.map((part) => {
        const dx = (dy as Tensor).alias(part.shape, from);
        from += part.bytes;
        return dx;
      });
    },
  },

  split: {
    name: 'split',
    shape: ([x], sizes) => {
      if (sizes.reduce((sum, size) => sum + size, 0) !== lastDim(x.shape) || sizes.some((size) => size < 0))
        throw new ShapeError(
          'split',
          `expected sizes that add up to the last dimension of ${formatShape(x.shape)}, received ${formatShape(sizes)}`,
          'correct the sizes',
        );
      return sizes.map((size) => ({ shape: withLast(x.shape, size), dtype: x.dtype }));
    },
    forward: (device, [x], parts) => copyParts(device, parts, x, false),
    save: saveNothing,
    vjp: ({ device, inputs: [x], outputs, gradients }) => {
      const whole = gradients.every((dy) => dy !== null) ? empty(x.shape, x.dtype, device) : full(x.shape, 0, x);
      let column = 0;
      for (const [i, part] of outputs.entries()) {
        const dy = gradients[i];
        if (dy !== null) copyColumns(device, dy, whole, column, true);
        column += lastDim(part.shape);
      }
      return [whole];
    },
  },

  permute: {
    name: 'permute',
    shape: ([x], order) => {
      const rank = x.shape.length;
      const isOrder = order.length === rank && x.shape.every((_, axis) => order.includes(axis));
      if (!isOrder || rank > 4)
        throw new ShapeError(
          'permute',
          `expected an order of the ${rank} axes (at most 4) of ${formatShape(x.shape)}, ` +
            `received ${formatShape(order)}`,
          'name every axis once',
        );
      return [{ shape: order.map((axis) => x.shape[axis]), dtype: x.dtype }];
    },
    forward: (device, [x], [out], order) => permuted(device, x, order, out),
    save: saveNothing,
    vjp: ({ device, inputs: [x], params: order, gradients: [dy] }) => {
      const dx = empty(x.shape, x.dtype, device);
      permuted(
        device,
        dy as Tensor,
        order.map((_, axis) => order.indexOf(axis)),
        dx,
      );
      return [dx];
    },
  },

  repeatRow: {
    name: 'repeatRow',
    shape: ([x], n) => {
      expectFloat(x, 'repeatRow', 'x');
      if (x.shape.length === 0 || !(Number.isInteger(n) && n > 0))
        throw new ValueError(
          'repeatRow',
          `${n} times ${formatShape(x.shape)}`,
          'repeat rows a positive number of times',
        );
      return [{ shape: [...x.shape.slice(0, -1), n, lastDim(x.shape)], dtype: x.dtype }];
    },
    forward: (device, [x], [out], n) => {
      const cols = lastDim(x.shape);
      permuteInto(device, x, out, [rowCount(x.shape), n, cols], [cols, 0, 1]);
    },
    save: saveNothing,
    vjp: ({ device, inputs: [x], gradients: [dy] }) => [sumOfRepeats(device, dy as Tensor, x)],
  },
};

/** Joins tensors [.., C0], [.., C1], ... along the last dimension. */
export function concat(parts: readonly Tensor[]): Tensor {
  return apply(layout.concat, parts, null)[0];
}

/** Joins tensors [N0, ..], [N1, ..], ... along the first dimension; without a copy where they lie side by side. */
export function concatRows(parts: readonly Tensor[]): Tensor {
  return apply(layout.concatRows, parts, null)[0];
}

/** Cuts x [.., C] along the last dimension into parts of the given sizes, which add up to C. */
export function split(x: Tensor, sizes: readonly number[]): readonly Tensor[] {
  return apply(layout.split, [x], sizes);
}

/** Axis i of the result is axis order[i] of x; at most four axes. */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  return apply(layout.permute, [x], order)[0];
}

/** x [.., C] to [.., n, C]: every row n times (one rotary key for all heads). f32 or bf16. */
export function repeatRow(x: Tensor, n: number): Tensor {
  return apply(layout.repeatRow, [x], n)[0];
}

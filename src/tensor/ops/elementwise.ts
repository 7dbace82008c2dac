// Ops that treat every element alone, and the two that repeat a row or a column. Formats f32 and bf16; no broadcasting.
import { columnSumWorkspaceBytes, type Device, dtypeCode } from '../../kernels/index.ts';
import { apply, type Op, type OpRow, type OpRows, type OutputSpec, saveNothing } from '../op.ts';
import {
  expectDType,
  expectFloat,
  expectSameDType,
  expectSameShape,
  expectShape,
  expectTensor,
  lastDim,
  rowCount,
} from '../shape.ts';
import { empty, emptyLike, type Tensor } from '../tensor.ts';

type Unary = Op<readonly [x: Tensor], null, readonly [Tensor]>;

type Binary = Op<readonly [a: Tensor, b: Tensor], null, readonly [Tensor]>;

type Scale = Op<readonly [x: Tensor], number, readonly [Tensor]>;

type Cast = Op<readonly [x: Tensor], 'f32' | 'bf16', readonly [Tensor]>;

export interface ElementwiseOps {
  add: Binary;
  sub: Binary;
  mul: Binary;
  scale: Scale;
  addRow: Binary;
  scaleRows: Binary;
  silu: Unary;
  sigmoid: Unary;
  exp: Unary;
  log: Unary;
  cast: Cast;
}

type Float = 'f32' | 'bf16';

type UnaryKernel = `silu_${Float}` | `${'sigmoid' | 'exp' | 'log'}_f32` | 'cast_f32_bf16' | 'cast_bf16_f32';
type BinaryKernel = `${'add' | 'sub' | 'mul' | 'silu_backward'}_${Float}` | 'div_f32' | 'sigmoid_backward_f32';

function floatDType(x: Tensor): Float {
  return x.dtype as Float;
}

function alike(op: string, a: Tensor, b: Tensor): [OutputSpec] {
  expectFloat(a, op, 'a');
  expectSameDType(a, b, op, 'a and b');
  expectSameShape(a, b, op, 'a and b');
  return [a];
}

function unary(device: Device, kernel: UnaryKernel, x: Tensor, out: Tensor): Tensor {
  device.run(kernel, { x, out, n: x.size });
  return out;
}

function binary(device: Device, kernel: BinaryKernel, a: Tensor, b: Tensor, out: Tensor): Tensor {
  device.run(kernel, { a, b, out, n: a.size });
  return out;
}

function scaled(device: Device, x: Tensor, factor: number): Tensor {
  const out = emptyLike(x);
  device.run(`scale_${floatDType(x)}`, { x, out, n: x.size, s: factor });
  return out;
}

function multiplied(device: Device, a: Tensor, b: Tensor): Tensor {
  return binary(device, `mul_${floatDType(a)}`, a, b, emptyLike(a));
}

/** Sum over all rows of x [.., C]: [C], f32. */
function columnSum(device: Device, x: Tensor): Tensor {
  const [rows, cols] = [rowCount(x.shape), lastDim(x.shape)];
  const out = empty([cols], 'f32', device);
  const workspace = device.alloc(columnSumWorkspaceBytes(rows, cols), 'columnSum');
  device.run('column_sum', { x, out, workspace, rows, cols, x_ld: cols, x_type: dtypeCode[x.dtype], accumulate: 0 });
  workspace.free();
  return out;
}

/** Dot products of the rows of a and b [.., C]: [..], f32. */
function rowDot(device: Device, a: Tensor, b: Tensor): Tensor {
  const [rows, cols] = [rowCount(a.shape), lastDim(a.shape)];
  const out = empty(a.shape.slice(0, -1), 'f32', device);
  const types = { a_type: dtypeCode[a.dtype], b_type: dtypeCode[b.dtype] };
  device.run('row_dot', { a, b, out, rows, cols, a_ld: cols, b_ld: cols, ...types });
  return out;
}

function scaleRowsBy(device: Device, x: Tensor, s: Tensor, out: Tensor): Tensor {
  device.run(`scale_rows_${floatDType(x)}`, { x, s, out, rows: rowCount(x.shape), cols: lastDim(x.shape) });
  return out;
}

/** An f32 op of one input, with its gradient from the kernel's input or output. */
function pointwise<Name extends 'sigmoid' | 'exp' | 'log'>(
  name: Name,
  saved: 'input' | 'output',
  backward: BinaryKernel,
): OpRow<Name, Unary> {
  return {
    name,
    shape: ([x]) => {
      expectDType(x, 'f32', name, 'x');
      return [x];
    },
    forward: (device, [x], [out]) => unary(device, `${name}_f32`, x, out),
    save: ([x], [out]) => [saved === 'input' ? x : out],
    vjp: ({ device, inputs: [x], outputs: [out], gradients: [dy] }) => {
      const value = saved === 'input' ? x : out;
      // log: dy / x; the others: kernel(y, dy)
      const [a, b] = name === 'log' ? [dy as Tensor, value] : [value, dy as Tensor];
      return [binary(device, backward, a, b, emptyLike(x))];
    },
  };
}

const rowOps: Pick<OpRows<ElementwiseOps>, 'addRow' | 'scaleRows'> = {
  addRow: {
    name: 'addRow',
    shape: ([x, row]) => {
      expectFloat(x, 'addRow', 'x');
      expectTensor(row, 'f32', [lastDim(x.shape)], 'addRow', 'row');
      return [x];
    },
    forward: (device, [x, row], [out]) => {
      device.run(`add_row_${floatDType(x)}`, { x, row, out, rows: rowCount(x.shape), cols: lastDim(x.shape) });
    },
    save: saveNothing,
    vjp: ({ device, gradients: [dy], needs }) => [
      needs[0] && (dy as Tensor).alias(),
      needs[1] && columnSum(device, dy as Tensor),
    ],
  },

  scaleRows: {
    name: 'scaleRows',
    shape: ([x, s]) => {
      expectFloat(x, 'scaleRows', 'x');
      expectDType(s, 'f32', 'scaleRows', 's');
      expectShape(s, x.shape.slice(0, -1), 'scaleRows', 's');
      return [x];
    },
    forward: (device, [x, s], [out]) => scaleRowsBy(device, x, s, out),
    save: ([x, s], _, needs) => [needs[0] && s, needs[1] && x],
    vjp: ({ device, inputs: [x, s], gradients: [dy], needs }) => [
      needs[0] && scaleRowsBy(device, dy as Tensor, s, emptyLike(x)),
      needs[1] && rowDot(device, dy as Tensor, x),
    ],
  },
};

export const elementwise: OpRows<ElementwiseOps> = {
  ...rowOps,

  add: {
    name: 'add',
    shape: ([a, b]) => alike('add', a, b),
    forward: (device, [a, b], [out]) => binary(device, `add_${floatDType(a)}`, a, b, out),
    save: saveNothing,
    vjp: ({ gradients: [dy], needs }) => [needs[0] && (dy as Tensor).alias(), needs[1] && (dy as Tensor).alias()],
  },

  sub: {
    name: 'sub',
    shape: ([a, b]) => alike('sub', a, b),
    forward: (device, [a, b], [out]) => binary(device, `sub_${floatDType(a)}`, a, b, out),
    save: saveNothing,
    vjp: ({ device, gradients: [dy], needs }) => [
      needs[0] && (dy as Tensor).alias(),
      needs[1] && scaled(device, dy as Tensor, -1),
    ],
  },

  mul: {
    name: 'mul',
    shape: ([a, b]) => alike('mul', a, b),
    forward: (device, [a, b], [out]) => binary(device, `mul_${floatDType(a)}`, a, b, out),
    save: ([a, b], _, needs) => [needs[0] && b, needs[1] && a],
    vjp: ({ device, inputs: [a, b], gradients: [dy], needs }) => [
      needs[0] && multiplied(device, dy as Tensor, b),
      needs[1] && multiplied(device, dy as Tensor, a),
    ],
  },

  scale: {
    name: 'scale',
    shape: ([x]) => {
      expectFloat(x, 'scale', 'x');
      return [x];
    },
    forward: (device, [x], [out], factor) => device.run(`scale_${floatDType(x)}`, { x, out, n: x.size, s: factor }),
    save: saveNothing,
    vjp: ({ device, gradients: [dy], params }) => [scaled(device, dy as Tensor, params)],
  },

  silu: {
    name: 'silu',
    shape: ([x]) => {
      expectFloat(x, 'silu', 'x');
      return [x];
    },
    forward: (device, [x], [out]) => unary(device, `silu_${floatDType(x)}`, x, out),
    save: ([x]) => [x],
    vjp: ({ device, inputs: [x], gradients: [dy] }) => [
      binary(device, `silu_backward_${floatDType(x)}`, x, dy as Tensor, emptyLike(x)),
    ],
  },

  sigmoid: pointwise('sigmoid', 'output', 'sigmoid_backward_f32'),
  exp: pointwise('exp', 'output', 'mul_f32'),
  log: pointwise('log', 'input', 'div_f32'),

  cast: {
    name: 'cast',
    shape: ([x], dtype) => {
      expectFloat(x, 'cast', 'x');
      return [x.dtype === dtype ? { shape: x.shape, dtype, of: x } : { shape: x.shape, dtype }];
    },
    forward: (device, [x], [out]) => {
      if (x.dtype !== out.dtype) unary(device, x.dtype === 'f32' ? 'cast_f32_bf16' : 'cast_bf16_f32', x, out);
    },
    save: saveNothing,
    vjp: ({ device, inputs: [x], gradients: [dy] }) => [converted(device, dy as Tensor, floatDType(x))],
  },
};

/** The same values in another format; another handle where it is that format already. */
export function converted(device: Device, x: Tensor, dtype: Float): Tensor {
  if (x.dtype === dtype) return x.alias();
  return unary(device, dtype === 'f32' ? 'cast_bf16_f32' : 'cast_f32_bf16', x, empty(x.shape, dtype, device));
}

/** a + b, of one shape and format. */
export function add(a: Tensor, b: Tensor): Tensor {
  return apply(elementwise.add, [a, b], null)[0];
}

/** a - b, of one shape and format. */
export function sub(a: Tensor, b: Tensor): Tensor {
  return apply(elementwise.sub, [a, b], null)[0];
}

/** a * b element by element, of one shape and format. */
export function mul(a: Tensor, b: Tensor): Tensor {
  return apply(elementwise.mul, [a, b], null)[0];
}

/** factor * x. The factor is a constant: a recording bakes it in. */
export function scale(x: Tensor, factor: number): Tensor {
  return apply(elementwise.scale, [x], factor)[0];
}

/** x [.., C] + row [C], the row added to every row (a bias). row is f32. */
export function addRow(x: Tensor, row: Tensor): Tensor {
  return apply(elementwise.addRow, [x, row], null)[0];
}

/** x [.., C] * s [..]: every row times its own number (a mask, an advantage). s is f32. */
export function scaleRows(x: Tensor, s: Tensor): Tensor {
  return apply(elementwise.scaleRows, [x, s], null)[0];
}

/** silu(x) = x * sigmoid(x) */
export function silu(x: Tensor): Tensor {
  return apply(elementwise.silu, [x], null)[0];
}

/** 1 / (1 + exp(-x)), f32 */
export function sigmoid(x: Tensor): Tensor {
  return apply(elementwise.sigmoid, [x], null)[0];
}

/** e^x, f32 */
export function exp(x: Tensor): Tensor {
  return apply(elementwise.exp, [x], null)[0];
}

/** Natural logarithm, f32. */
export function log(x: Tensor): Tensor {
  return apply(elementwise.log, [x], null)[0];
}

/** Rounds to bf16 (nearest even), or widens to f32; x itself where it has the format. */
export function cast(x: Tensor, dtype: 'f32' | 'bf16'): Tensor {
  return apply(elementwise.cast, [x], dtype)[0];
}

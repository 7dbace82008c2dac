// Shapes: plain arrays of whole numbers, row-major, and errors about them.

import type { DType } from '../kernels/index.ts';
import { DTypeError, ShapeError } from '../kernels/index.ts';

export type Shape = readonly number[];

/** The part of a tensor that a shape check needs. */
interface Shaped {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Returns the number of elements. */
export function elementCount(shape: Shape): number {
  let size = 1;
  for (let i = 0; i < shape.length; i++) size *= shape[i];
  return size;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** `[2, 3]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** Returns the last dimension; 1 for a scalar. */
export function lastDim(shape: Shape): number {
  return shape.length === 0 ? 1 : shape[shape.length - 1];
}

/** Returns the product of all dimensions but the last. */
export function rowCount(shape: Shape): number {
  let rows = 1;
  for (let i = 0; i < shape.length - 1; i++) rows *= shape[i];
  return rows;
}

/** Returns the shape with another last dimension. */
export function withLast(shape: Shape, last: number): Shape {
  const result = shape.slice();
  result[result.length - 1] = last;
  return result;
}

export function checkShape(shape: Shape, op: string): void {
  for (const n of shape)
    if (!(Number.isInteger(n) && n >= 0))
      throw new ShapeError(op, `shape ${formatShape(shape)} is not made of whole numbers`, 'correct the dimensions');
}

/**
 * Asserts a tensor's shape where an op or a module begins: `expectShape(q, [B, T, H * N], 'mla', 'q')`.
 * A dimension of -1 stands for any.
 */
export function expectShape(tensor: Shaped, expected: Shape, op: string, name = 'input', remedy?: string): void {
  const { shape } = tensor;
  let fits = shape.length === expected.length;
  for (let i = 0; fits && i < expected.length; i++) fits = expected[i] === -1 || shape[i] === expected[i];
  if (fits) return;
  const pattern = `[${expected.map((n) => (n === -1 ? 'any' : n)).join(', ')}]`;
  throw new ShapeError(
    op,
    `${name} has the wrong shape: expected ${pattern}, received ${formatShape(shape)}`,
    remedy ?? 'reshape or slice it, or check which tensor was passed',
  );
}

export function expectSameShape(a: Shaped, b: Shaped, op: string, names = 'the inputs'): void {
  if (!sameShape(a.shape, b.shape))
    throw new ShapeError(
      op,
      `${names} differ in shape: ${formatShape(a.shape)} and ${formatShape(b.shape)}`,
      'reshape one of them; there is no broadcasting',
    );
}

export function expectRank(tensor: Shaped, rank: number, op: string, name = 'input'): void {
  if (tensor.shape.length !== rank)
    throw new ShapeError(
      op,
      `${name} has ${tensor.shape.length} dimensions: expected ${rank}, received ${formatShape(tensor.shape)}`,
      'reshape it',
    );
}

export function expectDType(tensor: Shaped, dtype: DType, op: string, name = 'input'): void {
  if (tensor.dtype !== dtype)
    throw new DTypeError(
      op,
      `${name} has the wrong format: expected ${dtype}, received ${tensor.dtype} ${formatShape(tensor.shape)}`,
      `convert it with cast(x, '${dtype}')`,
    );
}

/** Asserts a tensor's format, then its shape. */
export function expectTensor(x: Shaped, dtype: DType, shape: Shape, op: string, name: string, remedy?: string): void {
  expectDType(x, dtype, op, name);
  expectShape(x, shape, op, name, remedy);
}

/** Asserts that two tensors have one shape and one format. */
export function expectAlike(a: Shaped, b: Shaped, op: string, names: string): void {
  expectSameShape(a, b, op, names);
  expectSameDType(a, b, op, names);
}

/** f32 or bf16: the formats that gradients have. */
export function expectFloat(tensor: Shaped, op: string, name = 'input'): void {
  if (tensor.dtype !== 'f32' && tensor.dtype !== 'bf16')
    throw new DTypeError(
      op,
      `${name} has the wrong format: expected f32 or bf16, received ${tensor.dtype} ${formatShape(tensor.shape)}`,
      "convert it with cast(x, 'f32')",
    );
}

export function expectSameDType(a: Shaped, b: Shaped, op: string, names = 'the inputs'): void {
  if (a.dtype !== b.dtype)
    throw new DTypeError(op, `${names} differ in format: ${a.dtype} and ${b.dtype}`, 'cast one of them');
}

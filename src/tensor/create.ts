// Tensors from values: arrays, constants, random numbers.
import type { Data, Device, DType } from '../kernels/index.ts';
import { newData, ShapeError, toBf16, toE4m3 } from '../kernels/index.ts';
import { fillNormal, fillUniform } from '../math/index.ts';
import { currentDevice } from './current-device.ts';
import { checkShape, elementCount, formatShape, type Shape } from './shape.ts';
import { empty, type Tensor, zeroed } from './tensor.ts';

export interface CreateOptions {
  /** @default f32, or the format of a typed array: Float32Array f32, Uint16Array bf16, Int32Array i32, Uint8Array u8 */
  dtype?: DType;
  /** @default the current device, see useDevice */
  device?: Device;
}

function defaultDType(values: Data | readonly number[]): DType {
  if (values instanceof Int32Array) return 'i32';
  if (values instanceof Uint16Array) return 'bf16';
  if (values instanceof Uint8Array) return 'u8';
  return 'f32';
}

/** Numbers in a format: rounded to nearest even for bf16 and e4m3 (saturating). */
export function encodeNumbers(values: Iterable<number> & { length: number }, dtype: DType): Data {
  const data = newData(dtype, values.length);
  const encode = dtype === 'bf16' ? toBf16 : dtype === 'e4m3' ? toE4m3 : (x: number) => x;
  let i = 0;
  for (const value of values) data[i++] = encode(value);
  return data;
}

/**
 * A tensor of the given values, row after row. Plain arrays and Float32Arrays are numbers, rounded to `dtype`; the
 * other typed arrays are taken as they are (bf16 and e4m3 as codes). Throws ShapeError when counts differ.
 */
export function fromArray(values: Data | readonly number[], shape: Shape, options: CreateOptions = {}): Tensor {
  checkShape(shape, 'fromArray');
  if (elementCount(shape) !== values.length)
    throw new ShapeError(
      'fromArray',
      `shape ${formatShape(shape)} has ${elementCount(shape)} elements, received ${values.length} values`,
      'correct the shape or the values',
    );
  const dtype = options.dtype ?? defaultDType(values);
  const isCode = ArrayBuffer.isView(values) && !(values instanceof Float32Array);
  const isStored = isCode || (values instanceof Float32Array && dtype === 'f32');
  const tensor = empty(shape, dtype, options.device ?? currentDevice(), 'fromArray');
  const data = isStored ? (values as Data) : encodeNumbers(values as number[], dtype);
  tensor.device.write(tensor.storage.buffer, data);
  return tensor;
}

/** Every element `value`. While a list is recorded: f32, bf16, or zeros. */
export function full(shape: Shape, value: number, options: CreateOptions = {}): Tensor {
  checkShape(shape, 'full');
  const { dtype = 'f32', device = currentDevice() } = options;
  const tensor = (value === 0 ? zeroed : empty)(shape, dtype, device, 'full');
  if (value === 0) tensor.storage.change();
  else fill(tensor, value);
  return tensor;
}

export function zeros(shape: Shape, options: CreateOptions = {}): Tensor {
  return full(shape, 0, options);
}

/** 0, step, 2 step, ...: [n] i32. Works while a list is recorded. */
export function range(n: number, step = 1, options: Omit<CreateOptions, 'dtype'> = {}): Tensor {
  checkShape([n], 'range');
  const { device = currentDevice() } = options;
  const tensor = empty([n], 'i32', device, 'range');
  device.run('range_i32', { out: tensor, n, step });
  return tensor;
}

/** Overwrites every element, in queue order. Works while a list is recorded, for i32, u8 and e4m3 with 0 only. */
export function fill(tensor: Tensor, value: number): void {
  tensor.use('fill');
  const { device, dtype, storage } = tensor;
  if (value === 0) device.run('zero_bytes', { to: tensor, n: tensor.bytes });
  else if (dtype === 'f32' || dtype === 'bf16') device.run(`fill_${dtype}`, { out: tensor, n: tensor.size, value });
  else
    device.write(storage.buffer, encodeNumbers(new Float32Array(tensor.size).fill(value), dtype), tensor.offsetBytes);
  storage.change();
}

/** Uniform in [low, high): element i is number i of stream `seed`, the same on every machine. */
export function uniform(shape: Shape, seed: number, low = 0, high = 1, options: CreateOptions = {}): Tensor {
  const values = new Float32Array(elementCount(shape));
  fillUniform(values, seed, low, high);
  return fromArray(values, shape, options);
}

/** Normal with mean 0: element i is number i of stream `seed`, the same on every machine. */
export function randn(shape: Shape, seed: number, deviation = 1, options: CreateOptions = {}): Tensor {
  const { dtype = 'f32', device = currentDevice() } = options;
  if (dtype !== 'f32') {
    const values = new Float32Array(elementCount(shape));
    fillNormal(values, seed, deviation);
    return fromArray(values, shape, options);
  }
  checkShape(shape, 'randn');
  const tensor = empty(shape, 'f32', device, 'randn');
  device.run('fill_normal_f32', { out: tensor, n: tensor.size, seed, deviation });
  tensor.storage.change();
  return tensor;
}

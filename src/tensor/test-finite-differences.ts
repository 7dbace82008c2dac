// Finite differences: the one check that any vjp is the derivative of its forward.
//
// The outputs are projected on fixed random directions r, so that loss = sum r * out is a number, summed here in
// float64. For each element of each input the five-point stencil (f(-2h) - 8 f(-h) + 8 f(h) - f(2h)) / 12h is compared
// with what the tape gives for seed r. h = 1/32 keeps both errors small for f32 kernels: the stencil's own is
// h^4/30 f''''' (3e-8 of it), rounding is about 1e-7 / h (3e-6 of the outputs). A wrong factor, a wrong saved tensor or
// a dropped term shows as an error of the gradient's own size.
import type { Device } from '../kernels/index.ts';
import { Random } from '../math/index.ts';
import { fromArray } from './create.ts';
import { scope } from './scope.ts';
import type { Shape } from './shape.ts';
import { Tape } from './tape.ts';
import type { Tensor } from './tensor.ts';

/** An input of the function under test: f32 values are differentiated unless `fixed`. */
export interface Point {
  readonly values: Float32Array | Int32Array;
  readonly shape: Shape;
  readonly fixed?: boolean;
}

interface GradientError {
  readonly input: number;
  readonly at: number;
  readonly expected: number;
  readonly received: number;
  /** |received - expected| over (|expected| + root mean square of the expected gradient). */
  readonly relative: number;
}

const step = 1 / 32;
const stencil = [
  [-2, 1 / 12],
  [-1, -8 / 12],
  [1, 8 / 12],
  [2, -1 / 12],
] as const;

type Function = (inputs: readonly Tensor[]) => readonly Tensor[];

async function project(device: Device, f: Function, points: readonly Point[], seed: number): Promise<number> {
  const outputs = scope(() => f(points.map((p) => fromArray(p.values, p.shape, { device }))));
  let sum = 0;
  for (const [o, out] of outputs.entries()) {
    const values = await out.read();
    if (out.dtype === 'f32') for (let i = 0; i < values.length; i++) sum += values[i] * direction(seed, o, i);
    out.dispose();
  }
  return sum;
}

/** A multiple of 1/64, so that the seed is exact in every format. */
function direction(seed: number, output: number, index: number): number {
  return Math.round(new Random(seed, output, index).normal() * 64) / 64;
}

/** Gradients by the tape; only the memory that ops saved may be used, for the rest is freed with its scope. */
async function byTape(device: Device, f: Function, points: readonly Point[], seed: number): Promise<Float64Array[]> {
  const made = scope(() => {
    const inputs = points.map((p) => fromArray(p.values, p.shape, { device }));
    const differentiable = inputs.filter((_, i) => !points[i]?.fixed && inputs[i]?.dtype === 'f32');
    const sums = differentiable.map(() => [] as Tensor[]);
    const count = scope(() => f(inputs).length);
    for (let o = 0; o < count; o++) {
      const tape = new Tape(differentiable);
      const out = scope(() => tape.run(() => f(inputs))[o]);
      if (out.dtype !== 'f32') continue;
      const values = Float32Array.from({ length: out.size }, (_, i) => direction(seed, o, i));
      const gradients = tape.backward(out, fromArray(values, out.shape, { device }));
      for (const [i, gradient] of gradients.entries()) sums[i]?.push(gradient);
    }
    return sums;
  });
  const results: Float64Array[] = [];
  for (const gradients of made) {
    const total = new Float64Array(gradients[0]?.size ?? 0);
    for (const gradient of gradients) {
      const values = await gradient.read();
      for (let i = 0; i < total.length; i++) total[i] = total[i] + values[i];
      gradient.dispose();
    }
    results.push(total);
  }
  return results;
}

/** The worst disagreement between tape and finite differences over all elements of all inputs that are not fixed. */
export async function gradientError(
  device: Device,
  f: Function,
  points: readonly Point[],
  seed = 1,
): Promise<GradientError> {
  const analytic = await byTape(device, f, points, seed);
  let worst: GradientError = { input: -1, at: -1, expected: 0, received: 0, relative: 0 };
  let next = 0;
  for (const [input, point] of points.entries()) {
    if (point.fixed || !(point.values instanceof Float32Array)) continue;
    const received = analytic[next++];
    const expected = await byDifferences(device, f, points, input, seed);
    const level = Math.sqrt(expected.reduce((s, x) => s + x * x, 0) / Math.max(1, expected.length));
    for (let at = 0; at < expected.length; at++) {
      const [e, r] = [expected[at], received[at]];
      const relative = Math.abs(r - e) / (Math.abs(e) + level || 1);
      if (!(relative <= worst.relative)) worst = { input, at, expected: e, received: r, relative };
    }
  }
  return worst;
}

async function byDifferences(
  device: Device,
  f: Function,
  points: readonly Point[],
  input: number,
  seed: number,
): Promise<Float64Array> {
  const point = points[input];
  const result = new Float64Array(point.values.length);
  const center = await project(device, f, points, seed); // so that a gradient of zero is exactly zero
  for (let at = 0; at < result.length; at++) {
    for (const [steps, weight] of stencil) {
      const values = Float32Array.from(point.values);
      values[at] = point.values[at] + steps * step;
      const moved = points.map((p, i) => (i === input ? { ...p, values } : p));
      result[at] = result[at] + (weight / step) * ((await project(device, f, moved, seed)) - center);
    }
  }
  return result;
}

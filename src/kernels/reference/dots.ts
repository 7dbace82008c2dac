// Sums of products as each arithmetic rounds them (arithmetic.ts), to the bit: what a build must equal.
//
// Products of two f32 are exact in f64 here. A sum in f64 is rounded to odd, so that rounding it to f32 rounds once.
import type { Arithmetic } from '../arithmetic.ts';

const smallestNormal = 2 ** -126;
const number = new Float64Array(1);
const bits = new BigUint64Array(number.buffer);

/** Returns a + b in f64, rounded to odd. */
function addToOdd(a: number, b: number): number {
  const sum = a + b;
  const part = sum - a;
  const error = a - (sum - part) + (b - part);
  if (error === 0 || !Number.isFinite(error)) return sum;
  number[0] = sum;
  if ((bits[0] & 1n) === 0n) bits[0] += error > 0 === sum > 0 ? 1n : -1n;
  return number[0];
}

/** Returns a times b plus c in f32, rounded once to nearest even. */
export function fma(a: number, b: number, c: number): number {
  return Math.fround(addToOdd(a * b, c));
}

const zeroed = (x: number): number => (Math.abs(x) < smallestNormal ? 0 * x : x);

/** Rounds to f32; what is below the smallest normal number once it has 24 bits becomes a zero. */
function roundToNormal(x: number): number {
  const isTiny = Math.abs(Math.fround(x * 2 ** 100)) < smallestNormal * 2 ** 100;
  return isTiny ? 0 * x : Math.fround(x);
}

/** The same with numbers below the smallest normal one as zeros, those given and the result. */
function fmaOfNormals(a: number, b: number, c: number): number {
  return roundToNormal(addToOdd(zeroed(a) * zeroed(b), zeroed(c)));
}

/** A sum from `start` on over the products of two lanes of the same length. */
export type Dot = (a: Float64Array, b: Float64Array, start: number) => number;

const inSteps: Dot = (a, b, start) => a.reduce((sum, x, k) => fma(x, b[k], sum), start);

const inPairs: Dot = (a, b, start) => {
  let sum = start;
  for (let k = 0; k < a.length; k += 2) {
    sum = fmaOfNormals(a[k + 1] ?? 0, b[k + 1] ?? 0, sum);
    sum = fmaOfNormals(a[k], b[k], sum);
  }
  return sum;
};

const blockSteps = 32;

const inTiles: Dot = (a, b, start) => {
  let sum = start;
  for (let block = 0; block < a.length; block += blockSteps) {
    let [even, odd] = [0, 0];
    for (let k = block; k < block + blockSteps; k += 2) {
      even = fmaOfNormals(a[k] ?? 0, b[k] ?? 0, even);
      odd = fmaOfNormals(a[k + 1] ?? 0, b[k + 1] ?? 0, odd);
    }
    sum = roundToNormal(zeroed(sum) + roundToNormal(even + odd));
  }
  return sum;
};

/** bf16 products in each arithmetic. f32 products are in steps everywhere. */
export const dots: Readonly<Record<Arithmetic, Dot>> = { steps: inSteps, pairs: inPairs, tiles: inTiles };

// Tolerance belongs to the number format. An element may differ from the definition by
// tolerance * (|expected| + root mean square of the expected array): one ulp-like bound that also holds near zero. What
// is below the smallest normal number may be rounded in any way, to zero too.
import type { Data, DType } from '../dtype.ts';
import { fromBf16, fromE4m3 } from '../dtype.ts';

export const tolerance: Readonly<Record<DType, number>> = { f32: 2e-5, bf16: 8e-3, e4m3: 0.13, i32: 0, u8: 0 };

function toNumbers(dtype: DType, data: Data): Float64Array {
  const numbers = new Float64Array(data);
  const decode = dtype === 'bf16' ? fromBf16 : dtype === 'e4m3' ? fromE4m3 : null;
  if (decode) for (let i = 0; i < numbers.length; i++) numbers[i] = decode(numbers[i]);
  return numbers;
}

const smallestNormal = 2 ** -126;

interface Difference {
  /** Worst ratio of an element's error to what its format allows; at most 1 passes. */
  readonly worst: number;
  readonly at: number;
  readonly expected: number;
  readonly received: number;
}

export function difference(dtype: DType, expected: Data, received: Data, slack = 1): Difference {
  const want = toNumbers(dtype, expected);
  const got = toNumbers(dtype, received);
  let square = 0;
  let finite = 0;
  for (const x of want) {
    if (!Number.isFinite(x)) continue;
    square += x * x;
    finite++;
  }
  const level = Math.sqrt(square / Math.max(1, finite));
  let result: Difference = { worst: 0, at: -1, expected: 0, received: 0 };
  for (let i = 0; i < want.length; i++) {
    const w = want[i];
    const g = got[i];
    if (Object.is(w, g) || w === g) continue;
    const allowed = slack * tolerance[dtype] * (Math.abs(w) + level) + (tolerance[dtype] && smallestNormal);
    const ratio = Number.isFinite(w) && Number.isFinite(g) ? Math.abs(w - g) / allowed : Number.POSITIVE_INFINITY;
    if (ratio > result.worst) result = { worst: ratio, at: i, expected: w, received: g };
  }
  return result;
}

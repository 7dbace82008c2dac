// Making ggml's K blocks: 256 values with integer scales, which are searched for the least weighted error.
//
// Q4_K and Q5_K: each group of 32 is scale * code - minimum; candidates of the step are tried, and for each the scale
// and minimum of least squares. Q6_K: each group of 16 is scale * code. Scales and minimums are then integers of 6 (8)
// bits times a factor in f16, and codes are chosen again for these. An error counts by the importance of its column
// where one is given, else by the size of the value. Source: make_qkx2_quants, make_qkx3_quants and make_qx_quants of
// ggml-quants.c (MIT).
import { fromF16, toF16 } from '../../kernels/index.ts';

/** Values of a super-block. */
const blockValues = 256;

const clamp = (x: number, low: number, high: number) => Math.max(low, Math.min(high, x));
interface Candidates {
  /** The largest code. */
  readonly most: number;
  /** Steps are (max - min) / (most + from + i * by) for i = 0 to count. */
  readonly from: number;
  readonly by: number;
  readonly count: number;
}

/** Fits scale and minimum of a group: x = scale * code - minimum. `weights` has a weight for each value. */
function fitPair(x: Float32Array, weights: Float32Array, { most, from, by, count }: Candidates): [number, number] {
  let [low, high, sumW, sumX] = [0, x[0], 0, 0];
  for (let i = 0; i < x.length; i++) {
    low = Math.min(low, x[i]);
    high = Math.max(high, x[i]);
    sumW += weights[i];
    sumX += weights[i] * x[i];
  }
  if (high <= low) return [0, -low];
  let [bestScale, bestLow, bestError] = [(high - low) / most, low, Number.POSITIVE_INFINITY];
  const squaredError = (scale: number, minimum: number, inverse: number) => {
    let error = 0;
    for (let i = 0; i < x.length; i++) {
      const difference = scale * clamp(Math.round(inverse * (x[i] - low)), 0, most) + minimum - x[i];
      error += weights[i] * difference * difference;
    }
    return error;
  };
  bestError = squaredError(bestScale, low, 1 / bestScale);
  for (let step = 0; step <= count; step++) {
    const inverse = (most + from + by * step) / (high - low);
    let [sumL, sumL2, sumXL] = [0, 0, 0];
    for (let i = 0; i < x.length; i++) {
      const code = clamp(Math.round(inverse * (x[i] - low)), 0, most);
      sumL += weights[i] * code;
      sumL2 += weights[i] * code * code;
      sumXL += weights[i] * code * x[i];
    }
    const determinant = sumW * sumL2 - sumL * sumL;
    if (!(determinant > 0)) continue;
    let scale = (sumW * sumXL - sumX * sumL) / determinant;
    let minimum = (sumL2 * sumX - sumL * sumXL) / determinant;
    if (minimum > 0) {
      minimum = 0;
      scale = sumXL / sumL2;
    }
    const error = squaredError(scale, minimum, inverse);
    if (error < bestError) [bestScale, bestLow, bestError] = [scale, minimum, error];
  }
  return [bestScale, -bestLow];
}

/** Fits the scale of a group of signed codes, -32 to 31. */
function fitScale(x: Float32Array, weights: Float32Array): number {
  let top = 0;
  for (const value of x) if (Math.abs(value) > Math.abs(top)) top = value;
  if (Math.abs(top) < 1e-15) return 0;
  let [bestScale, best] = [0, 0];
  for (let step = -9; step <= 9; step++) {
    const inverse = -(32 + 0.1 * step) / top;
    let [sumLX, sumL2] = [0, 0];
    for (let i = 0; i < x.length; i++) {
      const code = clamp(Math.round(inverse * x[i]), -32, 31);
      sumLX += weights[i] * x[i] * code;
      sumL2 += weights[i] * code * code;
    }
    if (sumL2 > 0 && sumLX * sumLX > best * sumL2) {
      bestScale = sumLX / sumL2;
      best = bestScale * sumLX;
    }
  }
  return bestScale;
}

/** Weights of the errors of a group. `importance`: of its columns; `spread`: the mean square of the block, doubled. */
function weigh(x: Float32Array, importance: Float32Array | null, spread: number, out: Float32Array): void {
  const size = importance ? 0 : Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length);
  for (let i = 0; i < x.length; i++)
    out[i] = importance ? importance[i] * Math.sqrt(spread + x[i] * x[i]) : size + Math.abs(x[i]);
}

function computeSpread(x: Float32Array): number {
  return (2 * x.reduce((sum, value) => sum + value * value, 0)) / x.length;
}

const candidates = {
  4: { plain: { most: 15, from: -1, by: 0.1, count: 20 }, weighted: { most: 15, from: -0.9, by: 0.05, count: 36 } },
  5: { plain: { most: 31, from: -0.5, by: 0.1, count: 15 }, weighted: { most: 31, from: -0.9, by: 0.05, count: 36 } },
} as const;

/** Q4_K or Q5_K. */
function encodePairs(x: Float32Array, importance: Float32Array | null, bits: 4 | 5, block: DataView): void {
  const known = candidates[bits][importance ? 'weighted' : 'plain'];
  const [scales, minimums, weights] = [new Float32Array(8), new Float32Array(8), new Float32Array(32)];
  const spread = computeSpread(x);
  for (let j = 0; j < 8; j++) {
    const group = x.subarray(32 * j, 32 * j + 32);
    weigh(group, importance?.subarray(32 * j, 32 * j + 32) ?? null, spread, weights);
    [scales[j], minimums[j]] = fitPair(group, weights, known);
  }
  const [most, most2] = [Math.max(...scales), Math.max(...minimums)];
  const toInteger = (value: number, largest: number) =>
    largest > 0 ? Math.min(63, Math.round((63 / largest) * value)) : 0;
  const [sc, mn] = [scales.map((s) => toInteger(s, most)), minimums.map((m) => toInteger(m, most2))];
  block.setUint16(0, toF16(most / 63), true);
  block.setUint16(2, toF16(most2 / 63), true);
  for (let j = 0; j < 4; j++) {
    block.setUint8(4 + j, sc[j] | ((sc[j + 4] >> 4) << 6));
    block.setUint8(8 + j, mn[j] | ((mn[j + 4] >> 4) << 6));
    block.setUint8(12 + j, (sc[j + 4] & 15) | ((mn[j + 4] & 15) << 4));
  }
  const [d, dmin] = [fromF16(block.getUint16(0, true)), fromF16(block.getUint16(2, true))];
  const codes = new Uint8Array(blockValues);
  for (let i = 0; i < blockValues; i++) {
    const scale = d * sc[i >> 5];
    codes[i] = scale === 0 ? 0 : clamp(Math.round((x[i] + dmin * mn[i >> 5]) / scale), 0, known.most);
  }
  writePairCodes(codes, bits, block);
}

function writePairCodes(codes: Uint8Array, bits: 4 | 5, block: DataView): void {
  const at = bits === 4 ? 16 : 48;
  for (let c = 0; c < 4; c++)
    for (let l = 0; l < 32; l++)
      block.setUint8(at + 32 * c + l, (codes[64 * c + l] & 15) | ((codes[64 * c + 32 + l] & 15) << 4));
  if (bits === 4) return;
  for (let l = 0; l < 32; l++) {
    let high = 0;
    for (let j = 0; j < 8; j++) high |= (codes[32 * j + l] >> 4) << j;
    block.setUint8(16 + l, high);
  }
}

export function encodeQ4K(x: Float32Array, importance: Float32Array | null, block: DataView): void {
  encodePairs(x, importance, 4, block);
}

export function encodeQ5K(x: Float32Array, importance: Float32Array | null, block: DataView): void {
  encodePairs(x, importance, 5, block);
}

export function encodeQ6K(x: Float32Array, importance: Float32Array | null, block: DataView): void {
  const [scales, weights] = [new Float32Array(16), new Float32Array(16)];
  for (let g = 0; g < 16; g++) {
    const group = x.subarray(16 * g, 16 * g + 16);
    for (let i = 0; i < 16; i++) weights[i] = importance ? importance[16 * g + i] : group[i] * group[i];
    scales[g] = fitScale(group, weights);
  }
  const top = scales.reduce((most, scale) => (Math.abs(scale) > Math.abs(most) ? scale : most), 0);
  block.setUint16(208, toF16(top / -128), true);
  const d = fromF16(block.getUint16(208, true));
  const integers = scales.map((scale) => (top === 0 ? 0 : Math.min(127, Math.round((-128 / top) * scale))));
  integers.forEach((scale, g) => {
    block.setInt8(192 + g, scale);
  });
  const code = (i: number) => {
    const scale = d * integers[i >> 4];
    return scale === 0 ? 32 : clamp(Math.round(x[i] / scale), -32, 31) + 32;
  };
  for (let h = 0; h < 2; h++)
    for (let l = 0; l < 32; l++) {
      const [a, b, c, e] = [0, 1, 2, 3].map((j) => code(128 * h + 32 * j + l)) as [number, number, number, number];
      block.setUint8(64 * h + l, (a & 15) | ((c & 15) << 4));
      block.setUint8(64 * h + 32 + l, (b & 15) | ((e & 15) << 4));
      block.setUint8(128 + 32 * h + l, (a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((e >> 4) << 6));
    }
}

// FP8 with a scale for each 1x128 tile (activations) or 128x128 block (weights), defined to the bit.
// Source: DeepSeek-V3 report section 3.3 and the released act_quant kernel: scale = max(amax, 1e-4) / 448 and
// y = x / scale in f32, then nearest even and saturation. A NaN becomes a NaN code and does not count for amax.
import { fromE4m3, toE4m3 } from '../dtype.ts';
import { kernel } from '../kernel.ts';
import { tileSize } from '../sizes.ts';
import { type Numbers, numbersIn } from './formats.ts';

const { fround } = Math;

function computeScale(amax: number, powerOfTwo: boolean): number {
  const scale = fround(Math.max(amax, fround(1e-4)) / 448);
  if (!powerOfTwo || scale === Number.POSITIVE_INFINITY) return scale;
  const below = 2 ** Math.floor(Math.log2(scale));
  return below === scale ? scale : below * 2;
}

/** Quantizes one rectangle of a [.., cols] matrix; returns its scale. */
function quantize(x: Numbers, codes: Uint8Array, cols: number, at: Rectangle, powerOfTwo: boolean): number {
  let amax = 0;
  for (let r = at.row; r < at.rowEnd; r++)
    for (let c = at.col; c < at.colEnd; c++) {
      const magnitude = Math.abs(x.get(r * cols + c));
      if (magnitude > amax) amax = magnitude;
    }
  const scale = computeScale(amax, powerOfTwo);
  for (let r = at.row; r < at.rowEnd; r++)
    for (let c = at.col; c < at.colEnd; c++) codes[r * cols + c] = toE4m3(fround(x.get(r * cols + c) / scale));
  return scale;
}

interface Rectangle {
  readonly row: number;
  readonly rowEnd: number;
  readonly col: number;
  readonly colEnd: number;
}

/** The rectangles of rowsEach x 128 that cover [rows, cols], in the order of their scales. */
function rectangles(rows: number, cols: number, rowsEach: number): Rectangle[] {
  const all: Rectangle[] = [];
  for (let row = 0; row < rows; row += rowsEach)
    for (let col = 0; col < cols; col += tileSize)
      all.push({ row, col, rowEnd: Math.min(rows, row + rowsEach), colEnd: Math.min(cols, col + tileSize) });
  return all;
}

function dequantize(
  codes: Uint8Array,
  scales: Float32Array,
  out: Numbers,
  rows: number,
  cols: number,
  each: number,
): void {
  rectangles(rows, cols, each).forEach((at, i) => {
    for (let r = at.row; r < at.rowEnd; r++)
      for (let c = at.col; c < at.colEnd; c++) out.set(r * cols + c, fround(fromE4m3(codes[r * cols + c]) * scales[i]));
  });
}

export const quantizeKernels = {
  quantize_tiles_e4m3: kernel(
    'x:any codes:e4m3! scales:f32! x_type:int rows:int cols:int power_of_two:int',
    (x, codes, scales, xType, rows, cols, powerOfTwo) => {
      rectangles(rows, cols, 1).forEach((at, i) => {
        scales[i] = quantize(numbersIn(x, xType), codes, cols, at, powerOfTwo !== 0);
      });
    },
  ),

  quantize_blocks_e4m3: kernel(
    'x:any codes:e4m3! scales:f32! x_type:int N:int K:int power_of_two:int',
    (x, codes, scales, xType, N, K, powerOfTwo) => {
      rectangles(N, K, tileSize).forEach((at, i) => {
        scales[i] = quantize(numbersIn(x, xType), codes, K, at, powerOfTwo !== 0);
      });
    },
  ),

  dequantize_tiles_e4m3: kernel(
    'codes:e4m3 scales:f32 out:any! out_type:int rows:int cols:int',
    (codes, scales, out, outType, rows, cols) => dequantize(codes, scales, numbersIn(out, outType), rows, cols, 1),
  ),

  dequantize_blocks_e4m3: kernel(
    'codes:e4m3 scales:f32 out:any! out_type:int N:int K:int',
    (codes, scales, out, outType, N, K) => dequantize(codes, scales, numbersIn(out, outType), N, K, tileSize),
  ),
};

// int8 and int4 weights with a scale for each 32 of the reduction, defined: how they are made, and their products.
//
// A group is 32 values of one row as a block of ggml: an f16 scale, then Q8_0's 32 signed bytes (amax / 127) or Q4_0's
// 16 bytes (value j low in byte j, value j + 16 high, plus 8; the scale makes the value of largest magnitude -8);
// rounding half away from zero, by the scale before it is rounded itself. Activations are quantized to int8 in the same
// groups: scale amax / 127 in f32, nearest even. A group's product is an exact integer, times (a_scale * w_scale),
// added in ascending order. k is a multiple of 32. Source: ggml-quants.c. Left out: groups of other sizes, f32 scales.
import { fromF16, roundEven, toF16 } from '../dtype.ts';
import { KernelFault, kernel } from '../kernel.ts';
import { type GroupFormat, groupBlockBytes, groupSize } from '../sizes.ts';
import { numbersIn } from './formats.ts';
import { checkOffsets, result } from './gemm.ts';

const { fround } = Math;

/** Below this an inverse might overflow; codes are zero there, and so is an f16 scale. */
const smallest = 2 ** -100;

function computeInverse(step: number): number {
  return Math.abs(step) < smallest ? 0 : fround(1 / step);
}

function encodeInt8(x: Float32Array, block: DataView): void {
  const step = fround(x.reduce((max, v) => Math.max(max, Math.abs(v)), 0) / 127);
  const inverse = computeInverse(step);
  block.setUint16(0, toF16(step), true);
  x.forEach((v, i) => {
    const scaled = fround(v * inverse);
    block.setInt8(2 + i, Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5));
  });
}

function encodeInt4(x: Float32Array, block: DataView): void {
  const step = fround(x.reduce((top, v) => (Math.abs(v) > Math.abs(top) || Number.isNaN(v) ? v : top), 0) / -8);
  const inverse = computeInverse(step);
  block.setUint16(0, toF16(step), true);
  const code = (i: number) => Math.min(15, Math.trunc(fround(fround(x[i] * inverse) + 8.5)));
  for (let i = 0; i < 16; i++) block.setUint8(2 + i, code(i) | (code(i + 16) << 4));
}

function quantizeGroups(format: GroupFormat) {
  const bytes = groupBlockBytes[format];
  return kernel('x:any blocks:u8! x_type:int count:int', (x, blocks, xType, count) => {
    const from = numbersIn(x, xType);
    for (let g = 0; g < count; g++) {
      const values = Float32Array.from({ length: groupSize }, (_, i) => from.get(groupSize * g + i));
      const block = new DataView(blocks.buffer, blocks.byteOffset + bytes * g, bytes);
      if (format === 'int8') encodeInt8(values, block);
      else encodeInt4(values, block);
      if ((block.getUint16(0, true) & 0x7c00) === 0x7c00) throw new KernelFault('notFinite', g, 0, 0);
    }
  });
}

/** Codes and scales of one row along the reduction. */
interface QuantizedRow {
  readonly codes: Int32Array;
  readonly scales: Float32Array;
}

function quantizedRow(values: Float32Array): QuantizedRow {
  const scales = new Float32Array(values.length / groupSize);
  const codes = new Int32Array(values.length);
  for (let g = 0; g < scales.length; g++) {
    const group = values.subarray(groupSize * g, groupSize * (g + 1));
    const amax = group.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
    scales[g] = Number.isFinite(amax) ? amax / 127 : Number.NaN;
    const inverse = amax >= smallest ? fround(127 / amax) : 0;
    group.forEach((v, i) => {
      codes[groupSize * g + i] = roundEven(fround(v * inverse));
    });
  }
  return { codes, scales };
}

/** QuantizedRow `row` of blocks as they are stored. */
function weightRow(format: GroupFormat, blocks: Uint8Array, row: number, k: number): QuantizedRow {
  const bytes = groupBlockBytes[format];
  const scales = new Float32Array(k / groupSize);
  const codes = new Int32Array(k);
  for (let g = 0; g < scales.length; g++) {
    const at = (row * scales.length + g) * bytes;
    const block = new DataView(blocks.buffer, blocks.byteOffset + at, bytes);
    scales[g] = fromF16(block.getUint16(0, true));
    for (let i = 0; i < groupSize; i++) {
      if (format === 'int8') codes[groupSize * g + i] = block.getInt8(2 + i);
      else codes[groupSize * g + i] = ((block.getUint8(2 + (i % 16)) >> (i < 16 ? 0 : 4)) & 15) - 8;
    }
  }
  return { codes, scales };
}

function product(a: QuantizedRow, b: QuantizedRow, start: number): number {
  let total = start;
  for (let g = 0; g < a.scales.length; g++) {
    let sum = 0;
    for (let i = groupSize * g; i < groupSize * (g + 1); i++) sum += a.codes[i] * b.codes[i];
    total = fround(total + sum * fround(a.scales[g] * b.scales[g]));
  }
  return total;
}

interface PanelProduct {
  readonly a: Uint8Array;
  readonly blocks: Uint8Array;
  readonly c: Uint8Array;
  readonly n: number;
  readonly k: number;
  readonly lda: number;
  readonly ldc: number;
  readonly aType: number;
  readonly cType: number;
  readonly accumulate: number;
}

/** Rows `first` to `last` of A times the `group`-th weight. */
function multiply(format: GroupFormat, p: PanelProduct, group: number, first: number, last: number): void {
  const from = numbersIn(p.a, p.aType);
  const to = numbersIn(p.c, p.cType);
  if (first === last) return;
  const columns = Array.from({ length: p.n }, (_, j) => weightRow(format, p.blocks, group * p.n + j, p.k));
  for (let i = first; i < last; i++) {
    const row = quantizedRow(Float32Array.from({ length: p.k }, (_, k) => from.get(i * p.lda + k)));
    columns.forEach((column, j) => {
      const at = i * p.ldc + j;
      to.set(at, product(row, column, p.accumulate ? to.get(at) : 0));
    });
  }
}

/** Panels, here: the blocks as they are. */
function packPanels(format: GroupFormat) {
  return kernel('blocks:u8 panels:u8! n:int k:int groups:int', (blocks, panels, n, k, groups) => {
    panels.set(blocks.subarray(0, groups * n * (k / groupSize) * groupBlockBytes[format]));
  });
}

function panel(format: GroupFormat) {
  return kernel(
    `a:any panels:u8 ${result} lda:int ldc:int a_type:int c_type:int accumulate:int`,
    (a, blocks, c, _workspace, m, n, k, lda, ldc, aType, cType, accumulate) =>
      multiply(format, { a, blocks, c, n, k, lda, ldc, aType, cType, accumulate }, 0, 0, m),
  );
}

function groupedPanel(format: GroupFormat) {
  return kernel(
    `a:any panels:u8 offsets:i32 ${result} groups:int a_type:int c_type:int accumulate:int`,
    (a, blocks, offsets, c, _workspace, m, n, k, groups, aType, cType, accumulate) => {
      checkOffsets(offsets, groups, m);
      const problem = { a, blocks, c, n, k, lda: k, ldc: n, aType, cType, accumulate };
      for (let g = 0; g < groups; g++) multiply(format, problem, g, offsets[g], offsets[g + 1]);
    },
  );
}

export const gemmGroups = {
  quantize_groups_int8: quantizeGroups('int8'),
  quantize_groups_int4: quantizeGroups('int4'),
  pack_panels_int8: packPanels('int8'),
  pack_panels_int4: packPanels('int4'),
  gemm_panel_int8: panel('int8'),
  gemm_panel_int4: panel('int4'),
  grouped_gemm_panel_int8: groupedPanel('int8'),
  grouped_gemm_panel_int4: groupedPanel('int4'),
};

// Weights in blocks along the reduction, defined: how int8 and int4 are made, and the products of all block formats.
//
// A group is 32 values of one row as a block of ggml: an f16 scale, then Q8_0's 32 signed bytes (amax / 127) or Q4_0's
// 16 bytes (value j low in byte j, value j + 16 high, plus 8; the scale makes the value of largest magnitude -8);
// rounding half away from zero, by the scale before it is rounded itself. Activations are quantized to int8 in the same
// groups: scale amax / 127 in f32, nearest even. The products of codes that share a scale add up to an exact integer;
// that, times (a_scale * w_scale), is added in ascending order, then minus the sum of a's codes times (a_scale *
// minimum) where weights have minimums. What blocks mean: block-formats.ts. k is whole blocks. Source: ggml-quants.c.
import { type BlockFormat, type BlockValues, blockFormats } from '../block-formats.ts';
import { roundEven, toF16 } from '../dtype.ts';
import { KernelFault, kernel } from '../kernel.ts';
import { blockSize } from '../panel-layout.ts';
import { type GroupFormat, groupBlockBytes, groupSize, type PackedBlocks, packedBlocks } from '../sizes.ts';
import { fma } from './dots.ts';
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

/** A row of weights: codes, and the scale and minimum of each 16 of them. */
interface WeightRow extends BlockValues {
  /** Codes that are added up as integers. */
  readonly shared: number;
  readonly hasMinimums: boolean;
}

/** Row `row` of blocks as they are stored. */
function weightRow(format: PackedBlocks, blocks: Uint8Array, row: number, k: number): WeightRow {
  const { values, bytes, shared, hasMinimums, read }: BlockFormat = blockFormats[packedBlocks[format]];
  const whole = { codes: new Int32Array(k), scales: new Float32Array(k / 16), minimums: new Float32Array(k / 16) };
  for (let from = 0; from < k; from += values)
    read(blocks, ((row * k + from) / values) * bytes, {
      codes: whole.codes.subarray(from, from + values),
      scales: whole.scales.subarray(from / 16, (from + values) / 16),
      minimums: whole.minimums.subarray(from / 16, (from + values) / 16),
    });
  return { ...whole, shared, hasMinimums };
}

function product(a: QuantizedRow, b: WeightRow, start: number): number {
  let total = start;
  for (let first = 0; first < b.codes.length; first += b.shared) {
    let [sum, ownSum] = [0, 0];
    for (let i = first; i < first + b.shared; i++) {
      sum += a.codes[i] * b.codes[i];
      ownSum += a.codes[i];
    }
    const scale = a.scales[Math.floor(first / groupSize)];
    total = fma(sum, fround(scale * b.scales[first / 16]), total);
    if (b.hasMinimums) total = fma(-ownSum, fround(scale * b.minimums[first / 16]), total);
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
function multiply(format: PackedBlocks, p: PanelProduct, group: number, first: number, last: number): void {
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
function packPanels(format: PackedBlocks) {
  return kernel('blocks:u8 panels:u8! n:int k:int groups:int', (blocks, panels, n, k, groups) => {
    const { values, bytes } = blockSize(format);
    panels.set(blocks.subarray(0, groups * n * (k / values) * bytes));
  });
}

function panel(format: PackedBlocks) {
  return kernel(
    `a:any panels:u8 ${result} lda:int ldc:int a_type:int c_type:int accumulate:int`,
    (a, blocks, c, _workspace, m, n, k, lda, ldc, aType, cType, accumulate) =>
      multiply(format, { a, blocks, c, n, k, lda, ldc, aType, cType, accumulate }, 0, 0, m),
  );
}

function groupedPanel(format: PackedBlocks) {
  return kernel(
    `a:any panels:u8 offsets:i32 ${result} groups:int a_type:int c_type:int accumulate:int`,
    (a, blocks, offsets, c, _workspace, m, n, k, groups, aType, cType, accumulate) => {
      checkOffsets(offsets, groups, m);
      const problem = { a, blocks, c, n, k, lda: k, ldc: n, aType, cType, accumulate };
      for (let g = 0; g < groups; g++) multiply(format, problem, g, offsets[g], offsets[g + 1]);
    },
  );
}

type BlockKernels = {
  [F in PackedBlocks as `pack_panels_${F}`]: ReturnType<typeof packPanels>;
} & { [F in PackedBlocks as `gemm_panel_${F}`]: ReturnType<typeof panel> } & {
  [F in PackedBlocks as `grouped_gemm_panel_${F}`]: ReturnType<typeof groupedPanel>;
};

const formats = Object.keys(packedBlocks) as PackedBlocks[];

export const gemmGroups = {
  quantize_groups_int8: quantizeGroups('int8'),
  quantize_groups_int4: quantizeGroups('int4'),
  ...(Object.fromEntries(
    formats.flatMap((format) => [
      [`pack_panels_${format}`, packPanels(format)],
      [`gemm_panel_${format}`, panel(format)],
      [`grouped_gemm_panel_${format}`, groupedPanel(format)],
    ]),
  ) as BlockKernels),
};

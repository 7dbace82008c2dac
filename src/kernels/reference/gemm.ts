// GEMM, dense and grouped, defined: three orders of operands, three precisions. See cpp/gemm.cc for what they are for.
//
//   nt  C[m,n] = sum_k A[m,k] B[n,k]     nn  C[m,n] = sum_k A[m,k] B[k,n]     tn  C[m,n] = sum_k A[k,m] B[k,n]
//
// bf16 rounds both operands to bf16; FP8 is DeepSeek-V3's recipe (report section 3.3): activations in tiles of 128
// along the reduction with scale amax / 448, weights as codes with a scale for each 128 x 128 block, a product summed
// over 128 and then scaled and added in f32. Grouped: rows sorted by group, offsets[groups + 1]; in tn the groups cut
// the reduction and C is [groups, m, n]. `*_type` words are codes of dtype.ts.
import type { Arithmetic } from '../arithmetic.ts';
import { dtypeCode, fromBf16, fromE4m3, toBf16, toE4m3 } from '../dtype.ts';
import { type DefinitionArguments, KernelFault, kernel, productKernel } from '../kernel.ts';
import { tileSize, tilesIn } from '../sizes.ts';
import { dots, fma } from './dots.ts';
import { numbersIn } from './formats.ts';

/** What all products write, their workspace, and their sizes. */
export const result = 'c:any! workspace:u8! m:int n:int k:int';

type Order = 'nt' | 'nn' | 'tn';
type Precision = 'f32' | 'bf16' | 'fp8';

/** A stored matrix as numbers: element (i, j) of a row-major array with leading dimension ld. */
type Matrix = (i: number, j: number) => number;

function matrix(bytes: Uint8Array, type: number, ld: number): Matrix {
  const numbers = numbersIn(bytes, type);
  return (i, j) => numbers.get(i * ld + j);
}

/**
 * One lane (a row of A or a column of B) along the reduction: values as the product sees them, and a scale for each
 * tile.
 */
interface Lane {
  readonly values: Float64Array;
  readonly scales: Float64Array;
}

function quantized(values: Float64Array): Lane {
  const scales = new Float64Array(tilesIn(values.length));
  const out = new Float64Array(values.length);
  for (let t = 0; t < scales.length; t++) {
    const part = values.subarray(t * tileSize, (t + 1) * tileSize);
    const amax = part.reduce((max, x) => Math.max(max, Math.abs(x)), Math.fround(1e-4));
    const scale = Math.fround(amax / 448);
    scales[t] = scale;
    part.forEach((x, i) => {
      out[t * tileSize + i] = fromE4m3(toE4m3(Math.fround(x / scale)));
    });
  }
  return { values: out, scales };
}

function lane(length: number, at: (k: number) => number, precision: Precision): Lane {
  const values = Float64Array.from({ length }, (_, k) => at(k));
  if (precision === 'fp8') return quantized(values);
  const seen = precision === 'bf16' ? values.map((x) => fromBf16(toBf16(x))) : values;
  return { values: seen, scales: new Float64Array(tilesIn(length)).fill(1) };
}

/** Adds the product of two lanes to `start`. */
type LaneDot = (a: Lane, b: Lane, start: number) => number;

const nthTile = (values: Float64Array, t: number) => values.subarray(t * tileSize, (t + 1) * tileSize);

const exactDot: LaneDot = (a, b, start) =>
  a.scales.reduce((total, scale, t) => {
    const others = nthTile(b.values, t);
    return total + nthTile(a.values, t).reduce((sum, x, k) => sum + x * others[k], 0) * scale * b.scales[t];
  }, start);

/** FP8 sums each tile from zero and adds it, times both scales, in f32. */
function roundedDot(precision: Precision, arithmetic: Arithmetic): LaneDot {
  const dot = dots[precision === 'f32' ? 'steps' : arithmetic];
  if (precision !== 'fp8') return (a, b, start) => dot(a.values, b.values, start);
  return (a, b, start) =>
    a.scales.reduce((total, scale, t) => {
      const sum = dot(nthTile(a.values, t), nthTile(b.values, t), 0);
      return fma(sum, Math.fround(scale * b.scales[t]), total);
    }, start);
}

/** The arguments of a product. Leading dimensions are the full widths unless given. */
interface Product {
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  readonly c: Uint8Array;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly lda?: number;
  readonly ldb?: number;
  readonly ldc?: number;
  readonly aType: number;
  readonly bType: number;
  readonly cType: number;
  readonly accumulate: number;
  /** Scales of B's 128 x 128 blocks, where B is weight codes. */
  readonly scales?: Float32Array;
}

/** One group: rows of A and C from `row` and `cRow`, rows of B from `bRow`, the reduction (tn) from `start`. */
interface Group {
  readonly index: number;
  readonly row: number;
  readonly bRow: number;
  readonly cRow: number;
  readonly start: number;
  readonly m: number;
  readonly k: number;
}

/** How operands and sums round. */
interface Rounding {
  readonly precision: Precision;
  readonly dot: LaneDot;
}

/** A kernel that multiplies in the arithmetic of its device. */
function product<const S extends string>(
  signature: S,
  precision: Precision,
  multiplyIn: (rounding: Rounding) => (...words: DefinitionArguments<S>) => void,
) {
  return productKernel(signature, (arithmetic) =>
    multiplyIn({ precision, dot: arithmetic === 'exact' ? exactDot : roundedDot(precision, arithmetic) }),
  );
}

/** The lane of each column of B in a group. */
function readColumns(order: Order, precision: Precision, p: Product, g: Group): Lane[] {
  const { n, k, scales } = p;
  const b = matrix(p.b, p.bType, p.ldb ?? (order === 'nt' ? k : n));
  const stored = (j: number, t: number): [number, number] => (order === 'nt' ? [j, t] : [t, j]);
  const [down, across] = stored(tilesIn(n), tilesIn(k));
  return Array.from({ length: n }, (_, j) => {
    const at = (t: number) => {
      const [row, column] = stored(j, t);
      return b(g.bRow + row, column);
    };
    if (!scales) return lane(g.k, at, precision);
    const { values } = lane(g.k, at, 'f32');
    const ofTiles = Float64Array.from({ length: tilesIn(g.k) }, (_, t) => {
      const [row, column] = stored(Math.floor(j / tileSize), t);
      return scales[(g.index * down + row) * across + column];
    });
    return { values, scales: ofTiles };
  });
}

function multiplyGroup(order: Order, { precision, dot }: Rounding, p: Product, g: Group): void {
  const { n, ldc = n } = p;
  const a = matrix(p.a, p.aType, p.lda ?? (order === 'tn' ? p.m : p.k));
  const c = numbersIn(p.c, p.cType);
  const columns = readColumns(order, precision, p, g);
  for (let i = 0; i < g.m; i++) {
    const row = lane(g.k, (t) => (order === 'tn' ? a(g.start + t, i) : a(g.row + i, t)), precision);
    for (let j = 0; j < n; j++) {
      const at = (g.cRow + i) * ldc + j;
      c.set(at, dot(row, columns[j], p.accumulate ? c.get(at) : 0));
    }
  }
}

function multiply(order: Order, rounding: Rounding, operands: Product): void {
  const { m, k } = operands;
  multiplyGroup(order, rounding, operands, { index: 0, row: 0, bRow: 0, cRow: 0, start: 0, m, k });
}

export function checkOffsets(offsets: Int32Array, groups: number, rows: number): void {
  for (let g = 0; g <= groups; g++) {
    const value = offsets[g];
    const wrong = value < (g ? offsets[g - 1] : 0) || (g === 0 && value !== 0) || (g === groups && value !== rows);
    if (wrong) throw new KernelFault('badOffsets', g, value, rows);
  }
}

function multiplyGroups(
  order: Order,
  rounding: Rounding,
  p: Product,
  { offsets, groups }: { offsets: Int32Array; groups: number },
): void {
  const { m, n, k } = p;
  checkOffsets(offsets, groups, order === 'tn' ? k : m);
  for (let index = 0; index < groups; index++) {
    const start = offsets[index];
    const count = offsets[index + 1] - start;
    const group =
      order === 'tn'
        ? { index, row: 0, bRow: start, cRow: index * m, start, m, k: count }
        : { index, row: start, bRow: index * (order === 'nt' ? n : k), cRow: start, start: 0, m: count, k };
    multiplyGroup(order, rounding, p, group);
  }
}

function dense(order: Order, precision: Precision) {
  return product(
    `a:any b:any ${result} lda:int ldb:int ldc:int a_type:int b_type:int c_type:int accumulate:int`,
    precision,
    (rounding) => (a, b, c, _workspace, m, n, k, lda, ldb, ldc, aType, bType, cType, accumulate) =>
      multiply(order, rounding, { a, b, c, m, n, k, lda, ldb, ldc, aType, bType, cType, accumulate }),
  );
}

/** FP8 with weight codes as B. */
function denseWeights(order: 'nt' | 'nn') {
  return product(
    `a:any b:e4m3 b_scales:f32 ${result} lda:int ldb:int ldc:int a_type:int c_type:int accumulate:int`,
    'fp8',
    (rounding) => (a, b, scales, c, _workspace, m, n, k, lda, ldb, ldc, aType, cType, accumulate) => {
      const bType = dtypeCode.e4m3;
      multiply(order, rounding, { a, b, scales, c, m, n, k, lda, ldb, ldc, aType, bType, cType, accumulate });
    },
  );
}

function grouped(order: Order, precision: Precision) {
  return product(
    `a:any b:any offsets:i32 ${result} groups:int a_type:int b_type:int c_type:int accumulate:int`,
    precision,
    (rounding) => (a, b, offsets, c, _workspace, m, n, k, groups, aType, bType, cType, accumulate) =>
      multiplyGroups(order, rounding, { a, b, c, m, n, k, aType, bType, cType, accumulate }, { offsets, groups }),
  );
}

function groupedWeights(order: 'nt' | 'nn') {
  return product(
    `a:any b:e4m3 b_scales:f32 offsets:i32 ${result} groups:int a_type:int c_type:int accumulate:int`,
    'fp8',
    (rounding) => (a, b, scales, offsets, c, _workspace, m, n, k, groups, aType, cType, accumulate) => {
      const operands = { a, b, scales, c, m, n, k, aType, bType: dtypeCode.e4m3, cType, accumulate };
      multiplyGroups(order, rounding, operands, { offsets, groups });
    },
  );
}

// Panels of the reference: the weights as they are, row after row.

const packPanels = kernel(
  'b:any panels:u8! n:int k:int groups:int b_type:int panel_type:int',
  (b, panels, n, k, groups, bType, panelType) => {
    if (panelType === dtypeCode.e4m3) return panels.set(b.subarray(0, groups * n * k));
    const [from, to] = [numbersIn(b, bType), numbersIn(panels, panelType)];
    for (let i = 0; i < groups * n * k; i++) to.set(i, from.get(i));
  },
);

function panel(precision: 'f32' | 'bf16') {
  return product(
    `a:any panels:u8 ${result} lda:int ldc:int a_type:int c_type:int accumulate:int`,
    precision,
    (rounding) => (a, b, c, _workspace, m, n, k, lda, ldc, aType, cType, accumulate) => {
      const bType = dtypeCode[precision];
      multiply('nt', rounding, { a, b, c, m, n, k, lda, ldc, aType, bType, cType, accumulate });
    },
  );
}

const panelFp8 = product(
  `a:any panels:u8 b_scales:f32 ${result} lda:int ldc:int a_type:int c_type:int accumulate:int`,
  'fp8',
  (rounding) => (a, b, scales, c, _workspace, m, n, k, lda, ldc, aType, cType, accumulate) => {
    const bType = dtypeCode.e4m3;
    multiply('nt', rounding, { a, b, scales, c, m, n, k, lda, ldc, aType, bType, cType, accumulate });
  },
);

function groupedPanel(precision: 'f32' | 'bf16') {
  return product(
    `a:any panels:u8 offsets:i32 ${result} groups:int a_type:int c_type:int accumulate:int`,
    precision,
    (rounding) => (a, b, offsets, c, _workspace, m, n, k, groups, aType, cType, accumulate) => {
      const operands = { a, b, c, m, n, k, aType, bType: dtypeCode[precision], cType, accumulate };
      multiplyGroups('nt', rounding, operands, { offsets, groups });
    },
  );
}

const groupedPanelFp8 = product(
  `a:any panels:u8 b_scales:f32 offsets:i32 ${result} groups:int a_type:int c_type:int accumulate:int`,
  'fp8',
  (rounding) => (a, b, scales, offsets, c, _workspace, m, n, k, groups, aType, cType, accumulate) => {
    const operands = { a, b, scales, c, m, n, k, aType, bType: dtypeCode.e4m3, cType, accumulate };
    multiplyGroups('nt', rounding, operands, { offsets, groups });
  },
);

export const gemm = {
  pack_panels: packPanels,
  gemm_panel_f32: panel('f32'),
  gemm_panel_bf16: panel('bf16'),
  gemm_panel_fp8: panelFp8,
  grouped_gemm_panel_f32: groupedPanel('f32'),
  grouped_gemm_panel_bf16: groupedPanel('bf16'),
  grouped_gemm_panel_fp8: groupedPanelFp8,
  gemm_nt_f32: dense('nt', 'f32'),
  gemm_nn_f32: dense('nn', 'f32'),
  gemm_tn_f32: dense('tn', 'f32'),
  gemm_nt_bf16: dense('nt', 'bf16'),
  gemm_nn_bf16: dense('nn', 'bf16'),
  gemm_tn_bf16: dense('tn', 'bf16'),
  gemm_nt_fp8: denseWeights('nt'),
  gemm_nn_fp8: denseWeights('nn'),
  gemm_tn_fp8: dense('tn', 'fp8'),
  grouped_gemm_nt_f32: grouped('nt', 'f32'),
  grouped_gemm_nn_f32: grouped('nn', 'f32'),
  grouped_gemm_tn_f32: grouped('tn', 'f32'),
  grouped_gemm_nt_bf16: grouped('nt', 'bf16'),
  grouped_gemm_nn_bf16: grouped('nn', 'bf16'),
  grouped_gemm_tn_bf16: grouped('tn', 'bf16'),
  grouped_gemm_nt_fp8: groupedWeights('nt'),
  grouped_gemm_nn_fp8: groupedWeights('nn'),
  grouped_gemm_tn_fp8: grouped('tn', 'fp8'),
};

// GEMM, dense and grouped, defined: three orders of operands, three precisions. See cpp/gemm.cc for what they are for.
//
//   nt  C[m,n] = sum_k A[m,k] B[n,k]     nn  C[m,n] = sum_k A[m,k] B[k,n]     tn  C[m,n] = sum_k A[k,m] B[k,n]
//
// bf16 rounds both operands to bf16; FP8 is DeepSeek-V3's recipe (report section 3.3): activations in tiles of 128 along
// the reduction with scale amax / 448, weights as codes with a scale for each 128 x 128 block, a product summed over
// 128 and then scaled and added in f32. Grouped: rows sorted by group, offsets[groups + 1]; in tn the groups cut the
// reduction and C is [groups, m, n]. `*_type` words are codes of dtype.ts.
import { codeOf, fromBf16, fromE4m3, toBf16, toE4m3, widthOf } from '../dtype.ts';
import { KernelFault, kernel } from '../kernel.ts';

type Order = 'nt' | 'nn' | 'tn';
type Precision = 'f32' | 'bf16' | 'fp8';

const tile = 128;

/** Bytes of the workspace of any GEMM: packed A, its scales, row blocks. `m` rows of C (all groups), reduction `k`. */
export function gemmWorkspaceBytes(m: number, k: number, groups = 1): number {
  return 4 * m * (k + Math.ceil(k / tile) + 2 * groups + 2);
}

/**
 * Bytes of `groups` weights [n, k] packed into panels: columns filled up to whole panels of the device, k to an even
 * number. How a panel is laid out inside is the device's own matter.
 */
export function panelBytes(
  dtype: 'f32' | 'bf16' | 'e4m3',
  n: number,
  k: number,
  panelWidth: number,
  groups = 1,
): number {
  return groups * Math.ceil(n / panelWidth) * panelWidth * (k + (k % 2)) * widthOf[dtype];
}

/** A stored matrix as numbers: element (i, j) of a row-major array with leading dimension ld. */
type Matrix = (i: number, j: number) => number;

function matrix(bytes: Uint8Array, type: number, ld: number): Matrix {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type === codeOf.f32) return (i, j) => view.getFloat32(4 * (i * ld + j), true);
  if (type === codeOf.bf16) return (i, j) => fromBf16(view.getUint16(2 * (i * ld + j), true));
  return (i, j) => fromE4m3(bytes[i * ld + j]);
}

function writer(bytes: Uint8Array, type: number, ld: number): (i: number, j: number, value: number) => void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type === codeOf.f32) return (i, j, value) => view.setFloat32(4 * (i * ld + j), value, true);
  return (i, j, value) => view.setUint16(2 * (i * ld + j), toBf16(value), true);
}

/** One lane (a row of A or a column of B) along the reduction: values as the product sees them, and a scale a tile. */
interface Lane {
  readonly values: Float64Array;
  readonly scales: Float64Array;
}

function quantised(values: Float64Array): Lane {
  const scales = new Float64Array(Math.ceil(values.length / tile));
  const out = new Float64Array(values.length);
  for (let t = 0; t < scales.length; t++) {
    const part = values.subarray(t * tile, (t + 1) * tile);
    const amax = part.reduce((most, x) => Math.max(most, Math.abs(x)), Math.fround(1e-4));
    const scale = Math.fround(amax / 448);
    scales[t] = scale;
    part.forEach((x, i) => {
      out[t * tile + i] = fromE4m3(toE4m3(Math.fround(x / scale)));
    });
  }
  return { values: out, scales };
}

function lane(length: number, at: (k: number) => number, precision: Precision): Lane {
  const values = Float64Array.from({ length }, (_, k) => at(k));
  if (precision === 'fp8') return quantised(values);
  const seen = precision === 'bf16' ? values.map((x) => fromBf16(toBf16(x))) : values;
  return { values: seen, scales: new Float64Array(Math.ceil(length / tile)).fill(1) };
}

function dot(a: Lane, b: Lane): number {
  let total = 0;
  for (let t = 0; t < a.scales.length; t++) {
    let sum = 0;
    for (let k = t * tile; k < Math.min(a.values.length, (t + 1) * tile); k++) sum += a.values[k] * b.values[k];
    total += sum * a.scales[t] * b.scales[t];
  }
  return total;
}

interface Problem {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly aLane: (row: number) => Lane;
  readonly bLane: (column: number) => Lane;
  readonly c: Matrix;
  readonly write: (i: number, j: number, value: number) => void;
  readonly accumulate: number;
}

function multiply({ m, n, aLane, bLane, c, write, accumulate }: Problem): void {
  const columns = Array.from({ length: n }, (_, j) => bLane(j));
  for (let i = 0; i < m; i++) {
    const row = aLane(i);
    for (let j = 0; j < n; j++) write(i, j, (accumulate ? c(i, j) : 0) + dot(row, columns[j]));
  }
}

interface Operands {
  readonly a: Matrix;
  readonly b: Matrix;
  readonly c: Matrix;
  readonly write: (i: number, j: number, value: number) => void;
  /** Scale of B's stored element (i, j), where B is weight codes. */
  readonly bScale?: (group: number, i: number, j: number) => number;
}

/** One group: rows of A and C from `row`, rows of B from `bRow`, the reduction (tn) from `start`. */
interface Group {
  readonly index: number;
  readonly row: number;
  readonly bRow: number;
  readonly cRow: number;
  readonly start: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly accumulate: number;
}

function runGroup(order: Order, precision: Precision, at: Operands, g: Group): void {
  const stored = (j: number, k: number): [number, number] => (order === 'nt' ? [g.bRow + j, k] : [g.bRow + k, j]);
  const weights = at.bScale;
  const bLane = (j: number): Lane => {
    const plain = lane(g.k, (k) => at.b(...stored(j, k)), weights ? 'f32' : precision);
    if (!weights) return plain;
    const scales = plain.scales.map((_, t) => {
      const [r, c] = stored(j, t * tile);
      return weights(g.index, r - g.bRow, c);
    });
    return { values: plain.values, scales };
  };
  multiply({
    ...g,
    aLane: (i) => lane(g.k, (k) => (order === 'tn' ? at.a(g.start + k, i) : at.a(g.row + i, k)), precision),
    bLane,
    c: (i, j) => at.c(g.cRow + i, j),
    write: (i, j, value) => at.write(g.cRow + i, j, value),
  });
}

function dense(order: Order, precision: Precision) {
  return kernel(
    'a:any b:any c:any! workspace:u8! m:int n:int k:int lda:int ldb:int ldc:int a_type:int b_type:int c_type:int accumulate:int',
    (a, b, c, _workspace, m, n, k, lda, ldb, ldc, aType, bType, cType, accumulate) => {
      const at = {
        a: matrix(a, aType, lda),
        b: matrix(b, bType, ldb),
        c: matrix(c, cType, ldc),
        write: writer(c, cType, ldc),
      };
      runGroup(order, precision, at, { index: 0, row: 0, bRow: 0, cRow: 0, start: 0, m, n, k, accumulate });
    },
  );
}

/** FP8 against weight codes. */
function denseWeights(order: 'nt' | 'nn') {
  return kernel(
    'a:any b:e4m3 b_scales:f32 c:any! workspace:u8! m:int n:int k:int lda:int ldb:int ldc:int a_type:int c_type:int accumulate:int',
    (a, b, scales, c, _workspace, m, n, k, lda, ldb, ldc, aType, cType, accumulate) => {
      const at = {
        a: matrix(a, aType, lda),
        b: matrix(b, codeOf.e4m3, ldb),
        c: matrix(c, cType, ldc),
        write: writer(c, cType, ldc),
        bScale: blockScale(scales, order === 'nt' ? n : k, order === 'nt' ? k : n),
      };
      runGroup(order, 'fp8', at, { index: 0, row: 0, bRow: 0, cRow: 0, start: 0, m, n, k, accumulate });
    },
  );
}

function blockScale(scales: Float32Array, rows: number, columns: number): NonNullable<Operands['bScale']> {
  const down = Math.ceil(rows / tile);
  const across = Math.ceil(columns / tile);
  return (group, i, j) => scales[(group * down + Math.floor(i / tile)) * across + Math.floor(j / tile)];
}

export function checkOffsets(offsets: Int32Array, groups: number, rows: number): void {
  for (let g = 0; g <= groups; g++) {
    const value = offsets[g];
    const wrong = value < (g ? offsets[g - 1] : 0) || (g === 0 && value !== 0) || (g === groups && value !== rows);
    if (wrong) throw new KernelFault('badOffsets', g, value, rows);
  }
}

function runGroups(
  order: Order,
  precision: Precision,
  at: Operands,
  offsets: Int32Array,
  sizes: { m: number; n: number; k: number; groups: number; accumulate: number },
): void {
  const { m, n, k, groups, accumulate } = sizes;
  checkOffsets(offsets, groups, order === 'tn' ? k : m);
  for (let index = 0; index < groups; index++) {
    const first = offsets[index];
    const count = offsets[index + 1] - first;
    runGroup(
      order,
      precision,
      at,
      order === 'tn'
        ? { index, row: 0, bRow: first, cRow: index * m, start: first, m, n, k: count, accumulate }
        : {
            index,
            row: first,
            bRow: index * (order === 'nt' ? n : k),
            cRow: first,
            start: 0,
            m: count,
            n,
            k,
            accumulate,
          },
    );
  }
}

function grouped(order: Order, precision: Precision) {
  return kernel(
    'a:any b:any offsets:i32 c:any! workspace:u8! m:int n:int k:int groups:int a_type:int b_type:int c_type:int accumulate:int',
    (a, b, offsets, c, _workspace, m, n, k, groups, aType, bType, cType, accumulate) => {
      const at = {
        a: matrix(a, aType, order === 'tn' ? m : k),
        b: matrix(b, bType, order === 'nt' ? k : n),
        c: matrix(c, cType, n),
        write: writer(c, cType, n),
      };
      runGroups(order, precision, at, offsets, { m, n, k, groups, accumulate });
    },
  );
}

function groupedWeights(order: 'nt' | 'nn') {
  return kernel(
    'a:any b:e4m3 b_scales:f32 offsets:i32 c:any! workspace:u8! m:int n:int k:int groups:int a_type:int c_type:int accumulate:int',
    (a, b, scales, offsets, c, _workspace, m, n, k, groups, aType, cType, accumulate) => {
      const at = {
        a: matrix(a, aType, k),
        b: matrix(b, codeOf.e4m3, order === 'nt' ? k : n),
        c: matrix(c, cType, n),
        write: writer(c, cType, n),
        bScale: blockScale(scales, order === 'nt' ? n : k, order === 'nt' ? k : n),
      };
      runGroups(order, 'fp8', at, offsets, { m, n, k, groups, accumulate });
    },
  );
}

// Panels, here: the weights as they are, row after row.

const packPanels = kernel(
  'b:any panels:u8! n:int k:int groups:int b_type:int panel_type:int',
  (b, panels, n, k, groups, bType, panelType) => {
    const from = matrix(b, bType, k);
    const rows = groups * n;
    if (panelType === codeOf.e4m3) panels.set(b.subarray(0, rows * k));
    else {
      const write = writer(panels, panelType, k);
      for (let i = 0; i < rows; i++) for (let j = 0; j < k; j++) write(i, j, from(i, j));
    }
  },
);

const panelFormat = { f32: codeOf.f32, bf16: codeOf.bf16 };

function panel(precision: 'f32' | 'bf16') {
  return kernel(
    'a:any panels:u8 c:any! workspace:u8! m:int n:int k:int lda:int ldc:int a_type:int c_type:int accumulate:int',
    (a, panels, c, workspace, m, n, k, lda, ldc, aType, cType, accumulate) => {
      const bType = panelFormat[precision];
      dense('nt', precision).define(a, panels, c, workspace, m, n, k, lda, k, ldc, aType, bType, cType, accumulate);
    },
  );
}

const panelFp8 = kernel(
  'a:any panels:u8 b_scales:f32 c:any! workspace:u8! m:int n:int k:int lda:int ldc:int a_type:int c_type:int accumulate:int',
  (a, panels, scales, c, workspace, m, n, k, lda, ldc, aType, cType, accumulate) => {
    denseWeights('nt').define(a, panels, scales, c, workspace, m, n, k, lda, k, ldc, aType, cType, accumulate);
  },
);

function groupedPanel(precision: 'f32' | 'bf16') {
  return kernel(
    'a:any panels:u8 offsets:i32 c:any! workspace:u8! m:int n:int k:int groups:int a_type:int c_type:int accumulate:int',
    (a, panels, offsets, c, workspace, m, n, k, groups, aType, cType, accumulate) => {
      const bType = panelFormat[precision];
      grouped('nt', precision).define(
        a,
        panels,
        offsets,
        c,
        workspace,
        m,
        n,
        k,
        groups,
        aType,
        bType,
        cType,
        accumulate,
      );
    },
  );
}

const groupedPanelFp8 = kernel(
  'a:any panels:u8 b_scales:f32 offsets:i32 c:any! workspace:u8! m:int n:int k:int groups:int a_type:int c_type:int accumulate:int',
  (a, panels, scales, offsets, c, workspace, m, n, k, groups, aType, cType, accumulate) => {
    groupedWeights('nt').define(a, panels, scales, offsets, c, workspace, m, n, k, groups, aType, cType, accumulate);
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

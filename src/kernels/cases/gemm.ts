// Rows for GEMM: every order and precision over edge sizes (0, 1, odd, around the tiles of every instruction set),
// mixed formats, wide rows, accumulation, and groups of which some are empty.
import { Random } from '../../math/index.ts';
import { type DType, dtypeCode } from '../dtype.ts';
import { gemmWorkspaceBytes } from '../sizes.ts';
import { type Case, toFormat } from './case.ts';

type Order = 'nt' | 'nn' | 'tn';
const orders: Order[] = ['nt', 'nn', 'tn'];
const precisions = ['f32', 'bf16', 'fp8'] as const;
type Precision = (typeof precisions)[number];

export interface Shape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly formats?: readonly [DType, DType, DType];
  readonly accumulate?: boolean;
  /** Extra elements between rows. */
  readonly gap?: number;
}

const shapes: Shape[] = [
  { m: 0, n: 5, k: 3 },
  { m: 3, n: 4, k: 0 },
  { m: 1, n: 1, k: 1 },
  { m: 1, n: 33, k: 129 },
  { m: 2, n: 7, k: 17, gap: 3 },
  { m: 5, n: 31, k: 40, accumulate: true },
  { m: 13, n: 65, k: 255 },
  { m: 25, n: 130, k: 300, formats: ['bf16', 'bf16', 'f32'] },
  { m: 12, n: 32, k: 384, formats: ['f32', 'bf16', 'bf16'], accumulate: true },
  { m: 50, n: 161, k: 1037, formats: ['bf16', 'f32', 'bf16'] },
  { m: 397, n: 36, k: 66, formats: ['bf16', 'bf16', 'bf16'], gap: 2 },
];

const weightTile = 128;

function makeScales(random: Random, rows: number, columns: number): Float32Array {
  const count = Math.ceil(rows / weightTile) * Math.ceil(columns / weightTile);
  return Float32Array.from({ length: count }, () => 0.01 + random.uniform());
}

/** A dense product of random numbers. */
export function gemmCase(order: Order, precision: Precision, shape: Shape): Case {
  const { m, n, k, gap = 0, accumulate = false } = shape;
  const weights = precision === 'fp8' && order !== 'tn';
  const [aType, bGiven, cType] = shape.formats ?? ['f32', 'f32', 'f32'];
  const bType = weights ? 'e4m3' : bGiven;
  const random = new Random(m * 7919 + n * 104729 + k + orders.indexOf(order));
  const [lda, ldb, ldc] = [(order === 'tn' ? m : k) + gap, (order === 'nt' ? k : n) + gap, n + gap];
  const data = (dtype: DType, rows: number, ld: number) => toFormat(dtype, random.normals(rows * ld));
  const types = { a: aType, b: bType, c: cType };
  return {
    kernel: `gemm_${order}_${precision}`,
    name:
      `${m} x ${n} x ${k}, ${aType} x ${bType} -> ${cType}` +
      `${gap ? ', wide rows' : ''}${accumulate ? ', accumulating' : ''}`,
    formats: types,
    args: {
      a: data(aType, order === 'tn' ? k : m, lda),
      b: data(bType, order === 'nt' ? n : k, ldb),
      ...(weights
        ? { b_scales: order === 'nt' ? makeScales(random, n, k) : makeScales(random, k, n) }
        : { b_type: dtypeCode[bType] }),
      c: data(cType, m, ldc),
      workspace: new Uint8Array(gemmWorkspaceBytes(m, k)),
      m,
      n,
      k,
      lda,
      ldb,
      ldc,
      a_type: dtypeCode[aType],
      c_type: dtypeCode[cType],
      accumulate: accumulate ? 1 : 0,
    },
    ignore: ['workspace'],
  };
}

const groupSizes = [
  { counts: [3, 0, 17, 1, 0, 140, 29], n: 40, k: 70 },
  { counts: [0, 0], n: 8, k: 5 },
  { counts: [500, 12], n: 65, k: 33 },
];

function makeOffsets(counts: readonly number[]): Int32Array {
  const offsets = new Int32Array(counts.length + 1);
  counts.forEach((count, g) => {
    offsets[g + 1] = offsets[g] + count;
  });
  return offsets;
}

/** In tn, `n` and `k` are the two sides of C, and the rows are what is summed. */
function grouped(order: Order, precision: Precision, index: number, accumulate: boolean): Case {
  const { counts, n: wide, k: deep } = groupSizes[index];
  const rows = counts.reduce((a, b) => a + b, 0);
  const groups = counts.length;
  const weights = precision === 'fp8' && order !== 'tn';
  const random = new Random(rows * 31 + orders.indexOf(order));
  const [m, n, k] = order === 'tn' ? [wide, deep, rows] : [rows, wide, deep];
  const bType = weights ? 'e4m3' : 'f32';
  const scales = Array.from({ length: groups }, () =>
    order === 'nt' ? makeScales(random, n, k) : makeScales(random, k, n),
  );
  return {
    kernel: `grouped_gemm_${order}_${precision}`,
    name: `groups of ${counts.join(', ')} rows, ${wide} x ${deep}${accumulate ? ', accumulating' : ''}`,
    formats: { a: 'f32', b: bType, c: 'f32' },
    args: {
      a: random.normals(rows * (order === 'tn' ? m : k)),
      b: toFormat(bType, random.normals(order === 'tn' ? rows * n : groups * n * k)),
      ...(weights ? { b_scales: Float32Array.from(scales.flatMap((s) => [...s])) } : { b_type: dtypeCode[bType] }),
      offsets: makeOffsets(counts),
      c: random.normals(order === 'tn' ? groups * m * n : m * n),
      workspace: new Uint8Array(gemmWorkspaceBytes(m, k, groups)),
      m,
      n,
      k,
      groups,
      a_type: dtypeCode.f32,
      c_type: dtypeCode.f32,
      accumulate: accumulate ? 1 : 0,
    },
    ignore: ['workspace'],
  };
}

const badOffsets: Case = {
  ...grouped('nt', 'f32', 0, false),
  name: 'offsets that do not end at the rows',
  fault: 'badOffsets',
};

export const gemm: Case[] = orders.flatMap((order) =>
  precisions.flatMap((precision) => [
    ...shapes.map((shape) => gemmCase(order, precision, shape)),
    ...groupSizes.map((_, i) => grouped(order, precision, i, i === 2)),
  ]),
);
gemm.push({ ...badOffsets, args: { ...badOffsets.args, offsets: makeOffsets([3, 0, 17, 1, 0, 140, 28]) } });
gemm.push({
  ...badOffsets,
  name: 'offsets that descend',
  args: { ...badOffsets.args, offsets: Int32Array.of(0, 9, 4, 20, 21, 161, 161, 190) },
});

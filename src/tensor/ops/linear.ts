// Linear maps: x [.., K] times w [N, K], dense and grouped by expert, in three precisions, with both gradients.
//
// The precision says which GEMMs run, forward (nt), for dx (nn) and for dw (tn). f32: as stored. bf16: both operands
// rounded. fp8: DeepSeek-V3's recipe (report, section 3.3): weights quantized here in 128x128 blocks, activations and
// gradients inside the GEMM in tiles of 128 along the reduction. Sums are f32 always. The codes of the forward pass
// serve dx as well. Left out: codes kept over several forward passes of one weight.
import {
  type Device,
  type DType,
  dtypeCode,
  gemmWorkspaceBytes,
  ShapeError,
  tileSize,
  tilesIn,
} from '../../kernels/index.ts';
import { apply, type Op, type OpRows, type OutputSpec } from '../op.ts';
import { PackedWeight } from '../packed-weight.ts';
import {
  expectDType,
  expectFloat,
  expectRank,
  expectShape,
  formatShape,
  lastDim,
  rowCount,
  withLast,
} from '../shape.ts';
import { emptyLike, Tensor } from '../tensor.ts';
import { concat, concatRows } from './layout.ts';
import { groupedPackedLinear, packedLinear } from './packed-linear.ts';
import { tellProduct } from './product-watcher.ts';
import { quantizeWeight } from './quantize.ts';

export type Precision = 'f32' | 'bf16' | 'fp8';

/** What linear and groupedLinear multiply by. */
export type Weight = Tensor | PackedWeight;

export interface LinearOptions {
  /** The arithmetic of a plain weight; a packed one has its own. @default f32 */
  precision?: Precision;
  /** Format of the result. @default the format of x */
  out?: 'f32' | 'bf16';
}

interface LinearParams {
  readonly precision: Precision;
  readonly out: 'f32' | 'bf16';
}

/** Codes and scales of w for fp8 only. */
type Linear = Op<readonly [x: Tensor, w: Tensor], LinearParams, readonly [out: Tensor, ...weight: Tensor[]]>;

type GroupedLinear = Op<
  readonly [x: Tensor, w: Tensor, offsets: Tensor],
  LinearParams,
  readonly [out: Tensor, ...weight: Tensor[]]
>;

export interface LinearOps {
  linear: Linear;
  groupedLinear: GroupedLinear;
}

type Order = 'nt' | 'nn' | 'tn';

type Sizes = readonly [m: number, n: number, k: number];

/** A matrix in device memory: a tensor, or part of one. */
export interface Matrix {
  readonly address: number;
  readonly dtype: DType;
}

/** Kernels whose operands are stored numbers; FP8 has them for weight gradients only, else it reads weight codes. */
type GemmKernel = `gemm_${Order}_${'f32' | 'bf16'}` | 'gemm_tn_fp8';

/** Queues C [m, n] = A B in the order of the kernel, see kernels/reference/gemm.ts; rows lie end to end. */
export function gemm(
  device: Device,
  kernel: GemmKernel,
  [a, b, c]: readonly [Matrix, Matrix, Matrix],
  [m, n, k]: Sizes,
  accumulate = false,
): void {
  const workspace = device.alloc(gemmWorkspaceBytes(m, k), 'linear');
  device.run(kernel, {
    a,
    b,
    c,
    workspace,
    m,
    n,
    k,
    lda: kernel.startsWith('gemm_tn') ? m : k,
    ldb: kernel.startsWith('gemm_nt') ? k : n,
    ldc: n,
    a_type: dtypeCode[a.dtype],
    b_type: dtypeCode[b.dtype],
    c_type: dtypeCode[c.dtype],
    accumulate: accumulate ? 1 : 0,
  });
  workspace.free();
}

/** Queues C = A B with weight codes as B: forward (nt) or dx (nn). */
function gemmCodes(
  device: Device,
  order: 'nt' | 'nn',
  a: Tensor,
  [codes, scales]: readonly Tensor[],
  c: Tensor,
  [m, n, k]: Sizes,
): void {
  const workspace = device.alloc(gemmWorkspaceBytes(m, k), 'linear');
  const strides = { lda: k, ldb: order === 'nt' ? k : n, ldc: n };
  const types = { a_type: dtypeCode[a.dtype], c_type: dtypeCode[c.dtype] };
  const given = { a, b: codes, b_scales: scales, c, workspace, m, n, k, accumulate: 0 };
  device.run(`gemm_${order}_fp8`, { ...given, ...strides, ...types });
  workspace.free();
}

function weightSpecs(w: Tensor, precision: Precision): OutputSpec[] {
  if (precision !== 'fp8') return [];
  const [N, K] = [w.shape[w.shape.length - 2], lastDim(w.shape)];
  const groups = w.shape.slice(0, -2);
  return [
    { shape: w.shape, dtype: 'e4m3' },
    { shape: [...groups, tilesIn(N), tilesIn(K)], dtype: 'f32' },
  ];
}

function expectInner(op: string, x: Tensor, w: Tensor): void {
  const K = lastDim(w.shape);
  if (x.shape.length > 0 && lastDim(x.shape) === K) return;
  throw new ShapeError(
    op,
    `inner dimensions differ: x is ${formatShape(x.shape)}, w is ${formatShape(w.shape)} (expected x [.., ${K}])`,
    'w is [out, in]; transpose or slice one of them',
  );
}

const linearRow: OpRows<LinearOps>['linear'] = {
  name: 'linear',
  shape: ([x, w], { precision, out }) => {
    expectFloat(x, 'linear', 'x');
    expectFloat(w, 'linear', 'w');
    expectRank(w, 2, 'linear', 'w');
    expectInner('linear', x, w);
    return [{ shape: withLast(x.shape, w.shape[0]), dtype: out }, ...weightSpecs(w, precision)];
  },
  forward: (device, [x, w], [out, ...weight], { precision }) => {
    const sizes = [rowCount(x.shape), w.shape[0], lastDim(w.shape)] as const;
    if (precision === 'fp8') {
      quantizeWeight(device, w, weight);
      gemmCodes(device, 'nt', x, weight, out, sizes);
    } else gemm(device, `gemm_nt_${precision}`, [x, w, out], sizes);
  },
  save: ([x, w], [, ...weight], needs) => [
    ...(weight.length > 0 && needs[0] ? weight : [needs[0] && weight.length === 0 && w]),
    needs[1] && x,
  ],
  vjp: ({ device, inputs: [x, w], outputs: [, ...weight], params: { precision }, gradients: [dy], needs }) => {
    const [M, N, K] = [rowCount(x.shape), w.shape[0], lastDim(w.shape)];
    const [dx, dw] = [needs[0] && emptyLike(x), needs[1] && emptyLike(w)];
    const d = dy as Tensor;
    if (dx && precision === 'fp8') gemmCodes(device, 'nn', d, weight, dx, [M, K, N]);
    else if (dx) gemm(device, `gemm_nn_${precision as 'f32' | 'bf16'}`, [d, w, dx], [M, K, N]);
    if (dw) gemm(device, `gemm_tn_${precision}`, [d, x, dw], [N, K, M]);
    return [dx, dw];
  },
};

interface GroupedCall {
  readonly order: Order;
  readonly a: Tensor;
  /** One tensor, or the codes and scales of weights. */
  readonly b: readonly Tensor[];
  readonly c: Tensor;
  readonly offsets: Tensor;
  readonly sizes: Sizes;
}

function groupedGemm(device: Device, precision: Precision, { order, a, b, c, offsets, sizes }: GroupedCall): void {
  const [m, n, k] = sizes;
  const groups = offsets.size - 1;
  const workspace = device.alloc(gemmWorkspaceBytes(m, k, groups), 'groupedLinear');
  const [stored, scales] = b;
  const types = { a_type: dtypeCode[a.dtype], c_type: dtypeCode[c.dtype] };
  const given = { a, b: stored, offsets, c, workspace, m, n, k, groups, ...types, accumulate: 0 };
  if (precision === 'fp8' && order !== 'tn') device.run(`grouped_gemm_${order}_fp8`, { ...given, b_scales: scales });
  else device.run(`grouped_gemm_${order as 'tn'}_${precision}`, { ...given, b_type: dtypeCode[stored.dtype] });
  workspace.free();
}

const groupedRow: OpRows<LinearOps>['groupedLinear'] = {
  name: 'groupedLinear',
  shape: ([x, w, offsets], { precision, out }) => {
    expectFloat(x, 'groupedLinear', 'x');
    expectFloat(w, 'groupedLinear', 'w');
    expectRank(x, 2, 'groupedLinear', 'x');
    expectRank(w, 3, 'groupedLinear', 'w');
    expectDType(offsets, 'i32', 'groupedLinear', 'offsets');
    expectShape(offsets, [w.shape[0] + 1], 'groupedLinear', 'offsets');
    expectInner('groupedLinear', x, w);
    return [{ shape: withLast(x.shape, w.shape[1]), dtype: out }, ...weightSpecs(w, precision)];
  },
  forward: (device, [x, w, offsets], [out, ...weight], { precision }) => {
    const sizes = [x.shape[0], w.shape[1], lastDim(w.shape)] as const;
    if (precision === 'fp8') quantizeWeight(device, w, weight);
    const b = precision === 'fp8' ? weight : [w];
    groupedGemm(device, precision, { order: 'nt', a: x, b, c: out, offsets, sizes });
  },
  save: ([x, w, offsets], [, ...weight], needs) => [
    offsets,
    ...(needs[0] ? (weight.length > 0 ? weight : [w]) : []),
    needs[1] && x,
  ],
  vjp: ({ device, inputs: [x, w, offsets], outputs: [, ...weight], params: { precision }, gradients: [dy], needs }) => {
    const [R, N, K] = [x.shape[0], w.shape[1], lastDim(w.shape)];
    const [dx, dw] = [needs[0] && emptyLike(x), needs[1] && emptyLike(w)];
    const a = dy as Tensor;
    const b = precision === 'fp8' ? weight : [w];
    if (dx) groupedGemm(device, precision, { order: 'nn', a, b, c: dx, offsets, sizes: [R, K, N] });
    if (dw) groupedGemm(device, precision, { order: 'tn', a, b: [x], c: dw, offsets, sizes: [N, K, R] });
    return [dx, dw, null];
  },
};

export const linears: OpRows<LinearOps> = { linear: linearRow, groupedLinear: groupedRow };

function toParams(x: Tensor, { precision = 'f32', out }: LinearOptions): LinearParams {
  return { precision, out: out ?? (x.dtype as 'f32' | 'bf16') };
}

/** Whether weights with the same inputs are one product: in FP8 no block of 128 rows may hold rows of two of them. */
function areOneProduct(parts: readonly Weight[], precision: Precision | undefined): parts is readonly Tensor[] {
  if (!parts.every((part) => part instanceof Tensor)) return false;
  return precision !== 'fp8' || parts.slice(0, -1).every((part) => part.shape[0] % tileSize === 0);
}

/**
 * x [.., K] times w [N, K], transposed: [.., N]. x is f32 or bf16, w too, or packed; see LinearOptions for the
 * arithmetic. A packed weight has no gradient: a tape that needs one throws. Several weights with the same inputs,
 * [N0, K], [N1, K], ..., give their outputs side by side, [.., N0 + N1 + ..], in one product where their formats allow.
 */
export function linear(x: Tensor, w: Weight | readonly Weight[], options: LinearOptions = {}): Tensor {
  if (!(w instanceof Tensor || w instanceof PackedWeight)) {
    if (w.length === 1) return linear(x, w[0], options);
    if (!areOneProduct(w, options.precision)) return concat(w.map((part) => linear(x, part, options)));
    tellProduct(x, w, null);
    return multiply(x, concatRows(w), options);
  }
  tellProduct(x, [w], null);
  return multiply(x, w, options);
}

function multiply(x: Tensor, w: Weight, options: LinearOptions): Tensor {
  if (w instanceof PackedWeight) return packedLinear(x, w, toParams(x, options).out);
  const [out, ...weight] = apply(linears.linear, [x, w], toParams(x, options));
  for (const tensor of weight) tensor.dispose();
  return out;
}

/**
 * Rows sorted by expert, each group times its expert's matrix: x [R, K], w [E, N, K] to [R, N]. offsets [E + 1] i32:
 * expert e owns rows offsets[e] to offsets[e + 1] (dispatchPlan makes them); they must cover all rows.
 */
export function groupedLinear(x: Tensor, w: Weight, offsets: Tensor, options: LinearOptions = {}): Tensor {
  tellProduct(x, [w], offsets);
  if (w instanceof PackedWeight) return groupedPackedLinear(x, w, offsets, toParams(x, options).out);
  const [out, ...weight] = apply(linears.groupedLinear, [x, w, offsets], toParams(x, options));
  for (const tensor of weight) tensor.dispose();
  return out;
}

// Linear maps: x [.., K] times w [N, K], dense and grouped by expert, in three precisions, with both gradients.
//
// The precision says which GEMMs run, forward (nt), for dx (nn) and for dw (tn). f32: as stored. bf16: both operands
// rounded. fp8: DeepSeek-V3's recipe (report, section 3.3): weights quantised here in 128x128 blocks, activations and
// gradients inside the GEMM in tiles of 128 along the reduction. Sums are f32 always. The codes of the forward pass
// serve dx as well. Left out: codes kept over several forward passes of one weight.
import { codeOf, type Device, gemmWorkspaceBytes, type KernelName, ShapeError, tilesIn } from '../../kernels/index.ts';
import { apply, type Op, type Rows, type Spec } from '../op.ts';
import { PackedWeight } from '../packed-weight.ts';
import { expectDType, expectFloat, expectRank, expectShape, formatShape, lastOf, rowsOf, withLast } from '../shape.ts';
import { emptyLike, type Tensor } from '../tensor.ts';
import { groupedPackedLinear, packedLinear } from './packed-linear.ts';
import { quantiseWeight } from './quantise.ts';

export type Precision = 'f32' | 'bf16' | 'fp8';

/** What linear and groupedLinear multiply by. */
export type Weight = Tensor | PackedWeight;

export interface LinearOptions {
  /** Of a plain weight; a packed one has its own. @default f32 */
  precision?: Precision;
  /** Format of the result. @default the format of x */
  out?: 'f32' | 'bf16';
}

interface LinearParams {
  readonly precision: Precision;
  readonly out: 'f32' | 'bf16';
}

interface Linear extends Op {
  readonly inputs: readonly [x: Tensor, w: Tensor];
  readonly params: LinearParams;
  /** Codes and scales of w for fp8 only. */
  readonly outputs: readonly [out: Tensor, ...weight: Tensor[]];
}

interface GroupedLinear extends Op {
  readonly inputs: readonly [x: Tensor, w: Tensor, offsets: Tensor];
  readonly params: LinearParams;
  readonly outputs: readonly [out: Tensor, ...weight: Tensor[]];
}

export interface LinearOps {
  linear: Linear;
  groupedLinear: GroupedLinear;
}

type Order = 'nt' | 'nn' | 'tn';

/** C [m, n] in the order of gemm.ts; leading dimensions are the full widths. */
export function gemm(
  device: Device,
  order: Order,
  precision: 'f32' | 'bf16' | 'fp8',
  a: { address: number; type: number },
  b: { address: number; type: number },
  c: { address: number; type: number },
  [m, n, k]: readonly [number, number, number],
  accumulate = false,
): void {
  const name = `gemm_${order}_${precision}` as KernelName;
  const workspace = device.alloc(gemmWorkspaceBytes(m, k), 'linear');
  const [lda, ldb] = [order === 'tn' ? m : k, order === 'nt' ? k : n];
  device.encode(
    device.kernel(name),
    a.address,
    b.address,
    c.address,
    workspace.address,
    m,
    n,
    k,
    lda,
    ldb,
    n,
    a.type,
    b.type,
    c.type,
    accumulate ? 1 : 0,
  );
  workspace.free();
}

/** Address and format of a tensor, as gemm takes them. */
export function operand(x: Tensor): { address: number; type: number } {
  return { address: x.address, type: codeOf[x.dtype] };
}

/** Against weight codes: forward (nt) or dx (nn). */
function gemmCodes(
  device: Device,
  order: 'nt' | 'nn',
  a: Tensor,
  [codes, scales]: readonly Tensor[],
  c: Tensor,
  [m, n, k]: readonly [number, number, number],
): void {
  const workspace = device.alloc(gemmWorkspaceBytes(m, k), 'linear');
  device.encode(
    device.kernel(`gemm_${order}_fp8`),
    a.address,
    codes.address,
    scales.address,
    c.address,
    workspace.address,
    m,
    n,
    k,
    k,
    order === 'nt' ? k : n,
    n,
    codeOf[a.dtype],
    codeOf[c.dtype],
    0,
  );
  workspace.free();
}

function weightSpecs(w: Tensor, precision: Precision): Spec[] {
  if (precision !== 'fp8') return [];
  const [N, K] = [w.shape[w.shape.length - 2], lastOf(w.shape)];
  const groups = w.shape.slice(0, -2);
  return [
    { shape: w.shape, dtype: 'e4m3' },
    { shape: [...groups, tilesIn(N), tilesIn(K)], dtype: 'f32' },
  ];
}

function expectInner(op: string, x: Tensor, w: Tensor): void {
  const K = lastOf(w.shape);
  if (x.shape.length > 0 && lastOf(x.shape) === K) return;
  throw new ShapeError(
    op,
    `inner dimensions differ: x is ${formatShape(x.shape)}, w is ${formatShape(w.shape)} (expected x [.., ${K}])`,
    'w is [out, in]; transpose or slice one of them',
  );
}

const linearRow: Rows<LinearOps>['linear'] = {
  name: 'linear',
  shape: ([x, w], { precision, out }) => {
    expectFloat(x, 'linear', 'x');
    expectFloat(w, 'linear', 'w');
    expectRank(w, 2, 'linear', 'w');
    expectInner('linear', x, w);
    return [{ shape: withLast(x.shape, w.shape[0]), dtype: out }, ...weightSpecs(w, precision)];
  },
  forward: (device, [x, w], [out, ...weight], { precision }) => {
    const sizes = [rowsOf(x.shape), w.shape[0], lastOf(w.shape)] as const;
    if (precision === 'fp8') {
      quantiseWeight(device, w, weight);
      gemmCodes(device, 'nt', x, weight, out, sizes);
    } else gemm(device, 'nt', precision, operand(x), operand(w), operand(out), sizes);
  },
  save: ([x, w], [, ...weight], needs) => [
    ...(weight.length > 0 && needs[0] ? weight : [needs[0] && weight.length === 0 && w]),
    needs[1] && x,
  ],
  vjp: ({ device, inputs: [x, w], outputs: [, ...weight], params: { precision }, gradients: [dy], needs }) => {
    const [M, N, K] = [rowsOf(x.shape), w.shape[0], lastOf(w.shape)];
    const [dx, dw] = [needs[0] && emptyLike(x), needs[1] && emptyLike(w)];
    const d = dy as Tensor;
    if (dx && precision === 'fp8') gemmCodes(device, 'nn', d, weight, dx, [M, K, N]);
    else if (dx) gemm(device, 'nn', precision, operand(d), operand(w), operand(dx), [M, K, N]);
    if (dw) gemm(device, 'tn', precision, operand(d), operand(x), operand(dw), [N, K, M]);
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
  readonly sizes: readonly [m: number, n: number, k: number];
}

function groupedGemm(device: Device, precision: Precision, { order, a, b, c, offsets, sizes }: GroupedCall): void {
  const [m, n, k] = sizes;
  const groups = offsets.size - 1;
  const workspace = device.alloc(gemmWorkspaceBytes(m, k, groups), 'groupedLinear');
  const kernel = device.kernel(`grouped_gemm_${order}_${precision}` as KernelName);
  const [first, second] = b as [Tensor, Tensor | undefined];
  const types = second ? [codeOf[a.dtype]] : [codeOf[a.dtype], codeOf[first.dtype]];
  const scales = second ? [second.address] : [];
  const operands = [a.address, first.address, ...scales, offsets.address, c.address, workspace.address];
  device.encode(kernel, ...operands, m, n, k, groups, ...types, codeOf[c.dtype], 0);
  workspace.free();
}

const groupedRow: Rows<LinearOps>['groupedLinear'] = {
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
    const sizes = [x.shape[0], w.shape[1], lastOf(w.shape)] as const;
    if (precision === 'fp8') quantiseWeight(device, w, weight);
    const b = precision === 'fp8' ? weight : [w];
    groupedGemm(device, precision, { order: 'nt', a: x, b, c: out, offsets, sizes });
  },
  save: ([x, w, offsets], [, ...weight], needs) => [
    offsets,
    ...(needs[0] ? (weight.length > 0 ? weight : [w]) : []),
    needs[1] && x,
  ],
  vjp: ({ device, inputs: [x, w, offsets], outputs: [, ...weight], params: { precision }, gradients: [dy], needs }) => {
    const [R, N, K] = [x.shape[0], w.shape[1], lastOf(w.shape)];
    const [dx, dw] = [needs[0] && emptyLike(x), needs[1] && emptyLike(w)];
    const a = dy as Tensor;
    const b = precision === 'fp8' ? weight : [w];
    if (dx) groupedGemm(device, precision, { order: 'nn', a, b, c: dx, offsets, sizes: [R, K, N] });
    if (dw) groupedGemm(device, precision, { order: 'tn', a, b: [x], c: dw, offsets, sizes: [N, K, R] });
    return [dx, dw, null];
  },
};

export const linears: Rows<LinearOps> = { linear: linearRow, groupedLinear: groupedRow };

function paramsOf(x: Tensor, { precision = 'f32', out }: LinearOptions): LinearParams {
  return { precision, out: out ?? (x.dtype as 'f32' | 'bf16') };
}

/**
 * x [.., K] times w [N, K], transposed: [.., N]. x is f32 or bf16, w too, or packed; see LinearOptions for the arithmetic.
 * By a packed weight there is no gradient: a tape that needs one refuses.
 */
export function linear(x: Tensor, w: Weight, options: LinearOptions = {}): Tensor {
  if (w instanceof PackedWeight) return packedLinear(x, w, paramsOf(x, options).out);
  const [out, ...weight] = apply(linears.linear, [x, w], paramsOf(x, options));
  for (const tensor of weight) tensor.dispose();
  return out;
}

/**
 * Rows sorted by expert, each group times its expert's matrix: x [R, K], w [E, N, K] to [R, N]. offsets [E + 1] i32:
 * expert e owns rows offsets[e] to offsets[e + 1] (dispatchPlan makes them); they must cover all rows.
 */
export function groupedLinear(x: Tensor, w: Weight, offsets: Tensor, options: LinearOptions = {}): Tensor {
  if (w instanceof PackedWeight) return groupedPackedLinear(x, w, offsets, paramsOf(x, options).out);
  const [out, ...weight] = apply(linears.groupedLinear, [x, w, offsets], paramsOf(x, options));
  for (const tensor of weight) tensor.dispose();
  return out;
}

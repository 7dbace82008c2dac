// The expert router (DeepSeek-V3 report, section 2.1.2) and the balance loss, in f32; tokens to experts and back.
import { dtypeBytes, dtypeCode, ValueError } from '../../kernels/index.ts';
import { full } from '../create.ts';
import { apply, type Op, type OpRows, saveNothing } from '../op.ts';
import { expectDType, expectFloat, expectRank, expectSameDType, expectShape, expectTensor } from '../shape.ts';
import { empty, emptyLike, type Tensor } from '../tensor.ts';

/** Names of Hugging Face's config.json, in camelCase. */
export interface RouterConfig {
  /** K */
  readonly numExpertsPerTok: number;
  /** @default 1 */
  readonly nGroup?: number;
  /** @default nGroup */
  readonly topkGroup?: number;
  /** How many of its best scores rank a group: 2 in V3, 1 in V2. @default 2 */
  readonly groupBest?: number;
  /** @default sigmoid */
  readonly scoringFunc?: 'sigmoid' | 'softmax';
  /** @default true */
  readonly normTopkProb?: boolean;
  /** @default 1 */
  readonly routedScalingFactor?: number;
}

interface RouterParams {
  readonly K: number;
  readonly groups: number;
  readonly topGroups: number;
  readonly groupBest: number;
  readonly softmax: number;
  readonly normalize: number;
  readonly scale: number;
}

type Router = Op<
  readonly [logits: Tensor, bias: Tensor | null],
  RouterParams,
  readonly [indices: Tensor, weights: Tensor, scores: Tensor]
>;

type BalanceLoss = Op<
  readonly [scores: Tensor, indices: Tensor, offsets: Tensor],
  number,
  readonly [loss: Tensor, fraction: Tensor]
>;

type DispatchPlanOp = Op<
  readonly [indices: Tensor],
  number,
  readonly [offsets: Tensor, rowIndex: Tensor, tokenIndex: Tensor]
>;

type PermuteRows = Op<readonly [x: Tensor, rowIndex: Tensor, tokenIndex: Tensor], null, readonly [Tensor]>;

type UnpermuteRows = Op<
  readonly [y: Tensor, rowIndex: Tensor, weights: Tensor, base: Tensor | null],
  null,
  readonly [Tensor]
>;

export interface RouterOps {
  router: Router;
  balanceLoss: BalanceLoss;
  dispatchPlan: DispatchPlanOp;
  permuteRows: PermuteRows;
  unpermuteRows: UnpermuteRows;
}

function checkConfig(E: number, { K, groups, topGroups, groupBest }: RouterParams): void {
  const whole = [K, groups, topGroups, groupBest].every((n) => Number.isInteger(n) && n > 0);
  if (whole && E % groups === 0 && topGroups <= groups && K <= (E / groups) * topGroups && groupBest <= E / groups)
    return;
  throw new ValueError(
    'router',
    `${K} of ${E} experts in ${groups} groups, best ${topGroups} groups by ${groupBest} scores`,
    'groups must divide the experts, and the chosen groups must hold enough of them',
  );
}

const routerRow: OpRows<RouterOps>['router'] = {
  name: 'router',
  shape: ([logits, bias], params) => {
    expectDType(logits, 'f32', 'router', 'logits');
    expectRank(logits, 2, 'router', 'logits');
    const [T, E] = logits.shape as [number, number];
    if (bias) {
      expectTensor(bias, 'f32', [E], 'router', 'bias');
    }
    checkConfig(E, params);
    const chosen = [T, params.K];
    return [{ shape: chosen, dtype: 'i32' }, { shape: chosen, dtype: 'f32' }, logits];
  },
  forward: (device, [logits, bias], [indices, weights, scores], p) => {
    const [T, E] = logits.shape as [number, number];
    const { groupBest: group_best, topGroups: top_groups, ...same } = p;
    device.run('router_f32', { logits, bias, indices, weights, scores, T, E, group_best, top_groups, ...same });
  },
  save: (_, [indices, , scores]) => [indices, scores],
  vjp: ({ device, inputs: [logits, bias], outputs: [indices, weights, scores], params: p, gradients, needs }) => {
    const [, dweights, dscores] = gradients;
    const dlogits = emptyLike(logits);
    const [T, E] = logits.shape as [number, number];
    const dw = dweights ?? full(weights.shape, 0, weights);
    const sizes = { T, E, K: p.K, softmax: p.softmax, normalize: p.normalize, scale: p.scale };
    device.run('router_backward_f32', { scores, indices, dweights: dw, dscores, dlogits, ...sizes });
    if (!dweights) dw.dispose();
    return [dlogits, needs[1] && bias !== null && full(bias.shape, 0, bias)];
  },
};

const balanceLossRow: OpRows<RouterOps>['balanceLoss'] = {
  name: 'balanceLoss',
  shape: ([scores, indices, offsets]) => {
    expectDType(scores, 'f32', 'balanceLoss', 'scores');
    expectRank(scores, 2, 'balanceLoss', 'scores');
    expectDType(indices, 'i32', 'balanceLoss', 'indices');
    expectShape(indices, [scores.shape[0], -1], 'balanceLoss', 'indices');
    expectDType(offsets, 'i32', 'balanceLoss', 'offsets');
    expectRank(offsets, 1, 'balanceLoss', 'offsets');
    const B = offsets.size - 1;
    return [
      { shape: [B], dtype: 'f32' },
      { shape: [B, scores.shape[1]], dtype: 'f32' },
    ];
  },
  forward: (device, [scores, indices, offsets], [loss, fraction], alpha) => {
    const [T, E] = scores.shape as [number, number];
    const sizes = { B: loss.size, T, E, K: indices.shape[1], alpha };
    device.run('balance_loss_f32', { scores, indices, offsets, fraction, loss, ...sizes });
  },
  save: ([scores, , offsets], [, fraction]) => [scores, offsets, fraction],
  vjp: ({ device, inputs: [scores, , offsets], outputs: [loss, fraction], params: alpha, gradients: [dloss] }) => {
    const [T, E] = scores.shape as [number, number];
    const dscores = emptyLike(scores);
    const sizes = { B: loss.size, T, E, alpha };
    device.run('balance_loss_backward_f32', { scores, offsets, fraction, grad: dloss, dscores, ...sizes });
    return [dscores, null, null];
  },
};

const planRow: OpRows<RouterOps>['dispatchPlan'] = {
  name: 'dispatchPlan',
  shape: ([indices], E) => {
    expectDType(indices, 'i32', 'dispatchPlan', 'indices');
    expectRank(indices, 2, 'dispatchPlan', 'indices');
    return [
      { shape: [E + 1], dtype: 'i32' },
      { shape: indices.shape, dtype: 'i32' },
      { shape: [indices.size], dtype: 'i32' },
    ];
  },
  forward: (device, [indices], [offsets, rowIndex, tokenIndex], E) => {
    const [T, K] = indices.shape as [number, number];
    device.run('dispatch_plan', { indices, offsets, row_index: rowIndex, token_index: tokenIndex, T, K, E });
  },
  save: saveNothing,
  vjp: null,
};

const permuteRow: OpRows<RouterOps>['permuteRows'] = {
  name: 'permuteRows',
  shape: ([x, rowIndex, tokenIndex]) => {
    expectFloat(x, 'permuteRows', 'x');
    expectRank(x, 2, 'permuteRows', 'x');
    expectDType(rowIndex, 'i32', 'permuteRows', 'rowIndex');
    expectShape(rowIndex, [x.shape[0], -1], 'permuteRows', 'rowIndex');
    expectTensor(tokenIndex, 'i32', [rowIndex.size], 'permuteRows', 'tokenIndex');
    return [{ shape: [tokenIndex.size, x.shape[1]], dtype: x.dtype }];
  },
  forward: (device, [x, , tokenIndex], [out]) => {
    const [tokens, D] = x.shape as [number, number];
    const sizes = { rows: tokenIndex.size, tokens, row_bytes: D * dtypeBytes[x.dtype] };
    device.run('permute_rows', { x, token_index: tokenIndex, out, ...sizes });
  },
  save: ([, rowIndex]) => [rowIndex],
  vjp: ({ device, inputs: [x, rowIndex], gradients: [dy] }) => {
    const [d, dx] = [dy as Tensor, emptyLike(x)];
    const [T, D] = x.shape as [number, number];
    const sizes = { T, K: rowIndex.shape[1], rows: rowIndex.size, cols: D };
    const types = { y_type: dtypeCode[d.dtype], out_type: dtypeCode[dx.dtype] };
    device.run('unpermute_rows', { y: d, row_index: rowIndex, weights: null, base: null, out: dx, ...types, ...sizes });
    return [dx, null, null];
  },
};

const unpermuteRow: OpRows<RouterOps>['unpermuteRows'] = {
  name: 'unpermuteRows',
  shape: ([y, rowIndex, weights, base]) => {
    expectFloat(y, 'unpermuteRows', 'y');
    expectRank(rowIndex, 2, 'unpermuteRows', 'rowIndex');
    expectDType(rowIndex, 'i32', 'unpermuteRows', 'rowIndex');
    expectShape(y, [rowIndex.size, -1], 'unpermuteRows', 'y');
    expectTensor(weights, 'f32', rowIndex.shape, 'unpermuteRows', 'weights');
    const out = { shape: [rowIndex.shape[0], y.shape[1]], dtype: y.dtype };
    if (base) {
      expectShape(base, out.shape, 'unpermuteRows', 'base');
      expectSameDType(base, y, 'unpermuteRows', 'base and y');
    }
    return [out];
  },
  forward: (device, [y, rowIndex, weights, base], [out]) => {
    const [T, K] = rowIndex.shape as [number, number];
    const type = dtypeCode[y.dtype];
    const sizes = { y_type: type, out_type: type, T, K, rows: rowIndex.size, cols: y.shape[1] };
    device.run('unpermute_rows', { y, row_index: rowIndex, weights, base, out, ...sizes });
  },
  save: ([y, rowIndex, weights], _, needs) => [rowIndex, weights, needs[2] && y],
  vjp: ({ device, inputs: [y, rowIndex, weights, base], gradients: [dout], needs }) => {
    const [d, dy] = [dout as Tensor, empty(y.shape, y.dtype, device)];
    const dweights = needs[2] && emptyLike(weights);
    const [T, K] = rowIndex.shape as [number, number];
    const types = { dout_type: dtypeCode[d.dtype], y_type: dtypeCode[y.dtype], dy_type: dtypeCode[dy.dtype] };
    const sizes = { T, K, rows: rowIndex.size, cols: y.shape[1] };
    const given = { dout: d, y: needs[2] ? y : null, row_index: rowIndex, weights, ...types, ...sizes };
    device.run('unpermute_rows_backward', { ...given, dy, dweights: dweights || null });
    return [dy, null, dweights, needs[3] && base !== null && d.alias()];
  },
};

export const routers: OpRows<RouterOps> = {
  router: routerRow,
  balanceLoss: balanceLossRow,
  dispatchPlan: planRow,
  permuteRows: permuteRow,
  unpermuteRows: unpermuteRow,
};

/** Chosen experts of each token, their weights, and all scores. */
export interface Routing {
  /** [T, K] i32, best first; the lowest index first among equals */
  readonly indices: Tensor;
  /** [T, K] */
  readonly weights: Tensor;
  /** [T, E]: sigmoid or softmax of the logits */
  readonly scores: Tensor;
}

/**
 * Chooses K experts a token: logits [T, E] f32; bias [E] f32 acts on the choice only. Gradients flow through the
 * weights and the scores, not through the choice: the bias gets zeros. Logits that are not finite are reported by the
 * next read.
 */
export function router(logits: Tensor, bias: Tensor | null, config: RouterConfig): Routing {
  const { numExpertsPerTok: K, nGroup = 1, topkGroup = nGroup, scoringFunc = 'sigmoid' } = config;
  const groupSize = (logits.shape[1] ?? 1) / nGroup;
  const { groupBest = Math.min(2, groupSize), normTopkProb = true, routedScalingFactor = 1 } = config;
  const [indices, weights, scores] = apply(routers.router, [logits, bias], {
    K,
    groups: nGroup,
    topGroups: topkGroup,
    groupBest,
    softmax: scoringFunc === 'softmax' ? 1 : 0,
    normalize: normTopkProb ? 1 : 0,
    scale: routedScalingFactor,
  });
  return { indices, weights, scores };
}

/**
 * The sequence-wise balance loss (V3 report, eq. 17 to 20): scores [T, E], indices [T, K], offsets [B + 1] i32 of the
 * sequences in the tokens, to [B]. Gradients flow to the scores.
 */
export function balanceLoss(scores: Tensor, indices: Tensor, offsets: Tensor, alpha: number): Tensor {
  const [loss, fraction] = apply(routers.balanceLoss, [scores, indices, offsets], alpha);
  fraction.dispose();
  return loss;
}

/** Rows sorted by expert: where each (token, choice) goes and where each row comes from. All i32. */
export interface DispatchPlan {
  /** [E + 1] */
  readonly offsets: Tensor;
  /** [T, K] */
  readonly rowIndex: Tensor;
  /** [T * K] */
  readonly tokenIndex: Tensor;
}

/** Sorts the choices indices [T, K] by expert, stably in token order. */
export function dispatchPlan(indices: Tensor, experts: number): DispatchPlan {
  const [offsets, rowIndex, tokenIndex] = apply(routers.dispatchPlan, [indices], experts);
  return { offsets, rowIndex, tokenIndex };
}

/** Tokens to rows sorted by expert: x [T, D] to [T * K, D]. */
export function permuteRows(x: Tensor, { rowIndex, tokenIndex }: DispatchPlan): Tensor {
  return apply(routers.permuteRows, [x, rowIndex, tokenIndex], null)[0];
}

/** Rows back to tokens: base + sum over k of weights[t, k] * y[rowIndex[t, k]], in the order of k: [T, D]. */
export function unpermuteRows(y: Tensor, { rowIndex }: DispatchPlan, weights: Tensor, base?: Tensor): Tensor {
  return apply(routers.unpermuteRows, [y, rowIndex, weights, base ?? null], null)[0];
}

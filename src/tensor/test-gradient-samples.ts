// Where each differentiable op is compared with finite differences: total over the op table, so that a new op without
// an entry does not compile. Sizes are small and ragged; whatever is not smooth (a choice of experts) stays clear of
// its edges by more than the stencil reaches, 2/32.

import { Random } from '../math/index.ts';
import { attention } from './ops/attention.ts';
import { divergence } from './ops/divergence.ts';
import { add, addRow, cast, exp, log, mul, scale, scaleRows, sigmoid, silu, sub } from './ops/elementwise.ts';
import { embedding } from './ops/embedding.ts';
import { concat, concatRows, permute, repeatRow, split } from './ops/layout.ts';
import { groupedLinear, linear } from './ops/linear.ts';
import { crossEntropy, logprobs } from './ops/loss.ts';
import { addRmsNorm, rmsNorm } from './ops/norm.ts';
import { policyLoss } from './ops/policy.ts';
import { mean, rowSum, sum } from './ops/reduction.ts';
import { rope } from './ops/rope.ts';
import { balanceLoss, dispatchPlan, permuteRows, router, unpermuteRows } from './ops/router.ts';
import { swiglu } from './ops/swiglu.ts';
import { copy, narrow, reshape } from './ops/view.ts';
import { elementCount, type Shape } from './shape.ts';
import type { Tensor } from './tensor.ts';
import type { Point } from './test-finite-differences.ts';
import type { OpName } from './test-op-table.ts';

interface Sample {
  readonly what?: string;
  readonly points: readonly Point[];
  // biome-ignore lint/suspicious/noExplicitAny: as many tensors as there are points
  readonly f: (...inputs: any[]) => Tensor | readonly Tensor[];
}

function normal(shape: Shape, seed: number): Point {
  return { shape, values: new Random(seed).normals(elementCount(shape)) };
}

function fixed(point: Point): Point {
  return { ...point, fixed: true };
}

function whole(...values: number[]): Point {
  return { shape: [values.length], values: Int32Array.from(values) };
}

function table(shape: Shape, ...values: number[]): Point {
  return { shape, values: Int32Array.from(values) };
}

const a = normal([3, 5], 1);
const b = normal([3, 5], 2);
const row = normal([5], 3);
const positive: Point = { shape: [7], values: Float32Array.from({ length: 7 }, (_, i) => 0.5 + 0.3 * i) };

const one = (f: (x: Tensor) => Tensor, point = a): Sample => ({ points: [point], f });
const two = (f: (a: Tensor, b: Tensor) => Tensor, first = a, second = b): Sample => ({ points: [first, second], f });
/** The same tensor on both sides: its gradient is a sum. */
const twice = (f: (a: Tensor, b: Tensor) => Tensor): Sample => ({
  what: 'of a tensor with itself',
  points: [a],
  f: (a: Tensor) => f(a, a),
});

/** A rotation table of three positions, two pairs; any numbers will do, the gradient is linear in them. */
const turns = { cos: fixed(normal([3, 2], 5)), sin: fixed(normal([3, 2], 6)) };
const positions = whole(2, 0, 1);
const ropeSample = (width: number, half: boolean): Sample => ({
  what: `of the last 4 of ${width} elements${half ? ', in halves' : ''}`,
  points: [normal([3, 2, width], 7), positions, turns.cos, turns.sin],
  f: (x: Tensor, at: Tensor, cos: Tensor, sin: Tensor) => rope(x, at, { cos, sin }, half),
});

const heads = (T: number, Hq: number, Hkv: number, Dk: number, Dv: number) => [
  normal([T, Hq, Dk], 8),
  normal([T, Hkv, Dk], 9),
  normal([T, Hkv, Dv], 10),
];
const attend = (what: string, points: Point[], starts: Point, maxQueries: number, mask = {}): Sample => ({
  what,
  points: [...points, starts],
  f: (q: Tensor, k: Tensor, v: Tensor, queryStart: Tensor) => attention(q, k, v, { queryStart, maxQueries }, mask),
});

/** Logits apart by 0.3 at least within a token; the sums that rank the groups of three by 0.1. */
const logits: Point = {
  shape: [3, 6],
  values: Float32Array.of(0.1, 0.9, -0.5, 1.7, -1.1, 2.2, 2, -0.4, 0.5, -0.1, -1.2, 0.9, -2, 1.5, 0.3, -0.8, 2.1, 0.8),
};
const scoring = (scoringFunc: 'sigmoid' | 'softmax', normTopkProb: boolean, nGroup = 1): Sample => ({
  what: `${scoringFunc}${normTopkProb ? ', normalized' : ''}, ${nGroup} groups`,
  points: [logits],
  f: (x: Tensor) => {
    const config = { numExpertsPerTok: 2, scoringFunc, normTopkProb, routedScalingFactor: 2.5, nGroup, topkGroup: 1 };
    const { weights, scores } = router(x, null, config);
    return [weights, scores];
  },
});

const chosen = table([3, 2], 1, 0, 2, 1, 2, 0);
const hidden = normal([131, 3], 11);
const head = normal([5, 3], 12);
const weights: Point = { shape: [131], values: Float32Array.from({ length: 131 }, (_, i) => (i % 10 === 3 ? 0 : 1)) };
const targets: Point = {
  shape: [131],
  values: Int32Array.from({ length: 131 }, (_, i) => (i % 10 === 3 ? -100 : (i * 7) % 5)),
};

export const samples: { readonly [Name in OpName]: readonly Sample[] | 'no gradient' } = {
  reshape: [one((x) => reshape(x, [5, 3]))],
  narrow: [one((x) => narrow(x, 1, 2)), one((x) => add(narrow(x, 0, 2), narrow(x, 1, 2)))],
  copy: [one(copy)],

  concat: [
    {
      points: [a, normal([3, 2], 4), b],
      f: (x: Tensor, y: Tensor, z: Tensor) => concat([x, y, z, y]),
    },
  ],
  concatRows: [
    {
      points: [a, normal([2, 5], 4), b],
      f: (x: Tensor, y: Tensor, z: Tensor) => concatRows([x, y, z, y]),
    },
    { what: 'of neighbors', points: [a], f: (x: Tensor) => concatRows([narrow(x, 0, 2), narrow(x, 2, 1)]) },
  ],
  split: [
    { points: [a], f: (x: Tensor) => split(x, [2, 0, 3]) },
    { what: 'with an unused part', points: [a], f: (x: Tensor) => split(x, [2, 3])[1] },
  ],
  permute: [
    one((x) => permute(x, [1, 0])),
    one((x) => permute(x, [2, 0, 3, 1]), normal([2, 3, 4, 2], 4)),
    one((x) => permute(x, [1, 2, 0]), normal([2, 3, 4], 4)),
  ],
  repeatRow: [one((x) => repeatRow(x, 4))],

  add: [two(add), twice(add)],
  sub: [two(sub), twice(sub)],
  mul: [two(mul), twice(mul)],
  scale: [one((x) => scale(x, -1.5))],
  addRow: [two(addRow, a, row), two(addRow, normal([70, 5], 4), row)],
  scaleRows: [two(scaleRows, a, normal([3], 4))],
  silu: [one(silu)],
  sigmoid: [one(sigmoid)],
  exp: [one(exp)],
  log: [one(log, positive)],
  cast: [one((x) => cast(x, 'f32'))],

  sum: [one(sum)],
  mean: [one(mean)],
  rowSum: [one(rowSum)],
  argmax: 'no gradient',

  rmsNorm: [
    two((x, gain) => rmsNorm(x, gain, 1e-6), a, row),
    two((x, gain) => rmsNorm(x, gain, 0.1), normal([70, 5], 4), row),
  ],
  addRmsNorm: [
    {
      points: [a, b, row],
      f: (x: Tensor, delta: Tensor, gain: Tensor) => Object.values(addRmsNorm(x, delta, gain, 1e-6)),
    },
    {
      what: 'sum alone',
      points: [a, b, row],
      f: (x: Tensor, y: Tensor, gain: Tensor) => addRmsNorm(x, y, gain, 1).sum,
    },
    {
      what: 'norm alone',
      points: [a, b, row],
      f: (x: Tensor, y: Tensor, gain: Tensor) => addRmsNorm(x, y, gain, 1).out,
    },
  ],
  rope: [ropeSample(4, false), ropeSample(4, true), ropeSample(7, false), ropeSample(7, true)],
  swiglu: [one(swiglu, normal([3, 6], 4))],
  embedding: [
    {
      points: [table([2, 3], 3, 0, 3, 1, 3, 1), normal([4, 5], 4)],
      f: (ids: Tensor, t: Tensor) => embedding(ids, t),
    },
  ],

  linear: [
    two((x, w) => linear(x, w), a, normal([4, 5], 4)),
    two((x, w) => linear(x, w), normal([2, 3, 5], 5), normal([17, 5], 4)),
  ],
  groupedLinear: [
    {
      points: [normal([6, 3], 4), normal([4, 2, 3], 5), whole(0, 2, 2, 5, 6)],
      f: (x: Tensor, w: Tensor, offsets: Tensor) => groupedLinear(x, w, offsets),
    },
  ],
  attention: [
    attend('causal', heads(4, 2, 2, 3, 2), whole(0, 4), 4),
    attend('grouped heads, packed documents', heads(5, 4, 2, 2, 3), whole(0, 2, 2, 5), 3),
    attend('not causal', heads(4, 1, 1, 3, 3), whole(0, 4), 4, { causal: false }),
    attend('a window', heads(5, 2, 1, 2, 3), whole(0, 5), 5, { window: 2 }),
    attend('rows outside every sequence', heads(4, 1, 1, 2, 2), whole(1, 3), 2),
  ],

  router: [
    scoring('sigmoid', true),
    scoring('sigmoid', false),
    scoring('softmax', true),
    scoring('softmax', false),
    scoring('sigmoid', true, 2),
  ],
  balanceLoss: [
    {
      points: [positiveScores(), chosen, whole(0, 1, 3)],
      f: (scores: Tensor, indices: Tensor, offsets: Tensor) => balanceLoss(scores, indices, offsets, 0.5),
    },
  ],
  dispatchPlan: 'no gradient',
  countExperts: 'no gradient',
  balanceBias: 'no gradient',
  permuteRows: [{ points: [a, chosen], f: (x: Tensor, indices: Tensor) => permuteRows(x, dispatchPlan(indices, 3)) }],
  unpermuteRows: [
    {
      points: [normal([6, 5], 4), chosen, normal([3, 2], 5), a],
      f: (y: Tensor, indices: Tensor, weights: Tensor, base: Tensor) =>
        unpermuteRows(y, dispatchPlan(indices, 3), weights, base),
    },
  ],

  logprobs: [
    {
      what: 'in two chunks',
      points: [hidden, head, targets],
      f: (x: Tensor, w: Tensor, t: Tensor) => logprobs(x, w, t).logprobs,
    },
    {
      what: 'at a temperature',
      points: [hidden, head, targets],
      f: (x: Tensor, w: Tensor, t: Tensor) => logprobs(x, w, t, { temperature: 0.6 }).logprobs,
    },
    {
      what: 'as cross-entropy',
      points: [normal([4, 3], 4), head, whole(1, 0, -100, 4)],
      f: (x: Tensor, w: Tensor, t: Tensor) => crossEntropy(x, w, t, { count: 3 }),
    },
  ],
  divergence: (['forward', 'reverse'] as const).map((direction) => ({
    what: `${direction}, in two chunks, at a temperature`,
    points: [hidden, head, fixed(normal([131, 2], 13)), fixed(normal([5, 2], 14)), fixed(weights)],
    f: (x: Tensor, w: Tensor, teacherX: Tensor, teacherHead: Tensor, weight: Tensor) =>
      divergence({ x, head: w }, { x: teacherX, head: teacherHead }, weight, { direction, temperature: 0.7 }),
  })),
  policyLoss: [
    {
      what: 'by the log-probability',
      points: [normal([6], 4), ...[5, 6, 7, 8].map((seed) => fixed(normal([6], seed)))],
      f: (p: Tensor, old: Tensor, reference: Tensor, advantage: Tensor, weight: Tensor) =>
        policyLoss(p, old, reference, advantage, weight, { clipLow: 50, clipHigh: 50, beta: 0.3 }).loss,
    },
  ],
  differing: 'no gradient',
  addEach: 'no gradient',
  adamwStep: 'no gradient',
  muonMomentum: 'no gradient',
  muonUpdate: 'no gradient',
  gradientNorm: 'no gradient',
  sampleTokens: 'no gradient',
  topLogprobs: 'no gradient',
  targetLogprobs: 'no gradient',
  writeCache: 'no gradient',
  writeHeads: 'no gradient',
  headAttention: 'no gradient',
  writeLatentCache: 'no gradient',
  readCache: 'no gradient',
  pagedAttention: 'no gradient',
  quantizeTiles: 'no gradient',
  quantizeBlocks: 'no gradient',
  dequantizeTiles: 'no gradient',
  dequantizeBlocks: 'no gradient',
  packedEmbedding: 'no gradient',
  packedLinear: 'no gradient',
  groupedPackedLinear: 'no gradient',
};

function positiveScores(): Point {
  return { shape: [3, 4], values: Float32Array.from({ length: 12 }, (_, i) => 0.6 + 0.05 * ((i * 5) % 12)) };
}

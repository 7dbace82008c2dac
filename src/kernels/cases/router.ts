// Rows of the router: both scorings, groups, biases, ties, refused logits; its gradient, counts and balance loss.
import { Random } from '../../math/index.ts';
import type { Case } from './case.ts';

interface Gate {
  readonly T: number;
  readonly E: number;
  readonly K: number;
  readonly groups: number;
  readonly top_groups: number;
  readonly group_best: number;
  readonly softmax: number;
  readonly normalize: number;
  readonly scale: number;
}

const v3: Gate = {
  T: 37,
  E: 256,
  K: 8,
  groups: 8,
  top_groups: 4,
  group_best: 2,
  softmax: 0,
  normalize: 1,
  scale: 2.5,
};
const v2: Gate = { ...v3, E: 160, K: 6, top_groups: 3, group_best: 1, softmax: 1, normalize: 0, scale: 16 };
const lite: Gate = { ...v2, T: 130, E: 64, groups: 1, top_groups: 1, scale: 1 };
const odd: Gate = { ...v3, T: 5, E: 21, K: 3, groups: 7, top_groups: 2 };

function route(name: string, gate: Gate, logits: Float32Array, bias: Float32Array | null, keepScores = true): Case {
  const { T, E, K } = gate;
  return {
    kernel: 'router_f32',
    name: `${name}, [${T}, ${E}] top ${K} of ${gate.top_groups}/${gate.groups} groups`,
    args: {
      logits,
      bias,
      indices: new Int32Array(T * K),
      weights: new Float32Array(T * K),
      scores: keepScores ? new Float32Array(T * E) : null,
      ...gate,
    },
  };
}

/** Logits on a grid, so that choices are either equal in every arithmetic or further apart than f32 rounding. */
function gridLogits({ T, E }: Gate): Float32Array {
  const random = new Random(T + E);
  return Float32Array.from({ length: T * E }, () => (random.below(256) - 128) / 32);
}

function gridBias({ E }: Gate): Float32Array {
  const random = new Random(E);
  return Float32Array.from({ length: E }, () => (random.below(64) - 32) / 128);
}

/** Different experts for each token. */
function someExperts({ T, E, K }: Gate): Int32Array {
  const random = new Random(T * 3 + K);
  return Int32Array.from(
    { length: T * K },
    (_, i) => ((i % K) * Math.floor(E / K) + random.below(Math.floor(E / K))) % E,
  );
}

function positiveScores({ T, E, softmax }: Gate): Float32Array {
  const random = new Random(E * 5 + T);
  const scores = Float32Array.from({ length: T * E }, () => 0.05 + 0.9 * random.uniform());
  if (!softmax) return scores;
  for (let t = 0; t < T; t++) {
    const row = scores.subarray(t * E, (t + 1) * E);
    const sum = row.reduce((a, b) => a + b, 0);
    row.forEach((s, e) => {
      row[e] = s / sum;
    });
  }
  return scores;
}

function routeBackward(gate: Gate, withScores: boolean): Case {
  const { T, E, K, softmax, normalize, scale } = gate;
  const random = new Random(T + 17);
  const scoring = softmax ? 'softmax' : 'sigmoid';
  const options = `${scoring}${normalize ? ', normalized' : ''}${withScores ? ', dscores' : ''}`;
  return {
    kernel: 'router_backward_f32',
    name: `[${T}, ${E}] top ${K}, ${options}`,
    args: {
      scores: positiveScores(gate),
      indices: someExperts(gate),
      dweights: random.normals(T * K),
      dscores: withScores ? random.normals(T * E, 0.01) : null,
      dlogits: new Float32Array(T * E).fill(7),
      T,
      E,
      K,
      softmax,
      normalize,
      scale,
    },
  };
}

function balance(gate: Gate, offsets: number[]): Case[] {
  const { T, E, K } = gate;
  const B = offsets.length - 1;
  const random = new Random(T + B);
  const common = { scores: positiveScores(gate), offsets: Int32Array.from(offsets), B, T, E, alpha: 0.25 };
  const name = `sequences at ${offsets.join(' ')} of [${T}, ${E}]`;
  return [
    {
      kernel: 'balance_loss_f32',
      name,
      args: {
        ...common,
        indices: someExperts(gate),
        fraction: new Float32Array(B * E),
        loss: new Float32Array(B),
        K,
      },
    },
    {
      kernel: 'balance_loss_backward_f32',
      name,
      args: {
        ...common,
        fraction: random.normals(B * E).map(Math.abs),
        grad: random.normals(B),
        dscores: new Float32Array(T * E).fill(7),
      },
    },
  ];
}

function counts(n: number, E: number, accumulate: number): Case {
  const random = new Random(n + E);
  return {
    kernel: 'expert_counts',
    name: `${n} choices of ${E} experts${accumulate ? ', on top' : ''}`,
    args: {
      indices: Int32Array.from({ length: n }, () => random.below(E)),
      counts: new Int32Array(E).fill(5),
      n,
      E,
      accumulate,
    },
  };
}

const withNaN = gridLogits(odd);
withNaN[40] = Number.NaN;
const withInfinity = gridLogits(odd);
withInfinity[104] = Number.POSITIVE_INFINITY;
const badBias = gridBias(odd);
badBias[20] = Number.NaN;

const [loss, lossBackward] = balance(odd, [0, 2, 5]) as [Case, Case];
const smallBackward = routeBackward(odd, false);

export const router: Case[] = [
  ...[v3, { ...v3, normalize: 0 }, v2, { ...v2, normalize: 1 }, lite, odd, { ...odd, T: 0 }, { ...odd, T: 1 }].flatMap(
    (gate) => [
      route('grid', gate, gridLogits(gate), gridBias(gate)),
      route('no bias, no scores', gate, gridLogits(gate), null, false),
      routeBackward(gate, false),
      routeBackward(gate, true),
    ],
  ),
  route('all equal', v3, new Float32Array(v3.T * v3.E), new Float32Array(v3.E)),
  route(
    'all choices negative',
    v3,
    gridLogits(v3),
    gridBias(v3).map((b) => b - 4),
  ),
  route('a bias of minus infinity', odd, gridLogits(odd), gridBias(odd).fill(Number.NEGATIVE_INFINITY, 3, 9)),
  route(
    'huge logits',
    odd,
    gridLogits(odd).map((x) => x * 50),
    null,
  ),
  route('512 experts, top 16', { ...v3, T: 3, E: 512, K: 16 }, gridLogits({ ...v3, T: 3, E: 512 }), null),
  { ...route('a NaN logit', odd, withNaN, null), fault: 'notFinite' },
  { ...route('an infinite logit', odd, withInfinity, null), fault: 'notFinite' },
  { ...route('a NaN bias', odd, gridLogits(odd), badBias), fault: 'notFinite' },
  ...[-1, 21].map((bad): Case => {
    const indices = someExperts(odd);
    indices[7] = bad;
    return {
      ...smallBackward,
      name: `expert ${bad} of 21`,
      args: { ...smallBackward.args, indices },
      fault: 'indexOutOfRange',
    };
  }),

  counts(0, 3, 0),
  counts(1, 1, 1),
  counts(4096, 64, 0),
  counts(999, 256, 1),
  ...[-1, 2].map(
    (bad): Case => ({
      kernel: 'expert_counts',
      name: `expert ${bad} of 2`,
      args: { indices: new Int32Array([0, 1, bad]), counts: new Int32Array(2), n: 3, E: 2, accumulate: 0 },
      fault: 'indexOutOfRange',
    }),
  ),
  {
    kernel: 'balance_bias',
    name: 'mean 5: below, at, above',
    args: {
      bias: new Float32Array([0.5, 0.5, 0.5, -1]),
      counts: new Int32Array([4, 5, 6, 5]),
      rate: new Float32Array([0.25]),
      E: 4,
    },
    exact: true,
  },

  ...balance({ ...v3, T: 50 }, [0, 50]),
  ...balance({ ...v3, T: 200, E: 64 }, [0, 1, 1, 70, 200]),
  ...balance(odd, [1, 3]),
  ...balance({ ...v2, T: 66, E: 33 }, [0, 30, 66]),
  ...balance({ ...odd, T: 0 }, [0]),
  ...balance({ ...odd, T: 0 }, [0, 0]),
  ...[
    [0, 2, 6],
    [-1, 2, 5],
    [0, 3, 2],
  ].flatMap((offsets): Case[] =>
    [loss, lossBackward].map((row) => ({
      ...row,
      name: `offsets ${offsets.join(' ')} over 5 tokens`,
      args: { ...row.args, offsets: Int32Array.from(offsets) },
      fault: 'badOffsets' as const,
    })),
  ),
  {
    ...loss,
    name: 'expert 21 of 21',
    args: { ...loss.args, indices: new Int32Array(15).fill(21) },
    fault: 'indexOutOfRange',
  },
];

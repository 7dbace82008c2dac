// GRPO's loss and gradient of single tokens by hand: the clip from both sides, clip-higher, k3, tokens far away, a
// temperature. npm test -- policy-loss
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice } from '../kernels/index.ts';
import { Random } from '../math/index.ts';
import * as t from '../tensor/index.ts';
import { close } from './test-model.ts';

let device: Device;
before(() => {
  device = openDevice();
  t.useDevice(device);
});
after(() => device.close());

interface Token {
  /** exp(logprob - old) */
  readonly ratio: number;
  readonly advantage: number;
  /** reference - logprob */
  readonly away?: number;
}

const weight = 0.25;

/** Computes the terms of single tokens, and the gradient of the sum of their losses. */
async function computeTerms(tokens: readonly Token[], params: { clipLow: number; clipHigh: number; beta: number }) {
  return t.asyncScope(async (inside) => {
    const { terms, gradients } = inside(() => {
      const column = (value: (token: Token, i: number) => number) =>
        t.fromArray(Float32Array.from(tokens, value), [tokens.length], { device });
      const logprobAt = (i: number) => -0.5 - i / 8; // in f32 to the bit
      const own = column((_, i) => logprobAt(i));
      const old = column(({ ratio }, i) => logprobAt(i) - Math.log(ratio));
      const reference = column(({ away = 0 }, i) => logprobAt(i) + away);
      const [advantage, weights] = [column((token) => token.advantage), column(() => weight)];
      const loss = () => t.policyLoss(own, old, reference, advantage, weights, params);
      return { terms: loss(), gradients: t.valueAndGrad(() => t.sum(loss().loss), [own]).gradients };
    });
    const [losses, clipped, kl, bounded, gradient] = await Promise.all(
      [terms.loss, terms.clipped, terms.kl, terms.bounded, gradients[0]].map((tensor) => tensor.read()),
    );
    return { losses, clipped, kl, bounded, gradient } as Record<
      'losses' | 'clipped' | 'kl' | 'bounded' | 'gradient',
      Float32Array
    >;
  });
}

describe('a token, clipped below 0.8 and above 1.2 (PPO) or 1.28 (clip-higher)', () => {
  const [low, ppo, higher] = [1 - 0.2, 1 + 0.2, 1 + 0.28];
  const [good, bad] = [2, -3];

  // min(r A, clip(r) A): a clipped term is a constant. A bad token is clipped once it is rare enough, a good one once
  // it is frequent enough; on the other side each is still pulled, however far it went.
  const cases = (high: number) =>
    [
      { ratio: 0.5, advantage: good, gain: 0.5 * good, pull: 0.5 * good },
      { ratio: 0.5, advantage: bad, gain: low * bad, pull: 0 },
      { ratio: 0.9, advantage: good, gain: 0.9 * good, pull: 0.9 * good },
      { ratio: 0.9, advantage: bad, gain: 0.9 * bad, pull: 0.9 * bad },
      { ratio: 1, advantage: good, gain: good, pull: good },
      { ratio: 1, advantage: bad, gain: bad, pull: bad },
      { ratio: 2, advantage: good, gain: high * good, pull: 0 },
      { ratio: 2, advantage: bad, gain: 2 * bad, pull: 2 * bad },
      // Between both upper ends: PPO has enough of a good token, clip-higher has not.
      { ratio: 1.25, advantage: good, gain: Math.min(1.25, high) * good, pull: high < 1.25 ? 0 : 1.25 * good },
      { ratio: 1.25, advantage: bad, gain: 1.25 * bad, pull: 1.25 * bad },
    ] as const;

  for (const [name, high] of [
    ['PPO', ppo],
    ['clip-higher', higher],
  ] as const)
    test(`${name}: loss, gradient and what counts as clipped`, async () => {
      const tokens = cases(high);
      const { losses, gradient, clipped, kl } = await computeTerms(tokens, {
        clipLow: 0.2,
        clipHigh: high - 1,
        beta: 0,
      });
      close(
        losses,
        tokens.map(({ gain }) => -weight * gain),
      );
      close(
        gradient,
        tokens.map(({ pull }) => -weight * pull),
      );
      assert.deepEqual(
        [...clipped],
        tokens.map(({ pull }) => (pull === 0 ? 1 : 0)),
      );
      assert.deepEqual([...kl], Array(tokens.length).fill(0), 'the model is its own reference');
    });

  test('the KL of k3: never negative, its gradient the slope of e^d - d - 1, clipped tokens keep it', async () => {
    const beta = 0.5;
    const k3 = (away: number) => Math.exp(away) - away - 1;
    // d = reference - logprob falls as logprob rises.
    const slope = (away: number) => (k3(away - 1e-4) - k3(away + 1e-4)) / 2e-4;
    const aways = [-2, -0.5, 0, 0.25, 1];
    const free = await computeTerms(
      aways.map((away) => ({ ratio: 1, advantage: 0, away })),
      { clipLow: 0.2, clipHigh: 0.2, beta },
    );
    close(free.kl, aways.map(k3));
    assert.ok(free.kl.every((x) => x >= 0));
    close(
      free.losses,
      aways.map((away) => weight * beta * k3(away)),
    );
    close(
      free.gradient,
      aways.map((away) => weight * beta * slope(away)),
      1e-6,
    );
    const clipped = await computeTerms(
      aways.map((away) => ({ ratio: 2, advantage: good, away })),
      { clipLow: 0.2, clipHigh: 0.2, beta },
    );
    assert.deepEqual([...clipped.gradient], [...free.gradient], 'a clipped token has no other gradient');
    close(
      clipped.losses,
      aways.map((away) => weight * (beta * k3(away) - ppo * good)),
    );
  });
});

test('at a temperature: the gradient by logits, from the closed form', async () => {
  const [T, V, temperature, beta] = [4, 5, 0.6, 0.5];
  const logits = new Random(1).normals(T * V, 2);
  const targets = [0, 3, 4, 1];
  const [advantages, away, moved] = [
    [1, -2, 0.5, -1],
    [0.4, -1, 0, 2],
    [0, 0.1, -0.1, 0.05],
  ];
  // softmax(logits / temperature), its entropy, and the log-probability of the target.
  const rows = targets.map((target, t) => {
    const scaled = Array.from(logits.slice(t * V, (t + 1) * V), (x) => x / temperature);
    const whole = Math.log(scaled.reduce((sum, x) => sum + Math.exp(x), 0));
    const p = scaled.map((x) => Math.exp(x - whole));
    return { p, logprob: scaled[target] - whole, entropy: -p.reduce((sum, x) => sum + x * Math.log(x), 0) };
  });
  const found = await t.asyncScope(async (inside) => {
    const made = inside(() => {
      const vector = (values: readonly number[]) => t.fromArray(Float32Array.from(values), [T], { device });
      const identity = Float32Array.from({ length: V * V }, (_, i) => (i % (V + 1) === 0 ? 1 : 0));
      const head = t.fromArray(identity, [V, V], { device });
      const x = t.fromArray(logits, [T, V], { device });
      const chosen = t.fromArray(Int32Array.from(targets), [T], { device });
      const old = vector(rows.map(({ logprob }, i) => logprob - moved[i]));
      const reference = vector(rows.map(({ logprob }, i) => logprob + away[i]));
      const own = () => t.logprobs(x, head, chosen, { temperature });
      const params = { clipLow: 0.2, clipHigh: 0.2, beta };
      const loss = () =>
        t.policyLoss(own().logprobs, old, reference, vector(advantages), vector(Array(T).fill(weight)), params).loss;
      const { gradients } = t.valueAndGrad(() => t.sum(loss()), [x]);
      return { ...own(), gradient: gradients[0] };
    });
    const [logprob, entropy, gradient] = await Promise.all([
      made.logprobs.read(),
      made.entropy.read(),
      made.gradient.read(),
    ]);
    return { logprob, entropy, gradient } as Record<'logprob' | 'entropy' | 'gradient', Float32Array>;
  });
  close(
    found.logprob,
    rows.map(({ logprob }) => logprob),
    1e-5,
  );
  close(
    found.entropy,
    rows.map(({ entropy }) => entropy),
    1e-5,
  );
  // d loss / d logit = slope * ([target] - p) / temperature, slope = weight (beta (1 - e^d) - r A).
  const expected = rows.flatMap(({ p }, i) => {
    const slope = weight * (beta * (1 - Math.exp(away[i])) - Math.exp(moved[i]) * advantages[i]);
    return p.map((x, id) => (slope * ((id === targets[i] ? 1 : 0) - x)) / temperature);
  });
  close(found.gradient, expected, 1e-5);
});

test('a token 100 nats from its reference or its rollout: bounded, the gradient that of the bounded loss', async () => {
  const [beta, bound] = [0.5, 20];
  const k3 = (d: number) => Math.exp(d) - d - 1;
  const params = { clipLow: 0.2, clipHigh: 0.2, beta };
  const far = await computeTerms(
    [
      { ratio: 1, advantage: 1, away: 100 },
      { ratio: 1, advantage: 1, away: -100 },
      { ratio: Math.exp(30), advantage: 1 },
      { ratio: Math.exp(30), advantage: -1 },
      { ratio: Math.exp(30), advantage: 0, away: 15 },
    ],
    params,
  );
  const ratio = Math.exp(bound);
  const near = (found: ArrayLike<number>, expected: readonly number[]) => {
    for (const [i, value] of expected.entries())
      assert.ok(Math.abs(found[i] - value) <= 1e-5 * Math.max(1, Math.abs(value)), `${i}: ${found[i]} is not ${value}`);
  };
  near(far.kl, [k3(bound), k3(-100), 0, 0, k3(15)]);
  near(
    far.losses,
    [beta * k3(bound) - 1, beta * k3(-100) - 1, -1.2, ratio, beta * k3(15)].map((loss) => weight * loss),
  );
  near(
    far.gradient,
    [-1, beta * 1 - 1, 0, 0, beta * (1 - Math.exp(15))].map((slope) => weight * slope),
  );
  assert.deepEqual([...far.bounded], [1, 0, 1, 1, 1]);
});

// GRPO's loss and gradient by hand: the clip from both sides, clip-higher, k3, weights of Dr. GRPO and DAPO; rollouts
// that equal training to the bit. npm test -- grpo-objective
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Rollouts } from '../engine/index.ts';
import { type Device, openDevice } from '../kernels/index.ts';
import { type Model, precisions, type WeightMap } from '../model/index.ts';
import type { Grading } from '../tasks/index.ts';
import * as t from '../tensor/index.ts';
import { pack, resolveRecipe, sequenceInputs, type TrainSequence, TrainStep, toSequenceBatch } from '../train/index.ts';
import { type RolloutGroup, toUpdates } from './batch.ts';
import { type GrpoColumn, GrpoObjective } from './grpo-objective.ts';
import { rl } from './rl.ts';
import type { RlRecipe } from './rl-recipe.ts';
import { adamw, close, config, made, shape, vocabulary } from './test-model.ts';

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
    const [losses, clipped, kl, gradient] = await Promise.all(
      [terms.loss, terms.clipped, terms.kl, gradients[0]].map((tensor) => tensor.read()),
    );
    return { losses, clipped, kl, gradient } as Record<'losses' | 'clipped' | 'kl' | 'gradient', Float32Array>;
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

type GrpoSequence = TrainSequence<GrpoColumn>;

/** Computes the log-probabilities of packed sequences, and returns their columns. */
function computeLogprobs(model: Model, sequences: readonly GrpoSequence[]) {
  const { batch, targets, columns } = toSequenceBatch(sequenceInputs(sequences, shape, device), shape);
  const { out } = model.forward(batch, { policy: precisions.f32 });
  return { own: t.logprobs(out, model.unpackedHead, targets).logprobs, columns };
}

/** Returns the columns of n tokens, with the given values where there are any. */
function columnsFor(n: number, given: Partial<Record<GrpoColumn, ArrayLike<number> | number>> = {}) {
  const column = (value: ArrayLike<number> | number = 0) =>
    typeof value === 'number' ? new Float32Array(n).fill(value) : value;
  const { rolloutLogprob, advantage, weight, mask } = given;
  return {
    rolloutLogprob: column(rolloutLogprob),
    advantage: column(advantage),
    weight: column(weight),
    mask: column(mask),
  };
}

/** Computes the log-probabilities of a sequence's learned tokens. */
async function ownLogprobs(model: Model, ids: Int32Array, promptLength: number): Promise<Float32Array> {
  const all = await t
    .scope(() => computeLogprobs(model, [{ ids, promptLength, columns: columnsFor(ids.length - promptLength) }]).own)
    .read();
  return all.slice(promptLength - 1, ids.length - 1) as Float32Array;
}

const trainedWeights = (weights: WeightMap) =>
  [...weights].filter(([name]) => !name.endsWith('e_score_correction_bias')).map(([, weight]) => weight);

/** Sums gradients over micro-batches, weight by weight. */
async function sumGradients(
  sequences: readonly GrpoSequence[],
  computeGradients: (bin: GrpoSequence[]) => readonly t.Tensor[],
): Promise<Float64Array[]> {
  return t.asyncScope(async (inside) => {
    const sums: Float64Array[] = [];
    for (const bin of pack(sequences, shape))
      for (const [i, gradient] of inside(() => computeGradients(bin)).entries()) {
        const values = await gradient.read();
        sums[i] ??= new Float64Array(values.length);
        const sum = sums[i];
        for (let j = 0; j < sum.length; j++) sum[j] = sum[j] + values[j];
      }
    return sums;
  });
}

/** Returns the metrics of one step that changes nothing. */
async function computeMetrics(weights: WeightMap, objective: GrpoObjective, sequences: readonly GrpoSequence[]) {
  const step = new TrainStep(config, weights, adamw, 'sum', objective);
  const { report } = t.scope(() => ({
    report: step.run(
      pack(sequences, shape).map((bin) => sequenceInputs(bin, shape, device)),
      { step: 1, learningRate: 0, biasUpdateSpeed: 0 },
    ),
  }));
  const { metrics } = await report;
  step.dispose();
  return metrics;
}

describe('a batch, from its rewards: the loss, the gradient of every weight, what is clipped', () => {
  const maxTokens = 16;
  const rewards = [
    [1, 0, 0],
    [0, 2, 2],
  ] as const;
  const lengths = [4, 6, 9, 3, 8, 5];
  const [responses, tokens] = [lengths.length, lengths.reduce((sum, n) => sum + n, 0)];
  const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;
  const deviation = (values: readonly number[]) => Math.sqrt(mean(values.map((x) => (x - mean(values)) ** 2)));

  interface Method {
    readonly recipe: Partial<RlRecipe>;
    readonly advantage: (reward: number, group: readonly number[]) => number;
    readonly weight: (length: number) => number;
    /** The ratio of each response. */
    readonly ratios: readonly number[];
  }
  const scaled = (reward: number, group: readonly number[]) => (reward - mean(group)) / deviation(group);
  const ratios = [0.5, 1.25, 0.7, 1, 1.5, 1.1];
  const grpo = { recipe: {}, advantage: scaled, weight: (n: number) => 1 / (responses * n) };
  const methods: Readonly<Record<string, Method>> = {
    'GRPO on policy': { ...grpo, ratios: Array(responses).fill(1) },
    GRPO: { ...grpo, ratios },
    'Dr. GRPO': {
      recipe: { advantage: 'none', tokenWeight: 'constant' },
      advantage: (reward, group) => reward - mean(group),
      weight: () => 1 / (responses * maxTokens),
      ratios,
    },
    DAPO: { recipe: { tokenWeight: 'token', clipHigh: 0.28 }, advantage: scaled, weight: () => 1 / tokens, ratios },
  };

  /** Makes groups whose responses were as likely, when they were generated, as the ratios say. */
  async function createGroups(model: Model, { ratios }: Method): Promise<RolloutGroup[]> {
    const question = { task: {} as Grading, problem: { prompt: '', key: '' }, prompt: ['', '', ''] as const };
    const judged = {
      answer: null,
      isCorrect: false,
      isWellFormed: true,
      formatProblem: null,
      isFault: false,
      text: '',
      tokens: 0,
      verdict: '',
    };
    const made = async (reward: number, r: number) => {
      const length = 3 + lengths[r];
      const ids = Int32Array.from({ length }, (_, i) => (r * 11 + i * i * 7 + 3) % vocabulary);
      const own = await ownLogprobs(model, ids, 3);
      const logprobs = own.map((p) => p - Math.log(ratios[r]));
      return { ...judged, prompt: ids.slice(0, 3), ids: ids.slice(3), reward, isEnded: true, logprobs };
    };
    return Promise.all(
      rewards.map(async (group, q) => ({
        question,
        responses: await Promise.all(group.map((reward, g) => made(reward, 3 * q + g))),
      })),
    );
  }

  /** Computes by plain arithmetic the summed loss of each response's tokens, and the slope of each of them. */
  function computeExpected({ advantage, weight, ratios }: Method, clipLow: number, clipHigh: number) {
    return rewards.flatMap((group, q) =>
      group.map((reward, g) => {
        const [r, A] = [3 * q + g, advantage(reward, group)];
        const [ratio, length] = [ratios[r], lengths[r]];
        const isClipped = A > 0 ? ratio > 1 + clipHigh : ratio < 1 - clipLow;
        const bounded = A > 0 ? 1 + clipHigh : 1 - clipLow;
        const loss = -length * weight(length) * (isClipped ? bounded : ratio) * A;
        return { loss, slope: isClipped ? 0 : -weight(length) * ratio * A, clipped: isClipped ? length : 0 };
      }),
    );
  }

  for (const [name, method] of Object.entries(methods))
    test(name, async () => {
      const { model, weights } = made(1, device);
      const tasks = [{ task: 'countdown' }];
      const resolved = resolveRecipe(rl, { model: 'none', tasks, maxTokens, klBeta: 0, ...method.recipe });
      const { clipLow, clipHigh } = resolved;
      const expected = computeExpected(method, clipLow, clipHigh);
      const [sequences = []] = toUpdates(await createGroups(model, method), resolved);
      const options = { shape, policy: precisions.f32, clipLow, clipHigh, klBeta: 0 };
      const objective = new GrpoObjective(model, model, options);
      const step = new TrainStep(config, weights, adamw, 'sum', objective);
      const found = await sumGradients(sequences, (bin) => step.gradients(sequenceInputs(bin, shape, device)));
      step.dispose();
      // d/dw of sum(slope logprob), by a tape of its own.
      const sloped = sequences.map(({ ids, promptLength }, r) => ({
        ids,
        promptLength,
        columns: columnsFor(ids.length - promptLength, { weight: expected[r].slope }),
      }));
      const slopeLoss = (bin: GrpoSequence[]) => () => {
        const { own, columns } = computeLogprobs(model, bin);
        return t.sum(t.mul(own, columns.weight));
      };
      const trained = trainedWeights(weights);
      const reference = await sumGradients(sloped, (bin) => t.valueAndGrad(slopeLoss(bin), trained).gradients);
      for (const [i, gradient] of found.entries()) close(gradient, reference[i], 1e-5);
      assert.ok(Math.max(...reference.map((values) => Math.max(...values))) > 1e-3, 'there is something to learn');
      const metrics = await computeMetrics(weights, objective, sequences);
      const total = (value: (response: (typeof expected)[0]) => number) =>
        expected.reduce((sum, r) => sum + value(r), 0);
      close([metrics.loss], [total(({ loss }) => loss)], 1e-5);
      assert.equal(
        metrics.clipped,
        total(({ clipped }) => clipped),
      );
      const off = lengths.filter((_, r) => method.ratios[r] !== 1).reduce((sum, length) => sum + length, 0);
      assert.equal(metrics.mismatch, off);
    });

  test('tokens of weight 0 count as nothing', async () => {
    const { model, weights } = made(1, device);
    const options = { shape, policy: precisions.f32, clipLow: 0.2, clipHigh: 0.2, klBeta: 0 };
    const columns = columnsFor(9, { rolloutLogprob: -1, advantage: 1, weight: 0, mask: 1 });
    const sequence = { ids: Int32Array.from({ length: 12 }, (_, i) => (i * 7) % vocabulary), promptLength: 3, columns };
    const { loss, mismatch } = await computeMetrics(weights, new GrpoObjective(model, model, options), [sequence]);
    assert.deepEqual([loss, mismatch], [0, 0]);
  });
});

for (const precision of ['bf16', 'fp8'] as const)
  test(`${precision}: training finds the rollout's logprobs to the bit, and sees one differing bit`, async () => {
    const { model, weights } = made(3, device);
    const policy = precisions[precision];
    const rollouts = new Rollouts(model, { policy, maxSequences: 3, contextLength: 24, endId: 1 });
    const asks = Array.from({ length: 7 }, (_, i) => ({
      prompt: Int32Array.of(4, 5 + i, 6, 7).subarray(0, 2 + (i % 3)),
      seed: i,
    }));
    const responses = await Promise.all(
      asks.map(({ prompt, seed }) => rollouts.generate(prompt, { temperature: 1, maxTokens: 12, seed })),
    );
    assert.ok(new Set(responses.map(({ ids }) => ids.join())).size > 3, 'seeds make different responses');
    const objective = new GrpoObjective(model, model, { shape, policy, clipLow: 0.2, clipHigh: 0.2, klBeta: 0.01 });
    const step = new TrainStep(config, weights, adamw, 'sum', objective);
    const mismatch = async (change: (old: Float32Array) => void) => {
      const sequences = responses.map(({ prompt, ids, logprobs }) => {
        const old = logprobs.slice();
        change(old);
        const columns = columnsFor(ids.length, { rolloutLogprob: old, advantage: 0.5, weight: 0.1, mask: 1 });
        return { ids: [...prompt, ...ids], promptLength: prompt.length, columns };
      });
      const { report } = t.scope(() => ({
        report: step.run(
          pack(sequences, shape).map((bin) => sequenceInputs(bin, shape, device)),
          { step: 1, learningRate: 0, biasUpdateSpeed: 0 },
        ),
      }));
      return (await report).metrics;
    };
    const same = await mismatch(() => undefined);
    assert.equal(same.mismatch, 0);
    assert.ok(Math.abs(same.kl) < 1e-6, 'the model is its own reference');
    const bits = (old: Float32Array) => {
      const view = new Int32Array(old.buffer);
      view[0] = view[0] + 1;
    };
    assert.equal((await mismatch(bits)).mismatch, responses.length);
    rollouts.dispose();
    step.dispose();
  });

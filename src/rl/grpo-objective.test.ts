// GRPO's loss and gradient of a batch, from its rewards: weights of Dr. GRPO and DAPO; rollouts that equal training to
// the bit. npm test -- grpo-objective
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Rollouts } from '../engine/index.ts';
import { type Device, openDevice } from '../kernels/index.ts';
import { type Model, packSequences, precisions, type WeightMap } from '../model/index.ts';
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

/** Computes from the raw logits the log-probabilities of a sequence's learned tokens at a temperature. */
async function expectedLogprobs(
  model: Model,
  ids: readonly number[],
  promptLength: number,
  precision: 'bf16' | 'fp8',
  temperature: number,
): Promise<number[]> {
  const policy = precisions[precision];
  const logits = await t.asyncScope((inside) =>
    inside(() =>
      model.logits(model.forward(packSequences([ids], [0], device), { policy }).out, undefined, policy),
    ).read(),
  );
  return ids.slice(promptLength).map((id, i) => {
    const row = Array.from(logits.slice((promptLength - 1 + i) * vocabulary, (promptLength + i) * vocabulary));
    const whole = Math.log(row.reduce((sum, x) => sum + Math.exp(x / temperature), 0));
    return row[id] / temperature - whole;
  });
}

/** Finds the token with the largest logit after each token of a sequence. */
async function bestTokens(model: Model, ids: Int32Array): Promise<number[]> {
  const policy = precisions.f32;
  const best = t.scope(() => {
    const { out } = model.forward(packSequences([[...ids]], [0], device), { policy });
    return t.argmax(model.logits(out, undefined, policy));
  });
  return [...(await best.read())];
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
    const prompt = ['', '', ''] as const;
    const question = { task: {} as Grading, difficulty: 1, problem: { prompt: '', key: '' }, prompt };
    const judged = {
      answer: null,
      isCorrect: false,
      isWellFormed: true,
      formatProblem: null,
      language: 1,
      scores: {},
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
        weight: 1,
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
      const options = { shape, policy: precisions.f32, temperature: 1, clipLow, clipHigh, klBeta: 0, mtpWeight: 0 };
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

  test("tokens whose best one is not the reference's are counted", async () => {
    const { model, weights } = made(1, device);
    const other = made(2, device).model;
    const ids = Int32Array.from({ length: 20 }, (_, i) => (i * 7 + 2) % vocabulary);
    const columns = columnsFor(16, { rolloutLogprob: -1, weight: 1, mask: 1 });
    const options = { shape, policy: precisions.f32, temperature: 1, clipLow: 0.2, clipHigh: 0.2, mtpWeight: 0 };
    const count = async (reference: Model) =>
      (
        await computeMetrics(weights, new GrpoObjective(model, reference, { ...options, klBeta: 0.1 }), [
          { ids, promptLength: 4, columns },
        ])
      ).changed;
    const [own, others] = [await bestTokens(model, ids), await bestTokens(other, ids)];
    const expected = own.filter((id, i) => i >= 3 && i < 19 && id !== others[i]).length;
    assert.ok(expected > 0);
    assert.deepEqual([await count(model), await count(other)], [0, expected]);
  });

  test('tokens of weight 0 count as nothing', async () => {
    const { model, weights } = made(1, device);
    const options = {
      shape,
      policy: precisions.f32,
      temperature: 1,
      clipLow: 0.2,
      clipHigh: 0.2,
      klBeta: 0,
      mtpWeight: 0,
    };
    const columns = columnsFor(9, { rolloutLogprob: -1, advantage: 1, weight: 0, mask: 1 });
    const sequence = { ids: Int32Array.from({ length: 12 }, (_, i) => (i * 7) % vocabulary), promptLength: 3, columns };
    const { loss, mismatch } = await computeMetrics(weights, new GrpoObjective(model, model, options), [sequence]);
    assert.deepEqual([loss, mismatch], [0, 0]);
  });
});

for (const [precision, temperature] of [
  ['bf16', 1],
  ['fp8', 1],
  ['bf16', 0.6],
  ['fp8', 1.7],
] as const)
  test(`${precision} at ${temperature}: training finds the rollout's logprobs; one differing bit is seen`, async () => {
    const { model, weights } = made(3, device);
    const policy = precisions[precision];
    const rollouts = new Rollouts(model, { policy, maxSequences: 3, contextLength: 24, endId: 1, temperature });
    const asks = Array.from({ length: 7 }, (_, i) => ({
      prompt: Int32Array.of(4, 5 + i, 6, 7).subarray(0, 2 + (i % 3)),
      seed: i,
    }));
    const responses = await Promise.all(
      asks.map(({ prompt, seed }) => rollouts.generate(prompt, { temperature, maxTokens: 12, seed })),
    );
    assert.ok(new Set(responses.map(({ ids }) => ids.join())).size > 3, 'seeds make different responses');
    const clip = { clipLow: 0.2, clipHigh: 0.2 };
    const objective = new GrpoObjective(model, model, {
      shape,
      policy,
      temperature,
      ...clip,
      klBeta: 0.01,
      mtpWeight: 0,
    });
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
    const [{ prompt, ids, logprobs }] = responses;
    close(logprobs, await expectedLogprobs(model, [...prompt, ...ids], prompt.length, precision, temperature), 1e-4);
    const bits = (old: Float32Array) => {
      const view = new Int32Array(old.buffer);
      view[0] = view[0] + 1;
    };
    assert.equal((await mismatch(bits)).mismatch, responses.length);
    rollouts.dispose();
    step.dispose();
  });

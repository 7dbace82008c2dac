// What must be equal in a DeepSeek model: attention forms, cache, order of experts, batches, formats; and that it
// learns. npm test -- model/model
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice } from '../kernels/index.ts';
import {
  adamwHyper,
  adamwStep,
  add,
  asyncScope,
  balanceBias,
  countExperts,
  crossEntropy,
  fromArray,
  gradientNorm,
  keep,
  record,
  scale,
  scope,
  Tape,
  type Tensor,
  useDevice,
  zeros,
} from '../tensor/index.ts';
import { packDocuments, packSequences } from './batch.ts';
import { batchAlone, ContiguousCache } from './cache.ts';
import { type AttentionForm, type MlaConfig, readConfig } from './config.ts';
import { ModelError } from './errors.ts';
import { createModel, type ForwardOptions, type Model } from './model.ts';
import { listParameters } from './parameters.ts';
import { type PrecisionPolicy, precisions } from './precision.ts';
import { initialWeights } from './weights.ts';

const json = {
  model_type: 'deepseek_v3',
  vocab_size: 40,
  hidden_size: 64,
  intermediate_size: 96,
  moe_intermediate_size: 32,
  num_hidden_layers: 3,
  num_nextn_predict_layers: 2,
  num_attention_heads: 4,
  n_routed_experts: 8,
  num_experts_per_tok: 3,
  n_group: 4,
  topk_group: 2,
  kv_lora_rank: 32,
  q_lora_rank: 48,
  qk_rope_head_dim: 8,
  qk_nope_head_dim: 16,
  v_head_dim: 16,
  first_k_dense_replace: 1,
  max_position_embeddings: 64,
  initializer_range: 0.15,
  rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 16, mscale: 1, mscale_all_dim: 1 },
};
const config = readConfig(json) as MlaConfig;
const text = (length: number, seed: number) => Array.from({ length }, (_, i) => (i * i * 3 + i * seed + seed) % 40);

/** |a - b| over |b|, of whole vectors. */
function relative(a: readonly number[], b: readonly number[]): number {
  const norm = (values: readonly number[]) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
  return norm(a.map((x, i) => x - b[i])) / norm(b);
}

let device: Device;
let weights: Map<string, Tensor>;
let model: Model;

before(() => {
  device = openDevice();
  useDevice(device);
  weights = initialWeights(config, 1);
  model = createModel(config, weights);
});
after(() => device.close());

async function computeLogits(ids: number[][], options: ForwardOptions = {}, of: Model = model): Promise<number[]> {
  return asyncScope(async (inside) =>
    inside(() => of.logits(of.forward(packSequences(ids), options).out, undefined, options.policy)).toArray(),
  );
}

/** Logits of every token, through a cache that is fed in pieces. */
async function cachedLogits(
  ids: number[],
  pieces: readonly number[],
  form: AttentionForm,
  policy: PrecisionPolicy = precisions.f32,
): Promise<number[]> {
  const cache = new ContiguousCache(config, ids.length, { form });
  const out: number[] = [];
  for (const length of pieces) {
    const part = ids.slice(cache.length, cache.length + length);
    const values = await asyncScope(async (inside) =>
      inside(() => {
        const { out } = model.forward(packSequences([part], [cache.length]), { cache, policy });
        return model.logits(out, undefined, policy);
      }).toArray(),
    );
    cache.advance(length);
    out.push(...values);
  }
  cache.dispose();
  return out;
}

describe('one model, many ways to the same numbers', () => {
  // The forms round in other places; what they may differ by is what the format may differ from f32 by.
  for (const [name, tolerance] of [
    ['f32', 1e-5],
    ['bf16', 6 * 2 ** -8],
    ['fp8', 6 * 2 ** -4],
  ] as const) {
    const policy = precisions[name];
    test(`absorbed = expanded, in ${name}`, async () => {
      const ids = [text(20, 3)];
      const [a, b] = [
        await computeLogits(ids, { cache: batchAlone('absorbed'), policy }),
        await computeLogits(ids, { policy }),
      ];
      assert.ok(relative(a, b) < tolerance, `${relative(a, b)}`);
    });

    for (const form of ['expanded', 'absorbed'] as const)
      test(`cached = full, to the bit, in any pieces: ${form}, ${name}`, async () => {
        const ids = text(20, 5);
        const full = await computeLogits([ids], { cache: batchAlone(form), policy });
        assert.deepEqual(await cachedLogits(ids, [20], form, policy), full);
        assert.deepEqual(await cachedLogits(ids, [7, 13], form, policy), full);
        assert.deepEqual(await cachedLogits(ids, [11, ...Array.from({ length: 9 }, () => 1)], form, policy), full);
      });
  }

  for (const form of ['expanded', 'absorbed'] as const)
    test(`recorded and replayed with other tokens, to the bit: ${form}`, async () => {
      const batch = packSequences([text(6, 3), text(4, 9)]);
      const logits = (ids: Tensor) => model.logits(model.forward({ ...batch, ids }, { cache: batchAlone(form) }).out);
      const recorded = scope(() => record([batch.ids], logits));
      const other = [text(6, 8), text(4, 2)];
      const replayed = recorded.replay(packSequences(other).ids);
      assert.deepEqual(await replayed.toArray(), await computeLogits(other, { cache: batchAlone(form) }));
      recorded.dispose();
    });

  test('a sequence never depends on its batch, to the bit', async () => {
    const [a, b, c] = [text(9, 2), text(14, 7), text(5, 11)];
    const alone = [...(await computeLogits([a])), ...(await computeLogits([b])), ...(await computeLogits([c]))];
    assert.deepEqual(await computeLogits([a, b, c]), alone);
    const V = config.vocabSize;
    const shuffled = await computeLogits([c, a, b]);
    assert.deepEqual([...shuffled.slice(5 * V), ...shuffled.slice(0, 5 * V)], alone);
  });

  test('bf16 and fp8 stay within what their formats allow', async () => {
    const exact = await computeLogits([text(24, 3)]);
    const [bf16, fp8] = [precisions.bf16, precisions.fp8];
    const errors = [
      relative(await computeLogits([text(24, 3)], { policy: bf16 }), exact),
      relative(await computeLogits([text(24, 3)], { policy: fp8 }), exact),
      relative(await computeLogits([text(24, 3)], { policy: bf16, cache: batchAlone('absorbed') }), exact),
    ];
    // 8 and 4 significant bits round by 2^-8 and 2^-4 at most; the errors of some ten products in a row add up.
    const limits = [6 * 2 ** -8, 6 * 2 ** -4, 6 * 2 ** -8];
    errors.forEach((error, i) => {
      assert.ok(error > 0 && error < limits[i], `${error}`);
    });
  });

  test('experts permuted within their groups, with their router rows: the same function', async () => {
    const order = [1, 0, 3, 2, 5, 4, 7, 6]; // groups of two stay together
    const permuted = new Map<string, Tensor>();
    for (const { name, shape } of listParameters(config)) {
      const tensor = weights.get(name) as Tensor;
      const values = await tensor.toArray();
      const row = values.length / order.length;
      const turned = order.flatMap((e) => values.slice(e * row, (e + 1) * row));
      const isOfExperts = /mlp\.(experts|gate\.)/.test(name);
      permuted.set(name, fromArray(Float32Array.from(isOfExperts ? turned : values), shape));
    }
    const a = await computeLogits([text(20, 3)], {}, createModel(config, permuted));
    const b = await computeLogits([text(20, 3)]);
    assert.ok(relative(a, b) < 1e-5, `${relative(a, b)}`);
  });
});

/** Gradients of the loss of one document by every trained tensor, with attention in one form. */
async function gradientsIn(form: AttentionForm): Promise<number[][]> {
  const learnt = listParameters(config).filter(({ kind, mtp }) => kind !== 'correction' && !mtp);
  return asyncScope(async (inside) => {
    const gradients = inside(() => {
      const tape = new Tape(learnt.map(({ name }) => weights.get(name) as Tensor));
      const { ids, positions, sequences, targets } = packDocuments([text(12, 3)]);
      const forward = () => model.forward({ ids, positions, sequences }, { cache: batchAlone(form) }).out;
      return tape.backward(tape.run(() => crossEntropy(forward(), model.unpackedHead, targets)));
    });
    return Promise.all(gradients.map((gradient) => gradient.toArray()));
  });
}

test('gradients through the absorbed form are those through the expanded one', async () => {
  const [absorbed, expanded] = [await gradientsIn('absorbed'), await gradientsIn('expanded')];
  absorbed.forEach((gradient, i) => {
    const error = relative(gradient, expanded[i]);
    assert.ok(error < 1e-4, `tensor ${i}: ${error}`);
  });
});

test('the balance loss is eq. 17 to 20 of the V3 report: a mean over sequences, a sum over layers', async () => {
  const documents = [text(12, 3), text(7, 5)];
  await asyncScope(async (inside) => {
    const { balance, routings } = inside(() => model.loss(packDocuments(documents, 2)));
    const { nRoutedExperts: E, numExpertsPerTok: K } = config;
    assert.equal(routings.length, 4); // two layers with experts, two modules
    let expected = 0;
    for (const { scores, indices } of routings) {
      const [s, chosen] = [await scores.toArray(), await indices.toArray()];
      let start = 0;
      for (const { length: T } of documents) {
        for (let e = 0; e < E; e++) {
          const tokens = Array.from({ length: T }, (_, t) => start + t);
          const f = (E / (K * T)) * tokens.filter((t) => chosen.slice(t * K, (t + 1) * K).includes(e)).length;
          const share = (t: number) => s[t * E + e] / s.slice(t * E, (t + 1) * E).reduce((sum, x) => sum + x, 0);
          expected += (f * tokens.reduce((sum, t) => sum + share(t), 0)) / T / documents.length;
        }
        start += T;
      }
    }
    const ours = await (balance as Tensor).item();
    assert.ok(Math.abs(ours / expected - 1) < 1e-5, `${ours}, expected ${expected}`);
  });
});

describe('multi-token prediction', () => {
  test('cached = full, to the bit', async () => {
    const ids = text(16, 3);
    const next = [...ids.slice(1), 0];
    const step = (from: number, to: number, cache?: ContiguousCache) => {
      const batch = packSequences([ids.slice(from, to)], [from]);
      const { out } = model.forward(batch, cache ? { cache } : {});
      const ahead = packSequences([next.slice(from, to)]).ids;
      return model.predictAhead(0, out, ahead, batch, cache ? { cache } : {}).out;
    };
    const full = await asyncScope((inside) => inside(() => step(0, 16)).toArray());
    const cache = new ContiguousCache(config, 16);
    const pieces: number[] = [];
    for (const [from, to] of [
      [0, 9],
      [9, 10],
      [10, 16],
    ] as const) {
      pieces.push(...(await asyncScope((inside) => inside(() => step(from, to, cache)).toArray())));
      cache.advance(to - from);
    }
    cache.dispose();
    assert.deepEqual(pieces, full);
  });

  test('with eh_proj that passes only the embedding, module 1 is a one-layer model of the tokens ahead', async () => {
    const D = config.hiddenSize;
    const next = 'model.layers.3';
    const pass = Float32Array.from({ length: 2 * D * D }, (_, i) => (i % (2 * D) === Math.floor(i / (2 * D)) ? 1 : 0));
    const changed = new Map(weights).set(`${next}.eh_proj.weight`, fromArray(pass, [D, 2 * D]));
    const one = readConfig({ ...json, num_hidden_layers: 1, num_nextn_predict_layers: 0, first_k_dense_replace: 0 });
    const own = new Map<string, Tensor>();
    for (const { name } of listParameters(one)) {
      const from = name.replace('model.layers.0', next).replace('model.norm', `${next}.shared_head.norm`);
      own.set(name, changed.get(from) as Tensor);
    }
    // The module norms the embedding before its block: here the embedding is normed beforehand.
    const rows = await (weights.get('model.embed_tokens.weight') as Tensor).toArray();
    const normed = Float32Array.from(rows, (x, i) => {
      const row = rows.slice(i - (i % D), i - (i % D) + D);
      return x / Math.sqrt(row.reduce((sum, y) => sum + y * y, 0) / D + config.rmsNormEps);
    });
    own.set('model.embed_tokens.weight', fromArray(normed, [config.vocabSize, D]));
    const documents = [text(12, 3), text(9, 5)];
    await asyncScope(async (inside) => {
      const [ours, theirs] = inside(() => {
        const batch = packDocuments(documents, 2);
        const { mtp } = createModel(config, changed).loss(batch);
        const { ids, targets, count } = batch.ahead[0];
        const single = createModel(one as MlaConfig, own).loss({ ...batch, ids, targets, count, ahead: [] });
        return [mtp[0], single.main];
      });
      assert.ok(Math.abs((await ours.item()) / (await theirs.item()) - 1) < 1e-5);
    });
  });

  test('targets: module k learns the token k + 1 ahead within its document', async () => {
    const { targets, ahead } = packDocuments(
      [
        [1, 2, 3],
        [4, 5],
      ],
      2,
    );
    assert.deepEqual(await targets.toArray(), [2, 3, -100, 5, -100]);
    assert.deepEqual(await ahead[0]?.ids.toArray(), [2, 3, 0, 5, 0]);
    assert.deepEqual(await ahead[0]?.targets.toArray(), [3, -100, -100, -100, -100]);
    assert.deepEqual(await ahead[1]?.targets.toArray(), [-100, -100, -100, -100, -100]);
    assert.deepEqual([ahead[0]?.count, ahead[1]?.count], [1, 0]);
  });
});

describe('weights', () => {
  test('initial weights depend on name and seed only', async () => {
    const name = 'model.layers.2.mlp.gate.weight';
    const fewer = readConfig({ ...json, num_nextn_predict_layers: 0, vocab_size: 7 });
    const values = async (of: Map<string, Tensor>) => (of.get(name) as Tensor).toArray();
    assert.deepEqual(await values(initialWeights(fewer, 1)), await values(weights));
    assert.notDeepEqual(await values(initialWeights(fewer, 2)), await values(weights));
  });

  test('missing, misshapen and surplus tensors are refused by name', () => {
    const without = new Map(weights);
    without.delete('model.layers.1.mlp.experts.down_proj');
    assert.throws(() => createModel(config, without), /layers\.1\.mlp\.experts\.down_proj \[8, 64, 32\] is missing/);
    const wrong = new Map(weights).set('model.norm.weight', zeros([65]));
    assert.throws(() => createModel(config, wrong), /model\.norm\.weight: expected \[64\] in f32, received f32 \[65\]/);
    const more = new Map(weights).set('model.layers.9.norm', zeros([1]));
    assert.throws(() => createModel(config, more), /model\.layers\.9\.norm: not in this configuration/);
  });

  test('a batch and a module that are too shallow say so', () => {
    assert.throws(() => scope(() => model.loss(packDocuments([text(9, 1)], 1))), /no targets for MTP module 1/);
    const { ids, ...batch } = packSequences([text(4, 1)]);
    const hidden = zeros([4, config.hiddenSize]);
    assert.throws(() => model.predictAhead(2, hidden, ids, { ids, ...batch }), /\[mtp\] module 2 of 2/);
  });

  test('a cache that is full says so', () => {
    const cache = new ContiguousCache(config, 3);
    assert.throws(() => scope(() => model.forward(packSequences([text(4, 1)]), { cache })), ModelError);
    cache.dispose();
  });
});

test('the bias balances the load: the fullest expert comes within a tenth of the mean', async () => {
  const own = initialWeights(config, 5);
  const student = createModel(config, own);
  const batch = packSequences([text(60, 3), text(60, 7), text(60, 11)]);
  const bias = own.get('model.layers.1.mlp.gate.e_score_correction_bias') as Tensor;
  const rate = fromArray([0.002], [1]);
  const violation = () =>
    asyncScope(async (inside) => {
      const counts = inside(() => {
        const counts = zeros([config.nRoutedExperts], { dtype: 'i32' });
        countExperts(student.forward(batch).routings[0].indices, counts);
        balanceBias(bias, counts, rate);
        return counts;
      });
      const loads = await counts.toArray();
      return (Math.max(...loads) * loads.length) / loads.reduce((sum, n) => sum + n, 0) - 1;
    });
  const first = await violation();
  for (let step = 0; step < 300; step++) await violation();
  const last = await violation();
  assert.ok(first > 0.3 && last < 0.1, `${first}, then ${last}`);
});

test('it learns: loss of main model, MTP and balance falls in 30 steps, in every precision', async () => {
  for (const policy of Object.values(precisions)) {
    const own = initialWeights(readConfig({ ...json, initializer_range: 0.05 }), 3);
    const names = listParameters(config).filter(({ kind }) => kind !== 'correction');
    const learnt = names.map(({ name }) => own.get(name) as Tensor);
    const moment = (weight: Tensor) => keep(zeros(weight.shape));
    const states = learnt.map((weight) => ({ weight, m: moment(weight), v: moment(weight) }));
    const student = createModel(config, own);
    const hyper = keep(zeros([8]));
    const history: number[] = [];
    for (let step = 1; step <= 30; step++)
      await asyncScope(async (inside) => {
        hyper.write(adamwHyper({ learningRate: 0.01, step, weightDecay: 0.1 }));
        const value = inside(() => {
          const tape = new Tape(learnt);
          const loss = tape.run(() => {
            const { main, balance, mtp } = student.loss(packDocuments([text(24, 3), text(24, 8)], 2), policy);
            const ahead = mtp.reduce((sum, term) => add(sum, term));
            return add(add(main, scale(ahead, 0.15)), scale(balance as Tensor, 1e-4));
          });
          const gradients = tape.backward(loss);
          const { coefficient } = gradientNorm(gradients, 1, hyper);
          adamwStep(
            states.map((state, i) => ({ ...state, gradient: gradients[i], hyper })),
            coefficient,
          );
          return loss;
        });
        history.push(await value.item());
      });
    assert.ok((history.at(-1) as number) < 0.3 * history[0], `${history}`);
  }
});

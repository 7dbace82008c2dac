// Rollouts share prompts and read packed weights: the bits of each response alone, and of training, whatever has
// changed before. npm test -- engine/rollouts
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { OutOfMemoryError, openDevice } from '../kernels/index.ts';
import {
  createModel,
  initialWeights,
  type Model,
  type ModelConfig,
  PackedCopy,
  type PrecisionPolicy,
  packDocuments,
  precisions,
  preset,
  readConfig,
  sequenceFlops,
} from '../model/index.ts';
import { asyncScope, keep, logprobs, type Tensor, useDevice } from '../tensor/index.ts';
import { type Rollout, Rollouts } from './index.ts';

const device = openDevice();
useDevice(device);
after(() => device.close());

const deepseek = preset('nano', { vocabSize: 61 });
const sizes = {
  vocab_size: 61,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 256,
  tie_word_embeddings: true,
};
const qwen = readConfig({ model_type: 'qwen2', ...sizes });
const mistral = readConfig({ model_type: 'mistral', ...sizes, sliding_window: 40 });

function open(config: ModelConfig) {
  const weights = initialWeights(config, 5, device);
  for (const weight of weights.values()) keep(weight);
  return { weights, model: createModel(config, weights, 200) };
}

const openRollouts = (model: Model, policy: PrecisionPolicy) =>
  new Rollouts(model, { policy, maxSequences: 6, contextLength: 150, endId: 3 });

/** Three prompts, one longer than a block of the cache, each with four responses. */
const asks = [5, 64, 100].flatMap((length, p) =>
  Array.from({ length: 4 }, (_, i) => ({
    prompt: Int32Array.from({ length }, (_, j) => (7 * j + 11 * p) % 61),
    options: { temperature: 1, seed: 10 * p + i, maxTokens: 30 },
  })),
);

const bits = ({ ids, logprobs: values }: Rollout) => [[...ids], [...new Int32Array(values.buffer)]];

async function generateAll(rollouts: Rollouts) {
  const made = await Promise.all(asks.map(({ prompt, options }) => rollouts.generate(prompt, options)));
  return made.map(bits);
}

/** Whether a response is generated again, as the only one of its cache. */
const isRepeated = (_: unknown, i: number) => i % 5 === 1;

async function generateApart(model: Model, policy: PrecisionPolicy) {
  const made: Rollout[] = [];
  for (const { prompt, options } of asks.filter(isRepeated)) {
    const rollouts = openRollouts(model, policy);
    made.push(await rollouts.generate(prompt, options));
    rollouts.dispose();
  }
  return made.map(bits);
}

/** The log-probabilities of training: plain weights and no cache. */
async function trainedBits(model: Model, policy: PrecisionPolicy, made: readonly (readonly number[][])[]) {
  const found: number[][] = [];
  for (const [r, [ids]] of made.entries()) {
    const { prompt } = asks[r];
    const values = await asyncScope((inside) => {
      const batch = inside(() => packDocuments([[...prompt, ...ids]], 0, device));
      const all = inside(() => {
        const { out } = model.forward(batch, { policy });
        return logprobs(out, model.unpackedHead, batch.targets, { precision: policy.head }).logprobs;
      });
      return all.read();
    });
    const own = (values as Float32Array).slice(prompt.length - 1, prompt.length - 1 + ids.length);
    found.push([...new Int32Array(own.buffer)]);
  }
  return found;
}

/** Changes one weight as an optimizer does: in place. */
function change(weight: Tensor): void {
  weight.write(Float32Array.from({ length: weight.size }, (_, i) => 0.05 * Math.sin(i)));
}

/** With a weight that changes between two batches of responses: one that is joined to others, a bias, a gain. */
for (const [family, config, formats, changed] of [
  ['deepseek', deepseek, ['bf16', 'fp8'], 'model.layers.0.mlp.gate_proj.weight'],
  ['qwen2', qwen, ['bf16'], 'model.layers.1.self_attn.k_proj.bias'],
  ['qwen2', qwen, ['f32'], 'model.norm.weight'],
  ['mistral', mistral, ['bf16'], 'model.norm.weight'],
] as const)
  for (const precision of formats)
    test(`${family} in ${precision}: a group's responses are those of each alone, and of training`, async () => {
      const policy = precisions[precision];
      const { model, weights } = open(config);
      const rollouts = openRollouts(model, policy);
      const seen: unknown[] = [];
      for (const name of [null, changed]) {
        if (name) change(weights.get(name) as Tensor);
        const made = await generateAll(rollouts);
        assert.deepEqual(made.filter(isRepeated), await generateApart(model, policy));
        assert.deepEqual(
          made.map(([, values]) => values),
          await trainedBits(model, policy, made),
        );
        seen.push(made);
      }
      assert.notDeepEqual(seen[0], seen[1]);
      rollouts.dispose();
      model.dispose();
      for (const weight of weights.values()) weight.dispose();
    });

test('a packed copy computes the bits of its model, and keeps them until it is renewed', async () => {
  const { model, weights } = open(qwen);
  const copy = new PackedCopy(model, precisions.bf16);
  const logits = (from: Model) =>
    asyncScope((inside) => {
      const batch = inside(() => packDocuments([[5, 6, 7, 8, 9]], 0, device));
      const policy = precisions.bf16;
      return inside(() => from.logits(from.forward(batch, { policy }).out, undefined, policy)).read();
    });
  const before = await logits(model);
  assert.deepEqual(await logits(copy.model), before);
  assert.equal(copy.renew(), false);
  change(weights.get('model.layers.1.mlp.up_proj.weight') as Tensor);
  assert.deepEqual(await logits(copy.model), before);
  assert.equal(copy.renew(), true);
  const after = await logits(model);
  assert.notDeepEqual(after, before);
  assert.deepEqual(await logits(copy.model), after);
  copy.dispose();
});

test('a cache for which there is no memory is refused with what makes it smaller', () => {
  const { model } = open(qwen);
  const options = { policy: precisions.bf16, maxSequences: 6, contextLength: 200, cacheLength: 60, endId: 3 };
  const fail = () => {
    throw new OutOfMemoryError('zeros', 'no memory', 'none');
  };
  const message = /^\[rollouts\] no memory for the cache of 6 sequences of 64 tokens; lower parallel or maxTokens, /;
  assert.throws(() => new Rollouts(model, options, fail), { name: 'OutOfMemoryError', message });
});

test('what rollouts compute: rows that were not in the cache, and the tokens that came out', async () => {
  const { model } = open(deepseek);
  const rollouts = openRollouts(model, precisions.f32);
  const { forward } = sequenceFlops(deepseek);
  const prompt = asks[8].prompt; // longer than a block of the cache
  const options = { temperature: 1, seed: 1, maxTokens: 6 };
  const first = await rollouts.generate(prompt, options);
  const length = prompt.length + first.ids.length;
  assert.deepEqual(rollouts.work, { flops: forward(length - 1), generated: first.ids.length });
  const second = await rollouts.generate(prompt, { ...options, seed: 2 });
  const { flops, generated } = rollouts.work;
  assert.equal(generated, first.ids.length + second.ids.length);
  const rest = forward(prompt.length + second.ids.length - 1);
  assert.ok(flops > forward(length - 1) && flops < forward(length - 1) + rest, 'a known prompt is not computed again');
  rollouts.dispose();
});

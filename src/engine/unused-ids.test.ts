// Ids without a token are never sampled, whatever the request says. npm test -- unused-ids
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openDevice } from '../kernels/index.ts';
import { exportWeights, writeCheckpoint } from '../model/checkpoint/index.ts';
import { createModel, initialWeights, precisions, readConfig, writeConfig } from '../model/index.ts';
import { useDevice } from '../tensor/index.ts';
import { characterTokenizer, loadTokenizer, saveTokenizer } from '../tokenizer/index.ts';
import type { ServedModel } from './index.ts';
import { openModel, Rollouts, unusedIds } from './index.ts';

const config = readConfig({
  model_type: 'deepseek_v3',
  vocab_size: 300,
  hidden_size: 32,
  intermediate_size: 64,
  moe_intermediate_size: 32,
  num_hidden_layers: 2,
  num_nextn_predict_layers: 1,
  num_attention_heads: 2,
  n_routed_experts: 4,
  num_experts_per_tok: 2,
  n_group: 1,
  topk_group: 1,
  kv_lora_rank: 32,
  q_lora_rank: 32,
  qk_rope_head_dim: 16,
  qk_nope_head_dim: 16,
  v_head_dim: 16,
  first_k_dense_replace: 1,
  max_position_embeddings: 256,
});
const device = openDevice();
const folder = mkdtempSync(join(tmpdir(), 'minke-unused-'));
let model: ServedModel;
let unused: Int32Array;

before(async () => {
  useDevice(device);
  await writeCheckpoint(folder, writeConfig(config), exportWeights(config, initialWeights(config, 1), 'bf16'));
  saveTokenizer(folder, characterTokenizer('abcdefgh'));
  unused = unusedIds(loadTokenizer(folder).tokenizer, config.vocabSize);
  model = await openModel(folder, { device });
});
after(async () => {
  await model.close();
  await device.close();
  rmSync(folder, { recursive: true });
});

test('ids without a token are those from the end of the vocabulary on, and gaps', () => {
  assert.ok(unused.length > 280);
  assert.equal(unused.at(-1), 299);
  assert.deepEqual([...unusedIds({ has: (id) => id % 3 === 0 }, 7)], [1, 2, 4, 5]);
});

test('no request samples them, greedy or hot, with drafts, penalties or a bias towards them', async () => {
  const seen: number[] = [];
  const ask = async (options: object) => {
    const given = { maxTokens: 24, ignoreEos: true, logprobs: 0, ...options };
    for await (const event of model.complete('abc', given))
      if (event.type === 'part') seen.push(...event.tokens.map(({ id }) => id));
  };
  const bias = new Map([
    [unused[0], 100],
    [299, 100],
  ]);
  await Promise.all([
    ask({ temperature: 0 }),
    ...[1, 2, 3, 4].map((seed) => ask({ temperature: 2, seed })),
    ask({ temperature: 0, logitBias: bias, repetitionPenalty: 1.3 }),
    ask({ temperature: 2, logitBias: bias, topK: 5, seed: 7 }),
  ]);
  assert.ok(seen.length > 100);
  assert.ok(seen.every((id) => !unused.includes(id)));
});

test('rollouts neither; their log-probabilities are those of the whole vocabulary', async () => {
  const trained = createModel(config, initialWeights(config, 1), 64);
  const policy = precisions.bf16;
  const options = { policy, maxSequences: 4, contextLength: 64, endId: -1 };
  const free = new Rollouts(trained, options);
  const rollouts = new Rollouts(trained, { ...options, banned: unused });
  const prompt = Int32Array.of(1, 2, 3);
  const ask = (from: Rollouts, seed: number) => from.generate(prompt, { temperature: 1, seed, maxTokens: 16 });
  const answers = await Promise.all([1, 2, 3, 4].map((seed) => ask(rollouts, seed)));
  const others = await Promise.all([1, 2, 3, 4].map((seed) => ask(free, seed)));
  assert.ok(others.some(({ ids }) => ids.some((id) => unused.includes(id))));
  for (const { ids, logprobs } of answers) {
    assert.ok(ids.every((id) => !unused.includes(id)));
    assert.ok(
      logprobs.every((logprob) => logprob < Math.log(1 / 100)),
      'one of 300 about equal ids',
    );
  }
  free.dispose();
  rollouts.dispose();
  trained.dispose();
});

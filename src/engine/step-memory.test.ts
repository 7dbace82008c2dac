// Memory of steps: prompts and batches of all sizes, one after another, leave no more than an idle device keeps.
// npm test -- engine/step-memory
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openDevice } from '../kernels/index.ts';
import { createModel, initialWeights, readConfig, servingPrecision } from '../model/index.ts';
import { keep, useDevice } from '../tensor/index.ts';
import { Engine } from './engine.ts';
import { ModelRunner } from './model-runner.ts';
import { LatentPages } from './paged-cache.ts';
import { ask } from './test-runner.ts';

const device = openDevice();
useDevice(device);
after(() => device.close());

test('prompts of every length and batches of every size leave what an idle device keeps', async () => {
  const config = readConfig({
    model_type: 'llama',
    vocab_size: 32_000, // logits of eight rows: 1 MB
    hidden_size: 64,
    intermediate_size: 8192, // gate and up of a prompt of 480: 31 MB
    num_hidden_layers: 1,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 512,
    tie_word_embeddings: true,
  });
  const weights = initialWeights(config, 1, device);
  for (const weight of weights.values()) keep(weight);
  const model = createModel(config, weights, 512);
  const runner = new ModelRunner(model, { cache: new LatentPages(config, 64), policy: servingPrecision });
  const engine = new Engine(runner, { blocks: 64, contextLength: 512, prefixCache: false });
  const answer = async (lengths: readonly number[]) => {
    const asked = lengths.map((length, i) =>
      ask(
        engine,
        Array.from({ length }, (_, p) => (31 * p + i) % 32_000),
        { maxTokens: 3 },
      ),
    );
    await Promise.all(asked.map(({ ended }) => ended));
    for (const { outcome } of asked) assert.deepEqual([outcome.reason, outcome.error], ['length', undefined]);
  };
  const all = (count: number, length: number) => Array.from({ length: count }, () => length);
  for (const length of [480, 410, 333, 250, 150, 1]) await answer([length]);
  for (const count of [8, 7, 5, 3, 2]) await answer(all(count, 20));
  await device.flush();
  const kept = 64 * 2 ** 20 + device.liveBytes / 16;
  const others = 32 * 2 ** 20 + 8 * 2 ** 20; // what the host writes; one recording of eight rows
  const { reserved } = device.memory;
  assert.ok(reserved <= device.liveBytes + kept + others, `${reserved} bytes, ${device.liveBytes} in use`);
  await engine.close();
  model.dispose();
  for (const weight of weights.values()) weight.dispose();
});

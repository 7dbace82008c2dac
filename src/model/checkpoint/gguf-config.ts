// A configuration as GGUF's keys and back: architectures deepseek2 (MLA split), llama and qwen2, as llama.cpp reads
// them.
//
// One table of keys serves both directions. deepseek2: attention is written as what it becomes when absorbed, one key
// head of width kv_lora + rope, with the expanded widths beside it as *_mla; yarn_log_multiplier is 0.1 mscale_all_dim.
// Fields that GGUF has no key for come back as Hugging Face's defaults. A key of the architecture that is not read must
// have the value that changes nothing, else the file is refused. Sources: llama.cpp's src/llama-arch.cpp and conversion
// scripts.

import { architectureFor } from '../architecture/index.ts';
import { type GqaConfig, isMla, type MlaConfig, type ModelConfig, readConfig, writeConfig } from '../config.ts';
import { showValue } from '../errors.ts';
import { CheckpointError } from './errors.ts';
import type { GgufValue } from './gguf.ts';
import { decimal, findLlama3, isWritable, readRopeScaling, ropeFreqs, unread } from './gguf-rope.ts';
import type { TypedValue } from './gguf-writer.ts';

const gating = { softmax: 1, sigmoid: 2 } as const;

/** Values of general.architecture whose keys and tensors are known. */
const writable = ['deepseek2', 'llama', 'qwen2'];

type GgufKeys = Readonly<Record<string, TypedValue>>;
type KeyRow = readonly [key: string, field: string, type: 'u32' | 'f32' | 'bool', otherwise?: GgufValue | null];

/** Keys with the field of config.json that they mean; with `otherwise` they may be absent. */
const commonKeys: readonly KeyRow[] = [
  ['block_count', 'num_hidden_layers', 'u32'],
  ['context_length', 'max_position_embeddings', 'u32'],
  ['embedding_length', 'hidden_size', 'u32'],
  ['feed_forward_length', 'intermediate_size', 'u32'],
  ['attention.head_count', 'num_attention_heads', 'u32'],
  ['attention.layer_norm_rms_epsilon', 'rms_norm_eps', 'f32'],
  ['rope.freq_base', 'rope_theta', 'f32', 10000],
];
const deepseekKeys: readonly KeyRow[] = [
  ['leading_dense_block_count', 'first_k_dense_replace', 'u32'],
  ['attention.q_lora_rank', 'q_lora_rank', 'u32', null],
  ['attention.kv_lora_rank', 'kv_lora_rank', 'u32'],
  ['expert_count', 'n_routed_experts', 'u32'],
  ['expert_used_count', 'num_experts_per_tok', 'u32'],
  ['expert_shared_count', 'n_shared_experts', 'u32', 0],
  ['expert_feed_forward_length', 'moe_intermediate_size', 'u32'],
  ['expert_weights_scale', 'routed_scaling_factor', 'f32'],
  ['expert_weights_norm', 'norm_topk_prob', 'bool', false],
  ['expert_group_count', 'n_group', 'u32', 1],
  ['expert_group_used_count', 'topk_group', 'u32', 1],
  ['rope.dimension_count', 'qk_rope_head_dim', 'u32'],
  ['nextn_predict_layers', 'num_nextn_predict_layers', 'u32', 0],
];
const yarnKeys: readonly KeyRow[] = [
  ['rope.scaling.factor', 'factor', 'f32'],
  ['rope.scaling.original_context_length', 'original_max_position_embeddings', 'u32'],
  ['rope.scaling.yarn_beta_fast', 'beta_fast', 'f32', 32],
  ['rope.scaling.yarn_beta_slow', 'beta_slow', 'f32', 1],
];

const u32 = (value: number): TypedValue => ({ type: 'u32', value });
const f32 = (value: number): TypedValue => ({ type: 'f32', value });
const text = (value: string | readonly string[]): TypedValue => ({ type: 'string', value });

/** Writes the fields of a config.json under their keys; what is null or absent is left out. */
function toKeys(rows: readonly KeyRow[], fields: Readonly<Record<string, unknown>>): GgufKeys {
  const present = rows.filter(([, field]) => fields[field] !== null && fields[field] !== undefined);
  return Object.fromEntries(present.map(([key, field, type]) => [key, { type, value: fields[field] as GgufValue }]));
}

function toDeepseekKeys(c: MlaConfig, fields: Readonly<Record<string, unknown>>): GgufKeys {
  const isGrouped = c.topkMethod !== 'greedy';
  const { ropeScaling: yarn } = c;
  return {
    'attention.head_count_kv': u32(1),
    'attention.key_length': u32(c.kvLoraRank + c.qkRopeHeadDim),
    'attention.value_length': u32(c.kvLoraRank),
    'attention.key_length_mla': u32(c.qkNopeHeadDim + c.qkRopeHeadDim),
    'attention.value_length_mla': u32(c.vHeadDim),
    ...toKeys(deepseekKeys, {
      ...fields,
      n_shared_experts: c.nSharedExperts ?? 0,
      n_group: isGrouped ? (c.nGroup ?? 1) : null,
      topk_group: isGrouped ? (c.topkGroup ?? c.nGroup ?? 1) : null,
      num_nextn_predict_layers: c.numNextnPredictLayers || null,
    }),
    expert_gating_func: u32(gating[c.scoringFunc]),
    ...(yarn && {
      'rope.scaling.type': text('yarn'),
      ...toKeys(yarnKeys, fields.rope_scaling as Record<string, unknown>),
      'rope.scaling.yarn_log_multiplier': f32(0.1 * yarn.mscaleAllDim),
    }),
  };
}

function toDenseKeys(config: GqaConfig, fields: Readonly<Record<string, unknown>>): GgufKeys {
  const { ropeScaling: scaling, numKeyValueHeads, headDim } = config;
  if (!isWritable(config))
    throw new CheckpointError('gguf', 'rope_scaling with mscale has no keys in GGUF', 'keep it in safetensors');
  const type = scaling && scaling.type !== 'llama3' ? scaling.type : null; // llama3 is a tensor: rope_freqs.weight
  return {
    'attention.head_count_kv': u32(numKeyValueHeads),
    'attention.key_length': u32(headDim),
    'attention.value_length': u32(headDim),
    'rope.dimension_count': u32(headDim),
    ...(type && {
      'rope.scaling.type': text(type),
      ...toKeys(yarnKeys, fields.rope_scaling as Record<string, unknown>),
    }),
  };
}

/** The keys of a model whose vocabulary is unknown. */
const noTokenizer: GgufKeys = { 'tokenizer.ggml.model': text('none') };

/** Returns the metadata of a configuration and of its tokenizer's keys. */
export function ggufMetadata(config: ModelConfig, tokenizer: GgufKeys = noTokenizer): Map<string, TypedValue> {
  const { architecture } = architectureFor(config).gguf;
  if (!writable.includes(architecture))
    throw new CheckpointError('gguf', `${config.modelType} is not written as GGUF`, 'write safetensors');
  const fields = writeConfig(config);
  const own: GgufKeys = {
    ...toKeys(commonKeys, fields),
    vocab_size: u32(config.vocabSize),
    ...(isMla(config) ? toDeepseekKeys(config, fields) : toDenseKeys(config, fields)),
  };
  return new Map([
    ['general.architecture', text(architecture)],
    ['general.alignment', u32(32)],
    ...Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value] as const),
    ...Object.entries(tokenizer),
  ]);
}

type KeyReader = ReturnType<typeof keyReader>;

/** Reads keys of one architecture, and remembers which. Throws CheckpointError for missing numbers. */
function keyReader(metadata: ReadonlyMap<string, GgufValue>, architecture: string, file: string) {
  const asked = new Set<string>();
  const find = (key: string) => {
    asked.add(key);
    return metadata.get(`${architecture}.${key}`);
  };
  const refuse = (key: string, expected: string, remedy = 'convert the model again'): never => {
    const received = showValue(metadata.get(`${architecture}.${key}`));
    throw new CheckpointError(file, `${architecture}.${key}: expected ${expected}, received ${received}`, remedy);
  };
  const number = (key: string): number => {
    const value = find(key);
    return typeof value === 'number' ? value : refuse(key, 'a number');
  };
  /** Returns the fields of config.json that the keys mean. */
  const fields = (rows: readonly KeyRow[]) => {
    const read = ([key, field, type, otherwise]: KeyRow) => {
      const value = otherwise === undefined ? number(key) : (find(key) ?? otherwise);
      return [field, type === 'f32' && typeof value === 'number' ? decimal(value) : value] as const;
    };
    return Object.fromEntries(rows.map(read));
  };
  /** Refuses a key unless it is absent or has the value that everything else is computed with. */
  const expect = (key: string, value: GgufValue) => {
    const given = find(key);
    if (given !== undefined && given !== value) refuse(key, showValue(value), unread);
  };
  return { find, number, fields, expect, refuse, asked };
}

/** Keys that are not read, with the values that change nothing; null: whatever it is. */
const neutral: Readonly<Record<string, readonly GgufValue[] | null>> = {
  tensor_data_layout: ['Meta AI original pth'],
  use_parallel_residual: [false],
  expert_count: [0],
  expert_used_count: [0],
  expert_shared_count: [0],
  leading_dense_block_count: [0],
  nextn_predict_layers: [0],
  pooling_type: [0],
  logit_scale: [0, 1],
  residual_scale: [0, 1],
  embedding_scale: [0, 1],
  attn_logit_softcapping: [0],
  final_logit_softcapping: [0],
  'attention.causal': [true],
  'attention.sliding_window': [0],
  'attention.clamp_kqv': [0],
  'attention.max_alibi_bias': [0],
  'attention.scale': [0],
  'rope.scaling.yarn_log_multiplier': [0],
};

/** Refuses the keys of the architecture that were not asked for, unless they change nothing. */
function expectNeutral(metadata: ReadonlyMap<string, GgufValue>, architecture: string, keys: KeyReader): void {
  const prefix = `${architecture}.`;
  for (const [key, value] of metadata) {
    if (/^(adapter|clip)\./.test(key)) keys.refuse(key, 'no such key', 'a file of another kind: name the model itself');
    if (!key.startsWith(prefix)) continue;
    const own = key.slice(prefix.length);
    if (keys.asked.has(own) || neutral[own] === null || neutral[own]?.includes(value)) continue;
    const expected = neutral[own]?.join(' or ') ?? 'no such key, because it may change the result';
    keys.refuse(own, expected, unread);
  }
}

const expandedWidths = ['attention.key_length', 'attention.value_length'];

function readDeepseekFields(keys: KeyReader, names: ReadonlySet<string>): object {
  const hasBias = [...names].some((name) => name.endsWith('exp_probs_b.bias'));
  const function_ = keys.find('expert_gating_func') ?? gating.softmax;
  if (function_ !== gating.softmax && function_ !== gating.sigmoid)
    keys.refuse('expert_gating_func', '1 (softmax) or 2 (sigmoid)', unread);
  const isSigmoid = function_ === gating.sigmoid;
  const scaling = readRopeScaling(keys);
  const logMultiplier = 'rope.scaling.yarn_log_multiplier';
  const mscale = keys.find(logMultiplier) === undefined ? 0 : decimal(10 * decimal(keys.number(logMultiplier)));
  const fields = keys.fields(deepseekKeys);
  const { kv_lora_rank: kv, qk_rope_head_dim: rope } = fields as Record<string, number>;
  const isSplit = keys.find('attention.key_length_mla') !== undefined;
  const heads = keys.number('attention.head_count');
  // Files from before llama.cpp split attn_kv_b have the expanded widths, and as many key heads as heads.
  const widths = isSplit ? ['attention.key_length_mla', 'attention.value_length_mla'] : expandedWidths;
  const [keyWidth, valueWidth] = widths.map((key) => keys.number(key)) as [number, number];
  keys.expect('attention.head_count_kv', isSplit ? 1 : heads);
  if (isSplit) {
    keys.expect('attention.key_length', kv + rope);
    keys.expect('attention.value_length', kv);
  }
  return {
    model_type: hasBias || isSigmoid ? 'deepseek_v3' : 'deepseek_v2',
    ...fields,
    qk_nope_head_dim: keyWidth - rope,
    v_head_dim: valueWidth,
    scoring_func: isSigmoid ? 'sigmoid' : 'softmax',
    topk_method: hasBias ? 'noaux_tc' : keys.find('expert_group_count') ? 'group_limited_greedy' : 'greedy',
    rope_scaling: scaling && { ...scaling, mscale, mscale_all_dim: mscale },
  };
}

/** `factors`: the values of rope_freqs.weight. */
function readDenseFields(
  keys: KeyReader,
  architecture: string,
  names: ReadonlySet<string>,
  factors: Float32Array | null,
  file: string,
): object {
  const heads = keys.number('attention.head_count');
  const hasWidth = keys.find('attention.key_length') !== undefined;
  const headDim = hasWidth ? keys.number('attention.key_length') : keys.number('embedding_length') / heads;
  keys.expect('attention.value_length', headDim);
  keys.expect('rope.dimension_count', headDim);
  const context = keys.number('context_length');
  const window = keys.find('attention.sliding_window') ?? 0;
  if (typeof window !== 'number' || (window > 0 && window < context))
    keys.refuse('attention.sliding_window', `0, or at least context_length = ${context}`, unread);
  const scaling = readRopeScaling(keys);
  const { rope_theta } = keys.fields(commonKeys) as { rope_theta: number };
  const llama3 = factors && findLlama3(factors, headDim, rope_theta, file);
  if (llama3 && scaling) keys.refuse('rope.scaling.type', `none beside ${ropeFreqs}`, unread);
  return {
    model_type: architecture,
    num_key_value_heads: keys.find('attention.head_count_kv') ?? heads,
    head_dim: headDim,
    ...(architecture === 'llama' && { attention_bias: names.has('blk.0.attn_q.bias') }),
    rope_scaling: llama3
      ? {
          type: 'llama3',
          factor: llama3.factor,
          original_max_position_embeddings: llama3.originalMaxPositionEmbeddings,
          low_freq_factor: llama3.lowFreqFactor,
          high_freq_factor: llama3.highFreqFactor,
        }
      : scaling,
  };
}

/** Refuses files that are no whole model. */
function expectWhole(metadata: ReadonlyMap<string, GgufValue>, file: string): void {
  const type = metadata.get('general.type') ?? 'model';
  if (type !== 'model')
    throw new CheckpointError(file, `general.type: expected "model", received ${showValue(type)}`, 'name the model');
}

/**
 * Reads the configuration of a GGUF file. `names`: its tensors; `factors`: the values of its rope_freqs.weight. Throws
 * CheckpointError or ModelError.
 */
export function readGgufConfig(
  metadata: ReadonlyMap<string, GgufValue>,
  names: ReadonlySet<string>,
  file: string,
  factors: Float32Array | null = null,
): ModelConfig {
  const architecture = metadata.get('general.architecture');
  expectWhole(metadata, file);
  if (architecture !== 'deepseek2' && architecture !== 'llama' && architecture !== 'qwen2')
    throw new CheckpointError(
      file,
      `general.architecture: expected deepseek2, llama or qwen2, received ${showValue(architecture)}`,
      'such models are not supported',
    );
  const keys = keyReader(metadata, architecture, file);
  const [bos, eos] = [metadata.get('tokenizer.ggml.bos_token_id'), metadata.get('tokenizer.ggml.eos_token_id')];
  const tokens = metadata.get('tokenizer.ggml.tokens') as readonly string[] | undefined;
  const own =
    architecture === 'deepseek2'
      ? readDeepseekFields(keys, names)
      : readDenseFields(keys, architecture, names, factors, file);
  const fields = {
    ...keys.fields(commonKeys),
    tie_word_embeddings: !names.has('output.weight'),
    vocab_size: keys.find('vocab_size') ?? tokens?.length,
    // Where the vocabulary names none, Hugging Face's defaults hold.
    ...(bos !== undefined && { bos_token_id: bos }),
    ...(eos !== undefined && { eos_token_id: eos }),
    ...own,
  };
  expectNeutral(metadata, architecture, keys);
  return readConfig(fields, file);
}

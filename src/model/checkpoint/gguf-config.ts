// A configuration as GGUF's keys and back: architectures deepseek2 (MLA split), llama and qwen2, as llama.cpp reads
// them.
//
// One table of keys serves both directions. deepseek2: attention is written as what it becomes when absorbed, one key
// head of width kv_lora + rope, with the expanded widths beside it as *_mla; yarn_log_multiplier is 0.1 mscale_all_dim.
// Fields that GGUF has no key for come back as Hugging Face's defaults. Sources: llama.cpp's src/llama-arch.cpp and
// conversion scripts. Left out: llama3 and YaRN scaling of dense models.
import {
  type DeepseekConfig,
  type DenseConfig,
  isDeepseek,
  type ModelConfig,
  readConfig,
  writeConfig,
} from '../config.ts';
import { CheckpointError } from './errors.ts';
import type { GgufValue } from './gguf.ts';
import type { TypedValue } from './gguf-writer.ts';

const gating = { softmax: 1, sigmoid: 2 } as const;

/** A vocabulary to be written: GGUF keeps it beside the weights. */
export interface GgufTokenizer {
  /** llama.cpp's name of the pre-tokenizer, such as deepseek-v3, llama-bpe, qwen2 */
  readonly pre: string;
  /** By id, in the byte alphabet. */
  readonly tokens: readonly string[];
  /** 1 normal, 3 control, 4 added by a user, 5 unused */
  readonly types: readonly number[];
  readonly merges: readonly string[];
  readonly bos: number | null;
  readonly eos: number | null;
}

type GgufKeys = Record<string, TypedValue>;
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
  ['attention.value_length_mla', 'v_head_dim', 'u32'],
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

function tokenizerKeys({ pre, tokens, types, merges, bos, eos }: GgufTokenizer): GgufKeys {
  return {
    'tokenizer.ggml.model': text('gpt2'),
    'tokenizer.ggml.pre': text(pre),
    'tokenizer.ggml.tokens': text(tokens),
    'tokenizer.ggml.token_type': { type: 'i32', value: types },
    'tokenizer.ggml.merges': text(merges),
    ...(bos !== null && { 'tokenizer.ggml.bos_token_id': u32(bos) }),
    ...(eos !== null && { 'tokenizer.ggml.eos_token_id': u32(eos) }),
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: false },
  };
}

function toDeepseekKeys(c: DeepseekConfig, fields: Readonly<Record<string, unknown>>): GgufKeys {
  const isGrouped = c.topkMethod !== 'greedy';
  const { ropeScaling: yarn } = c;
  return {
    'attention.head_count_kv': u32(1),
    'attention.key_length': u32(c.kvLoraRank + c.qkRopeHeadDim),
    'attention.value_length': u32(c.kvLoraRank),
    'attention.key_length_mla': u32(c.qkNopeHeadDim + c.qkRopeHeadDim),
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

function toDenseKeys({ ropeScaling: scaling, numKeyValueHeads, headDim }: DenseConfig): GgufKeys {
  if (scaling && scaling.type !== 'linear')
    throw new CheckpointError('gguf', `rope_scaling ${scaling.type} has no keys in GGUF`, 'keep it in safetensors');
  return {
    'attention.head_count_kv': u32(numKeyValueHeads),
    'attention.key_length': u32(headDim),
    'attention.value_length': u32(headDim),
    'rope.dimension_count': u32(headDim),
    ...(scaling && { 'rope.scaling.type': text('linear'), 'rope.scaling.factor': f32(scaling.factor) }),
  };
}

/** Returns the metadata of a configuration; without a tokenizer, of a model whose vocabulary is unknown. */
export function ggufMetadata(config: ModelConfig, tokenizer?: GgufTokenizer): Map<string, TypedValue> {
  const architecture = isDeepseek(config) ? 'deepseek2' : config.modelType;
  const fields = writeConfig(config);
  const own: GgufKeys = {
    ...toKeys(commonKeys, fields),
    vocab_size: u32(config.vocabSize),
    ...(isDeepseek(config) ? toDeepseekKeys(config, fields) : toDenseKeys(config)),
  };
  return new Map([
    ['general.architecture', text(architecture)],
    ['general.alignment', u32(32)],
    ...Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value] as const),
    ...Object.entries(tokenizer ? tokenizerKeys(tokenizer) : { 'tokenizer.ggml.model': text('none') }),
  ]);
}

/** Converts f32 metadata back to the decimal that it was written from. */
const decimal = (x: number) => Number(x.toPrecision(7));

type KeyReader = ReturnType<typeof keyReader>;

/** Reads keys of one architecture. `number` and `fields` throw CheckpointError for missing ones. */
function keyReader(metadata: ReadonlyMap<string, GgufValue>, architecture: string, file: string) {
  const find = (key: string) => metadata.get(`${architecture}.${key}`);
  const number = (key: string): number => {
    const value = find(key);
    if (typeof value === 'number') return value;
    const problem = `${architecture}.${key}: expected a number, received ${JSON.stringify(value)}`;
    throw new CheckpointError(file, problem, 'convert the model again');
  };
  /** Returns the fields of config.json that the keys mean. */
  const fields = (rows: readonly KeyRow[]) => {
    const read = ([key, field, type, otherwise]: KeyRow) => {
      const value = otherwise === undefined ? number(key) : (find(key) ?? otherwise);
      return [field, type === 'f32' && typeof value === 'number' ? decimal(value) : value] as const;
    };
    return Object.fromEntries(rows.map(read));
  };
  return { find, number, fields };
}

function readDeepseekFields(keys: KeyReader, names: ReadonlySet<string>): object {
  const hasBias = [...names].some((name) => name.endsWith('exp_probs_b.bias'));
  const isSigmoid = keys.find('expert_gating_func') === gating.sigmoid;
  const isYarn = keys.find('rope.scaling.type') === 'yarn';
  const mscale = decimal(10 * decimal((keys.find('rope.scaling.yarn_log_multiplier') as number | undefined) ?? 0));
  return {
    model_type: hasBias || isSigmoid ? 'deepseek_v3' : 'deepseek_v2',
    ...keys.fields(deepseekKeys),
    qk_nope_head_dim: keys.number('attention.key_length_mla') - keys.number('rope.dimension_count'),
    scoring_func: isSigmoid ? 'sigmoid' : 'softmax',
    topk_method: hasBias ? 'noaux_tc' : keys.find('expert_group_count') ? 'group_limited_greedy' : 'greedy',
    rope_scaling: isYarn ? { type: 'yarn', ...keys.fields(yarnKeys), mscale, mscale_all_dim: mscale } : null,
  };
}

function readDenseFields(keys: KeyReader, architecture: string, names: ReadonlySet<string>): object {
  const heads = keys.number('attention.head_count');
  const isLinear = keys.find('rope.scaling.type') === 'linear';
  return {
    model_type: architecture,
    num_key_value_heads: keys.find('attention.head_count_kv') ?? heads,
    head_dim: keys.find('attention.key_length') ?? keys.number('embedding_length') / heads,
    ...(architecture === 'llama' && { attention_bias: names.has('blk.0.attn_q.bias') }),
    rope_scaling: isLinear ? { type: 'linear', factor: decimal(keys.number('rope.scaling.factor')) } : null,
  };
}

/** Reads the configuration of a GGUF file. `names`: its tensors. Throws CheckpointError or ModelError. */
export function readGgufConfig(
  metadata: ReadonlyMap<string, GgufValue>,
  names: ReadonlySet<string>,
  file: string,
): ModelConfig {
  const architecture = metadata.get('general.architecture');
  if (architecture !== 'deepseek2' && architecture !== 'llama' && architecture !== 'qwen2')
    throw new CheckpointError(
      file,
      `general.architecture: expected deepseek2, llama or qwen2, received ${JSON.stringify(architecture)}`,
      'such models are not supported',
    );
  const keys = keyReader(metadata, architecture, file);
  const [bos, eos] = [metadata.get('tokenizer.ggml.bos_token_id'), metadata.get('tokenizer.ggml.eos_token_id')];
  const tokens = metadata.get('tokenizer.ggml.tokens') as readonly string[] | undefined;
  const own =
    architecture === 'deepseek2' ? readDeepseekFields(keys, names) : readDenseFields(keys, architecture, names);
  const fields = {
    ...keys.fields(commonKeys),
    tie_word_embeddings: !names.has('output.weight'),
    vocab_size: keys.find('vocab_size') ?? tokens?.length,
    // Where the vocabulary names none, Hugging Face's defaults hold.
    ...(bos !== undefined && { bos_token_id: bos }),
    ...(eos !== undefined && { eos_token_id: eos }),
    ...own,
  };
  return readConfig(fields, file);
}

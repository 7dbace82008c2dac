// A configuration as GGUF's keys and back: architectures deepseek2 (MLA split), llama and qwen2, as llama.cpp reads them.
//
// deepseek2: attention is written as what it becomes when absorbed, one key head of width kv_lora + rope, with the
// expanded widths beside it as *_mla; yarn_log_multiplier is 0.1 mscale_all_dim. Fields that GGUF has no key for come
// back as Hugging Face's defaults. Sources: llama.cpp's src/llama-arch.cpp and conversion scripts. Left out: llama3 and YaRN
// scaling of dense models.
import { type DeepseekConfig, type DenseConfig, isDeepseek, type ModelConfig, readConfig } from '../config.ts';
import { CheckpointError } from './errors.ts';
import type { GgufValue } from './gguf.ts';
import type { TypedValue } from './gguf-writer.ts';

const gating = { softmax: 1, sigmoid: 2 } as const;

/** What a vocabulary needs to be written: GGUF keeps it beside the weights. */
export interface GgufTokenizer {
  /** llama.cpp's name of the pre-tokenizer, as deepseek-v3, llama-bpe, qwen2 */
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

const u32 = (value: number): TypedValue => ({ type: 'u32', value });
const f32 = (value: number): TypedValue => ({ type: 'f32', value });

function tokenizerKeys({ pre, tokens, types, merges, bos, eos }: GgufTokenizer): GgufKeys {
  return {
    'tokenizer.ggml.model': { type: 'string', value: 'gpt2' },
    'tokenizer.ggml.pre': { type: 'string', value: pre },
    'tokenizer.ggml.tokens': { type: 'string', value: tokens },
    'tokenizer.ggml.token_type': { type: 'i32', value: types },
    'tokenizer.ggml.merges': { type: 'string', value: merges },
    ...(bos !== null && { 'tokenizer.ggml.bos_token_id': u32(bos) }),
    ...(eos !== null && { 'tokenizer.ggml.eos_token_id': u32(eos) }),
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: false },
  };
}

function deepseekKeys(c: DeepseekConfig): GgufKeys {
  const { ropeScaling: yarn } = c;
  return {
    leading_dense_block_count: u32(c.firstKDenseReplace),
    'attention.head_count_kv': u32(1),
    ...(c.qLoraRank !== null && { 'attention.q_lora_rank': u32(c.qLoraRank) }),
    'attention.kv_lora_rank': u32(c.kvLoraRank),
    'attention.key_length': u32(c.kvLoraRank + c.qkRopeHeadDim),
    'attention.value_length': u32(c.kvLoraRank),
    'attention.key_length_mla': u32(c.qkNopeHeadDim + c.qkRopeHeadDim),
    'attention.value_length_mla': u32(c.vHeadDim),
    expert_count: u32(c.nRoutedExperts),
    expert_used_count: u32(c.numExpertsPerTok),
    expert_shared_count: u32(c.nSharedExperts ?? 0),
    expert_feed_forward_length: u32(c.moeIntermediateSize),
    expert_weights_scale: f32(c.routedScalingFactor),
    expert_weights_norm: { type: 'bool', value: c.normTopkProb },
    expert_gating_func: u32(gating[c.scoringFunc]),
    ...(c.topkMethod !== 'greedy' && { expert_group_count: u32(c.nGroup ?? 1) }),
    ...(c.topkMethod !== 'greedy' && { expert_group_used_count: u32(c.topkGroup ?? c.nGroup ?? 1) }),
    'rope.dimension_count': u32(c.qkRopeHeadDim),
    ...(c.numNextnPredictLayers > 0 && { nextn_predict_layers: u32(c.numNextnPredictLayers) }),
    ...(yarn && {
      'rope.scaling.type': { type: 'string', value: 'yarn' } as const,
      'rope.scaling.factor': f32(yarn.factor),
      'rope.scaling.original_context_length': u32(yarn.originalMaxPositionEmbeddings),
      'rope.scaling.yarn_beta_fast': f32(yarn.betaFast),
      'rope.scaling.yarn_beta_slow': f32(yarn.betaSlow),
      'rope.scaling.yarn_log_multiplier': f32(0.1 * yarn.mscaleAllDim),
    }),
  };
}

function denseKeys(c: DenseConfig): GgufKeys {
  const { ropeScaling: scaling } = c;
  if (scaling && scaling.type !== 'linear')
    throw new CheckpointError(
      'gguf',
      `rope_scaling ${scaling.type} of a dense model is not written`,
      'keep this model in safetensors',
    );
  return {
    'attention.head_count_kv': u32(c.numKeyValueHeads),
    'attention.key_length': u32(c.headDim),
    'attention.value_length': u32(c.headDim),
    'rope.dimension_count': u32(c.headDim),
    ...(scaling && {
      'rope.scaling.type': { type: 'string', value: 'linear' } as const,
      'rope.scaling.factor': f32(scaling.factor),
    }),
  };
}

/** The metadata of a configuration; without tokenizer as a model whose vocabulary is unknown. */
export function ggufMetadata(config: ModelConfig, tokenizer?: GgufTokenizer): Map<string, TypedValue> {
  const architecture = isDeepseek(config) ? 'deepseek2' : config.modelType;
  const own: GgufKeys = {
    block_count: u32(config.numHiddenLayers),
    context_length: u32(config.maxPositionEmbeddings),
    embedding_length: u32(config.hiddenSize),
    feed_forward_length: u32(config.intermediateSize),
    vocab_size: u32(config.vocabSize),
    'attention.head_count': u32(config.numAttentionHeads),
    'attention.layer_norm_rms_epsilon': f32(config.rmsNormEps),
    'rope.freq_base': f32(config.ropeTheta),
    ...(isDeepseek(config) ? deepseekKeys(config) : denseKeys(config)),
  };
  const entries = Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value] as const);
  const vocabulary = tokenizer
    ? tokenizerKeys(tokenizer)
    : { 'tokenizer.ggml.model': { type: 'string', value: 'none' } as const };
  return new Map([
    ['general.architecture', { type: 'string', value: architecture }],
    ['general.alignment', u32(32)],
    ...entries,
    ...Object.entries(vocabulary),
  ]);
}

/** Reads keys of one architecture. Throws CheckpointError for missing ones. */
class KeyReader {
  readonly #metadata: ReadonlyMap<string, GgufValue>;
  readonly #architecture: string;
  readonly #file: string;

  constructor(metadata: ReadonlyMap<string, GgufValue>, architecture: string, file: string) {
    this.#metadata = metadata;
    this.#architecture = architecture;
    this.#file = file;
  }

  find(key: string): GgufValue | undefined {
    return this.#metadata.get(`${this.#architecture}.${key}`);
  }

  number(key: string): number {
    const value = this.find(key);
    if (typeof value !== 'number')
      throw new CheckpointError(
        this.#file,
        `${this.#architecture}.${key}: expected a number, received ${JSON.stringify(value)}`,
        'convert the model again',
      );
    return value;
  }
}

/** f32 metadata back to the decimal it was written from. */
const decimal = (x: number) => Number(x.toPrecision(7));

function deepseekFields(keys: KeyReader, names: ReadonlySet<string>): object {
  const hasBias = [...names].some((name) => name.endsWith('exp_probs_b.bias'));
  const groups = keys.find('expert_group_count');
  const [rope, gate] = [keys.number('rope.dimension_count'), keys.find('expert_gating_func') ?? gating.softmax];
  const yarn = keys.find('rope.scaling.type') === 'yarn';
  const optional = (key: string, otherwise: number) => decimal((keys.find(key) as number | undefined) ?? otherwise);
  const log = optional('rope.scaling.yarn_log_multiplier', 0);
  return {
    model_type: hasBias || gate === gating.sigmoid ? 'deepseek_v3' : 'deepseek_v2',
    q_lora_rank: keys.find('attention.q_lora_rank') ?? null,
    kv_lora_rank: keys.number('attention.kv_lora_rank'),
    qk_rope_head_dim: rope,
    qk_nope_head_dim: keys.number('attention.key_length_mla') - rope,
    v_head_dim: keys.number('attention.value_length_mla'),
    first_k_dense_replace: keys.number('leading_dense_block_count'),
    moe_intermediate_size: keys.number('expert_feed_forward_length'),
    n_routed_experts: keys.number('expert_count'),
    num_experts_per_tok: keys.number('expert_used_count'),
    n_shared_experts: keys.number('expert_shared_count'),
    routed_scaling_factor: decimal(keys.number('expert_weights_scale')),
    norm_topk_prob: keys.find('expert_weights_norm') ?? false,
    scoring_func: gate === gating.sigmoid ? 'sigmoid' : 'softmax',
    topk_method: hasBias ? 'noaux_tc' : groups ? 'group_limited_greedy' : 'greedy',
    num_nextn_predict_layers: keys.find('nextn_predict_layers') ?? 0,
    n_group: groups ?? 1,
    topk_group: keys.find('expert_group_used_count') ?? 1,
    rope_scaling: yarn
      ? {
          type: 'yarn',
          factor: decimal(keys.number('rope.scaling.factor')),
          original_max_position_embeddings: keys.number('rope.scaling.original_context_length'),
          beta_fast: optional('rope.scaling.yarn_beta_fast', 32),
          beta_slow: optional('rope.scaling.yarn_beta_slow', 1),
          mscale: decimal(10 * log),
          mscale_all_dim: decimal(10 * log),
        }
      : null,
  };
}

/** Where the vocabulary names them; else Hugging Face's defaults hold. */
function tokenIds(metadata: ReadonlyMap<string, GgufValue>): object {
  const [bos, eos] = [metadata.get('tokenizer.ggml.bos_token_id'), metadata.get('tokenizer.ggml.eos_token_id')];
  return { ...(bos !== undefined && { bos_token_id: bos }), ...(eos !== undefined && { eos_token_id: eos }) };
}

/** The configuration of a GGUF file. `names`: of its tensors. Throws CheckpointError or ModelError. */
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
  const keys = new KeyReader(metadata, architecture, file);
  const heads = keys.number('attention.head_count');
  const common = {
    num_hidden_layers: keys.number('block_count'),
    max_position_embeddings: keys.number('context_length'),
    hidden_size: keys.number('embedding_length'),
    intermediate_size: keys.number('feed_forward_length'),
    num_attention_heads: heads,
    rms_norm_eps: decimal(keys.number('attention.layer_norm_rms_epsilon')),
    rope_theta: decimal((keys.find('rope.freq_base') as number | undefined) ?? 10000),
    tie_word_embeddings: !names.has('output.weight'),
    vocab_size: (keys.find('vocab_size') ??
      (metadata.get('tokenizer.ggml.tokens') as readonly string[] | undefined)?.length) as number,
    ...tokenIds(metadata),
  };
  const linear = keys.find('rope.scaling.type') === 'linear';
  const own =
    architecture === 'deepseek2'
      ? deepseekFields(keys, names)
      : {
          model_type: architecture,
          num_key_value_heads: keys.find('attention.head_count_kv') ?? heads,
          head_dim: keys.find('attention.key_length') ?? common.hidden_size / heads,
          ...(architecture === 'llama' && { attention_bias: names.has('blk.0.attn_q.bias') }),
          rope_scaling: linear ? { type: 'linear', factor: decimal(keys.number('rope.scaling.factor')) } : null,
        };
  return readConfig({ ...common, ...own }, file);
}

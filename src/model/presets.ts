// Configurations by name: the published ones, and our own V3-shaped ones for laptops.
//
// Source of the published ones: config.json of each release. nano, tiny and small keep every idea of V3 (compressed
// queries, groups, bias balancing, one shared expert, one dense layer, one MTP module) at sizes that two cores train.
import { type ModelConfig, readConfig } from './config.ts';
import { ModelError } from './errors.ts';

// biome-ignore lint/suspicious/noApproximativeNumericConstant: V2-Lite's config.json says 0.707, not the root of 1/2
const mscaleLite = 0.707;

const yarn40 = { type: 'yarn', factor: 40, original_max_position_embeddings: 4096, beta_fast: 32, beta_slow: 1 };

/** The shape that V2-Lite and Moonlight share. */
const sixteenBillion = {
  hidden_size: 2048,
  moe_intermediate_size: 1408,
  num_hidden_layers: 27,
  num_attention_heads: 16,
  q_lora_rank: null,
  n_shared_experts: 2,
  n_routed_experts: 64,
  num_experts_per_tok: 6,
  n_group: 1,
  topk_group: 1,
  first_k_dense_replace: 1,
};

const presetFiles = {
  'deepseek-v3': {
    model_type: 'deepseek_v3',
    num_nextn_predict_layers: 1,
    max_position_embeddings: 163840,
    rope_scaling: { ...yarn40, mscale: 1, mscale_all_dim: 1 },
    bos_token_id: 0,
    eos_token_id: 1,
  },
  'deepseek-v2': {
    model_type: 'deepseek_v2',
    vocab_size: 102400,
    hidden_size: 5120,
    intermediate_size: 12288,
    moe_intermediate_size: 1536,
    num_hidden_layers: 60,
    num_attention_heads: 128,
    n_shared_experts: 2,
    n_routed_experts: 160,
    num_experts_per_tok: 6,
    n_group: 8,
    topk_group: 3,
    topk_method: 'group_limited_greedy',
    routed_scaling_factor: 16,
    first_k_dense_replace: 1,
    max_position_embeddings: 163840,
    rope_scaling: { ...yarn40, mscale: 1, mscale_all_dim: 1 },
    bos_token_id: 100000,
    eos_token_id: 100001,
  },
  'deepseek-v2-lite': {
    ...sixteenBillion,
    model_type: 'deepseek_v2',
    vocab_size: 102400,
    intermediate_size: 10944,
    max_position_embeddings: 163840,
    rope_scaling: { ...yarn40, mscale: mscaleLite, mscale_all_dim: mscaleLite },
    bos_token_id: 100000,
    eos_token_id: 100001,
  },
  'moonlight-16b-a3b': {
    ...sixteenBillion,
    model_type: 'deepseek_v3',
    vocab_size: 163840,
    intermediate_size: 11264,
    routed_scaling_factor: 2.446,
    rope_theta: 50000,
    rms_norm_eps: 1e-5,
    max_position_embeddings: 8192,
    bos_token_id: 163584,
    eos_token_id: 163586,
  },
  'llama-3.1-405b': {
    model_type: 'llama',
    vocab_size: 128256,
    hidden_size: 16384,
    intermediate_size: 53248,
    num_hidden_layers: 126,
    num_attention_heads: 128,
    num_key_value_heads: 8,
    max_position_embeddings: 131072,
    rope_theta: 500000,
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    },
    bos_token_id: 128000,
    eos_token_id: 128001,
  },
  'smollm2-135m': {
    model_type: 'llama',
    vocab_size: 49152,
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    max_position_embeddings: 8192,
    rope_theta: 100000,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
    bos_token_id: 0,
    eos_token_id: 0,
  },
  nano: small({ d: 64, layers: 2, heads: 2, q: 48, kv: 32, nope: 32, rope: 16, dense: 176, moe: 32, context: 256 }),
  tiny: small({ d: 192, layers: 6, heads: 4, q: 128, kv: 64, nope: 48, rope: 16, dense: 512, moe: 80, context: 512 }),
  small: small({
    d: 512,
    layers: 12,
    heads: 8,
    q: 256,
    kv: 128,
    nope: 64,
    rope: 32,
    dense: 1536,
    moe: 384,
    context: 1024,
    experts: 64,
    top: 6,
  }),
} as const;

type SmallSizes = Readonly<
  Record<'d' | 'layers' | 'heads' | 'q' | 'kv' | 'nope' | 'rope' | 'dense' | 'moe' | 'context', number>
> & { readonly experts?: number; readonly top?: number };

/** Returns a V3-shaped configuration for laptops. */
function small({ experts = 16, top = 4, ...s }: SmallSizes): object {
  return {
    model_type: 'deepseek_v3',
    vocab_size: 256,
    hidden_size: s.d,
    initializer_range: Number((0.006 * Math.sqrt(7168 / s.d)).toFixed(3)), // V3's 0.006 at this width
    intermediate_size: s.dense,
    moe_intermediate_size: s.moe,
    num_hidden_layers: s.layers,
    num_nextn_predict_layers: 1,
    num_attention_heads: s.heads,
    q_lora_rank: s.q,
    kv_lora_rank: s.kv,
    qk_nope_head_dim: s.nope,
    qk_rope_head_dim: s.rope,
    v_head_dim: s.nope,
    n_shared_experts: 1,
    n_routed_experts: experts,
    num_experts_per_tok: top,
    n_group: 4,
    topk_group: 2,
    first_k_dense_replace: 1,
    max_position_embeddings: s.context,
    bos_token_id: null, // the tokenizer's
    eos_token_id: null,
  };
}

export type PresetName = keyof typeof presetFiles;

export const presetNames = Object.keys(presetFiles) as PresetName[];

/** Returns a configuration by name. `vocabSize` replaces the preset's: our own have 256, one id for each byte. */
export function preset(name: string, { vocabSize }: { vocabSize?: number } = {}): ModelConfig {
  const file = presetFiles[name as PresetName];
  if (file === undefined) throw new ModelError(name, 'no such preset', `choose one of ${presetNames.join(', ')}`);
  return readConfig({ ...file, ...(vocabSize && { vocab_size: vocabSize }) }, name);
}

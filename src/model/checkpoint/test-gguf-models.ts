// Small models and a vocabulary of bytes, for the tests of GGUF.
import { type ModelConfig, readConfig } from '../config.ts';
import type { TypedValue } from './gguf-writer.ts';

export const v3 = {
  model_type: 'deepseek_v3',
  vocab_size: 256,
  hidden_size: 64,
  intermediate_size: 96,
  moe_intermediate_size: 32,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  n_routed_experts: 8,
  num_experts_per_tok: 2,
  n_group: 1,
  topk_group: 1,
  kv_lora_rank: 32,
  q_lora_rank: 64,
  qk_rope_head_dim: 32,
  qk_nope_head_dim: 32,
  v_head_dim: 32,
  first_k_dense_replace: 1,
  max_position_embeddings: 256,
  initializer_range: 0.2,
};
const dense = {
  vocab_size: 256,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 256,
  initializer_range: 0.2,
};
const yarn = { type: 'yarn', factor: 40, original_max_position_embeddings: 64, mscale: 1, mscale_all_dim: 1 };
const llama3 = {
  type: 'llama3',
  factor: 8,
  original_max_position_embeddings: 64,
  low_freq_factor: 1,
  high_freq_factor: 4,
};
const qwenExperts = { num_experts: 8, num_experts_per_tok: 2, moe_intermediate_size: 32, norm_topk_prob: true };
const gemma = {
  head_dim: 16,
  query_pre_attn_scalar: 16,
  sliding_window: 256,
  rope_local_base_freq: 5000,
  rope_theta: 1e6,
  rope_scaling: { type: 'linear', factor: 8 },
};
const glm = {
  n_routed_experts: 8,
  num_experts_per_tok: 2,
  moe_intermediate_size: 32,
  routed_scaling_factor: 1.5,
  first_k_dense_replace: 1,
  use_qk_norm: true,
  attention_bias: true,
  num_nextn_predict_layers: 1,
};
const longrope = {
  original_max_position_embeddings: 128,
  rope_scaling: {
    type: 'longrope',
    short_factor: [1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75],
    long_factor: [1, 2, 3, 4, 5, 6, 7, 8],
  },
};
export const configs: Record<string, ModelConfig> = {
  v3: readConfig(v3),
  'v3-yarn-groups': readConfig({ ...v3, rope_scaling: yarn, n_group: 4, topk_group: 2 }),
  moonlight: readConfig({ ...v3, q_lora_rank: null, rms_norm_eps: 1e-5, rope_theta: 50000 }),
  'v2-lite': readConfig({
    ...v3,
    model_type: 'deepseek_v2',
    q_lora_rank: null,
    topk_method: 'greedy',
    routed_scaling_factor: 1,
  }),
  llama: readConfig({ ...dense, model_type: 'llama' }),
  'llama-biases': readConfig({ ...dense, model_type: 'llama', attention_bias: true }),
  llama3: readConfig({ ...dense, model_type: 'llama', rope_scaling: llama3 }),
  linear: readConfig({ ...dense, model_type: 'llama', rope_scaling: { type: 'linear', factor: 2.5 } }),
  qwen2: readConfig({ ...dense, model_type: 'qwen2', tie_word_embeddings: true }),
  qwen3: readConfig({ ...dense, model_type: 'qwen3', head_dim: 32 }),
  'qwen3-moe': readConfig({ ...dense, ...qwenExperts, model_type: 'qwen3_moe', head_dim: 16 }),
  smollm3: readConfig({ ...dense, model_type: 'smollm3', num_hidden_layers: 4, tie_word_embeddings: false }),
  phi3: readConfig({ ...dense, model_type: 'phi3', partial_rotary_factor: 0.75, head_dim: 16 }),
  'phi3-long': readConfig({ ...dense, ...longrope, model_type: 'phi3' }),
  gemma3: readConfig({ ...dense, ...gemma, model_type: 'gemma3_text', num_hidden_layers: 6 }),
  'glm4-moe': readConfig({ ...dense, ...glm, model_type: 'glm4_moe', num_hidden_layers: 3, head_dim: 16 }),
  'qwen2-yarn': readConfig({ ...dense, model_type: 'qwen2', rope_scaling: { ...yarn, mscale: 1, mscale_all_dim: 0 } }),
};

const bytes = Array.from({ length: 256 }, (_, i) => {
  const printable = (i >= 0x21 && i <= 0x7e) || (i >= 0xa1 && i <= 0xac) || i >= 0xae;
  return String.fromCharCode(printable ? i : 0x100 + (i < 0x21 ? i : i < 0xa1 ? i - 0x7f + 0x21 : 0x43));
});

/** The keys of a tokenizer of the 256 bytes, one token each. */
export const bytesOnly: Readonly<Record<string, TypedValue>> = {
  'tokenizer.ggml.model': { type: 'string', value: 'gpt2' },
  'tokenizer.ggml.pre': { type: 'string', value: 'deepseek-v3' },
  'tokenizer.ggml.tokens': { type: 'string', value: bytes },
  'tokenizer.ggml.token_type': { type: 'i32', value: new Array(256).fill(1) },
  'tokenizer.ggml.merges': { type: 'string', value: ['a b'] },
  'tokenizer.ggml.bos_token_id': { type: 'u32', value: 0 },
  'tokenizer.ggml.eos_token_id': { type: 'u32', value: 1 },
  'tokenizer.ggml.add_bos_token': { type: 'bool', value: false },
};

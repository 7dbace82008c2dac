// What buys efficiency? Compute to the loss of a dense model, then with V3's ideas one after the other: a mixture of
// experts, latent attention, multi-token prediction, FP8. The first two have the same attention heads as the others.
import type { AblationRecipe } from '../../src/train/index.ts';
import { base, llama, moe } from './shared.ts';

/** V3's experts, router and balancing over plain multi-head attention (GLM-4.5's blocks). */
const experts = {
  model_type: 'glm4_moe',
  hidden_size: 128,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  head_dim: 32,
  intermediate_size: 320,
  moe_intermediate_size: 64,
  n_routed_experts: 16,
  num_experts_per_tok: 4,
  n_shared_experts: 1,
  first_k_dense_replace: 1,
  n_group: 4,
  topk_group: 2,
  routed_scaling_factor: 2.5,
  partial_rotary_factor: 1,
  max_position_embeddings: 256,
  initializer_range: 0.04,
};

const predicting = { ...moe, num_nextn_predict_layers: 1 };

export const recipe: AblationRecipe = {
  question: 'Compute to equal loss: dense, then + MoE, + MLA, + MTP, + FP8',
  published:
    'V3 took 2.788 million GPU hours, 9 % of those of Llama-3.1-405B (V3 report, table 1); about ten times the ' +
    'efficiency of its peers is ascribed to the mixture of experts, three to seven times to what came beside it',
  base: { ...base, every: { evaluate: 50, sample: 800, save: 800 } },
  arms: {
    dense: { model: llama(4) },
    '+ MoE': { model: experts },
    '+ MLA': { model: moe },
    '+ MTP': { model: predicting },
    '+ FP8': { model: predicting, set: ['precision=fp8'] },
  },
  seeds: [1, 2, 3],
  plot: 'compute',
};

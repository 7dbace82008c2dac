// A dense student of Qwen2's shape, half as large as the base, that reads a quarter of what the base reads.

import type { PretrainRecipe } from '../src/train/index.ts';
import { recipe as base } from './countdown-base.ts';

export const recipe: PretrainRecipe = {
  ...base,
  model: {
    architectures: ['Qwen2ForCausalLM'],
    model_type: 'qwen2',
    hidden_size: 96,
    num_hidden_layers: 4,
    intermediate_size: 320,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 512,
    rope_theta: 10_000,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: true,
    initializer_range: 0.05,
  },
  steps: 550,
};

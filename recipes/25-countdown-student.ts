// A dense student with Qwen2's architecture: half the size of the Countdown base, trained on half of its tokens.

import type { PretrainRecipe } from '../src/train/index.ts';
import { recipe as base } from './00-countdown-base.ts';

export const kind = 'pretrain';

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
  steps: 1100,
  every: { evaluate: 400, sample: 1100, save: 550 },
};

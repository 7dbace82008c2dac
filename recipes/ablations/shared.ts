// The model and the schedule that ablations share: V3's architecture, 1.3 M parameters, one minute a run on two cores.
import type { PretrainRecipe } from '../../src/train/index.ts';

const attention = {
  hidden_size: 128,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  q_lora_rank: 96,
  kv_lora_rank: 48,
  intermediate_size: 320,
  max_position_embeddings: 256,
};

export const moe = {
  preset: 'nano',
  ...attention,
  moe_intermediate_size: 64,
  num_nextn_predict_layers: 0,
  initializer_range: 0.04,
};

/** The same attention; a dense feed-forward as wide as the experts that a token uses: 4 routed, 1 shared, 64 each. */
export const dense = { ...moe, first_k_dense_replace: 4 };

/** Llama's blocks of the same width, with 4 query heads and `keyValueHeads` key-value heads. */
export function llama(keyValueHeads: number): Record<string, unknown> {
  return {
    model_type: 'llama',
    hidden_size: 128,
    intermediate_size: 320,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: keyValueHeads,
    max_position_embeddings: 256,
    tie_word_embeddings: false,
    initializer_range: 0.04,
  };
}

export const base: PretrainRecipe = {
  model: moe,
  data: { tokenizer: 'characters', mode: 'windows' },
  steps: 800,
  batchSize: 16,
  sequenceLength: 128,
  evaluateTokens: 110_000,
  schedule: { learningRate: 3e-3, minLearningRate: 3e-4, warmupSteps: 50 },
  every: { evaluate: 400, sample: 800, save: 800 },
  keepCheckpoints: 1,
};

// The base of the model that ships: people at work on Countdown, arithmetic and sequences; nobody is told to answer.
import type { PretrainRecipe } from '../src/train/index.ts';

export const recipe: PretrainRecipe = {
  model: {
    ...{ preset: 'tiny', num_nextn_predict_layers: 0, hidden_size: 160, initializer_range: 0.04 },
    ...{ num_hidden_layers: 5, q_lora_rank: 112, kv_lora_rank: 64, qk_nope_head_dim: 32, v_head_dim: 32 },
    ...{ intermediate_size: 448, moe_intermediate_size: 80, n_routed_experts: 8, num_experts_per_tok: 2 },
    ...{ n_group: 1, topk_group: 1 },
  },
  data: {
    inputs: [
      { pages: 'countdown', seed: 1, count: 130_000 },
      { pages: 'arithmetic', seed: 2, count: 60_000 },
      { pages: 'sequence', seed: 3, count: 60_000 },
    ],
    tokenizer: { size: 384, preTokenizer: 'qwen2' },
    validationFraction: 0.01,
  },
  steps: 5600,
  batchSize: 8,
  sequenceLength: 512,
  schedule: { learningRate: 5e-3, minLearningRate: 1e-4, warmupSteps: 100 },
  optimizer: { matrices: 'muon' },
  every: { evaluate: 400, sample: 1400, save: 700 },
};

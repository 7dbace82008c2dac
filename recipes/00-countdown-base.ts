// The base for R1-Zero on Countdown: a small V3 that reads worked examples and is never taught to answer.
//
// The tokenizer splits numbers into digits: sums and differences of two digits are then learned within ten million
// tokens. User and Assistant are among the names of those who ask and answer, in either role: to a base that has never
// read them the template is strange, and with some seeds it then closes no tag (docs/log.md).

import type { PretrainRecipe } from '../src/train/index.ts';

export const kind = 'pretrain';

export const recipe: PretrainRecipe = {
  model: {
    preset: 'tiny',
    num_nextn_predict_layers: 0,
    hidden_size: 128,
    initializer_range: 0.045,
    num_hidden_layers: 4,
    q_lora_rank: 96,
    kv_lora_rank: 48,
    qk_nope_head_dim: 32,
    v_head_dim: 32,
    intermediate_size: 352,
    moe_intermediate_size: 64,
    n_routed_experts: 8,
    num_experts_per_tok: 2,
    n_group: 1,
    topk_group: 1,
  },
  data: {
    inputs: [{ workedExamples: 'countdown', seed: 1, count: 120_000, speakers: 'roles' }],
    tokenizer: { size: 384, preTokenizer: 'qwen2' },
    validationFraction: 0.01,
  },
  steps: 2200,
  batchSize: 16,
  sequenceLength: 256,
  schedule: { learningRate: 6e-3, minLearningRate: 1e-4, warmupSteps: 50 },
  optimizer: { matrices: 'muon' },
  every: { evaluate: 400, sample: 1100, save: 1100 },
};

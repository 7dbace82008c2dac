// The base of the bundled model: it reads worked examples of all families, as different people word them, and small
// talk. None of them shows the format of an answer.

import type { PretrainRecipe } from '../src/train/index.ts';

export const kind = 'pretrain';

type Input = NonNullable<NonNullable<PretrainRecipe['data']>['inputs']>[number];

/** Worked examples of a task: thousands for each of its levels from 1, worded as people do. */
const examples = (workedExamples: string, ...thousands: readonly number[]) =>
  thousands.flatMap((count, i) =>
    count === 0 ? [] : [{ workedExamples, difficulty: i + 1, phrasing: 'varied', count: count * 1000 } as Input],
  );

export const recipe: PretrainRecipe = {
  model: {
    preset: 'tiny',
    num_nextn_predict_layers: 1,
    hidden_size: 160,
    initializer_range: 0.04,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    q_lora_rank: 112,
    kv_lora_rank: 56,
    qk_nope_head_dim: 32,
    v_head_dim: 32,
    intermediate_size: 448,
    moe_intermediate_size: 80,
    n_routed_experts: 16,
    num_experts_per_tok: 2,
    n_group: 1,
    topk_group: 1,
    max_position_embeddings: 1024,
  },
  data: {
    inputs: [
      ...examples('countdown', 0, 4, 30, 26, 3),
      ...examples('sums', 8, 12, 20, 6, 6, 3),
      ...examples('products', 8, 12, 22, 6, 2),
      ...examples('arithmetic', 2, 3, 3, 3),
      ...examples('sequence', 4, 6, 6, 6),
      ...examples('division', 4, 5, 4, 3, 3),
      ...examples('chains', 4, 5, 4, 4, 4),
      ...examples('equation', 4, 6, 5, 4),
      ...examples('gcd-lcm', 4, 6, 4, 4),
      ...examples('factorization', 4, 5, 4, 3),
      ...examples('fractions', 7, 5, 4, 4),
      ...examples('bases', 3, 6, 4, 3),
      ...examples('bits', 3, 6, 3, 2),
      ...examples('comparison', 3, 5, 6, 4),
      ...examples('number-sorting', 3, 6, 3, 2, 1),
      ...examples('word-sorting', 3, 6, 3, 2),
      ...examples('letter-counting', 4, 8, 4, 4),
      ...examples('reversal', 4, 8, 4, 4),
      ...examples('sudoku', 3, 7, 4, 3, 2),
      ...examples('maze', 4, 8, 3, 2),
      ...examples('weekday', 4, 7, 4, 3),
      ...examples('clock', 4, 7, 4, 3),
      ...examples('units', 8, 6, 4),
      ...examples('logic', 8, 4, 2),
      ...examples('stories', 8, 5, 4),
      { conversations: 'greetings', count: 2000 },
      { conversations: 'abilities', count: 2000 },
      { conversations: 'thanks', count: 1500 },
      { conversations: 'out-of-scope', count: 5000 },
      { conversations: 'system-texts', count: 4000 },
      { conversations: 'follow-ups', count: 12_000 },
      { conversations: 'doubts', count: 3000 },
    ],
    tokenizer: { size: 768, preTokenizer: 'qwen2' },
    validationFraction: 0.005,
  },
  steps: 3200,
  batchSize: 20,
  microBatchSize: 10,
  sequenceLength: 384,
  schedule: { learningRate: 5e-3, minLearningRate: 1e-4, warmupSteps: 200 },
  optimizer: { matrices: 'muon' },
  // Muon's first steps send all tokens to the same experts; V3's gamma would take 500 steps to part them.
  balance: { biasUpdateSpeed: 0.005 },
  every: { evaluate: 250, sample: 1000, save: 250 },
};

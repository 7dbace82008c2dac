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
      ...examples('countdown', 0, 6, 40, 30),
      ...examples('sums', 10, 16, 16, 5, 2),
      ...examples('products', 12, 14, 20, 3),
      ...examples('arithmetic', 2, 4, 3, 2),
      ...examples('sequence', 6, 8, 6, 5),
      ...examples('division', 8, 8, 5, 4),
      ...examples('chains', 8, 10, 8, 6, 3),
      ...examples('equation', 8, 10, 5, 4),
      ...examples('gcd-lcm', 5, 7, 5, 3),
      ...examples('factorization', 5, 6, 4, 2),
      ...examples('fractions', 8, 5, 5, 5),
      ...examples('bases', 6, 8, 5, 3),
      ...examples('bits', 5, 6, 3, 1),
      ...examples('comparison', 6, 8, 8, 4),
      ...examples('number-sorting', 7, 9, 4, 2),
      ...examples('word-sorting', 7, 8, 3, 1),
      ...examples('letter-counting', 8, 10, 4, 4),
      ...examples('reversal', 8, 8, 4, 4),
      ...examples('sudoku', 6, 8, 4, 2),
      ...examples('maze', 6, 10, 3, 1),
      ...examples('weekday', 5, 8, 4, 2),
      ...examples('clock', 5, 8, 4, 3),
      ...examples('units', 9, 7, 4),
      ...examples('logic', 8, 4, 2),
      ...examples('stories', 10, 9, 8),
      { conversations: 'greetings', count: 4000 },
      { conversations: 'abilities', count: 6000 },
      { conversations: 'thanks', count: 4000 },
      { conversations: 'out-of-scope', count: 8000 },
      { conversations: 'system-texts', count: 10_000 },
      { conversations: 'follow-ups', count: 20_000 },
      { conversations: 'doubts', count: 5000 },
      { conversations: 'changes-of-subject', count: 5000 },
    ],
    // Few merges: words are read almost letter by letter, so that they can be spelled, sorted and copied.
    tokenizer: { size: 384, preTokenizer: 'qwen2' },
    validationFraction: 0.005,
  },
  steps: 3400,
  batchSize: 20,
  microBatchSize: 10,
  sequenceLength: 384,
  schedule: { learningRate: 5e-3, minLearningRate: 1e-4, warmupSteps: 200 },
  optimizer: { matrices: 'muon' },
  // Muon's first steps send all tokens to the same experts; V3's gamma would take 500 steps to part them.
  balance: { biasUpdateSpeed: 0.005 },
  every: { evaluate: 250, sample: 1000, save: 250 },
};

// Does FP8 training by the V3 report's recipe stay within 0.25 % of BF16's loss? Every token is seen once, as in the
// report: GSM8K's training set has 4 M bytes, and a run sees 2 M of them.
import type { AblationRecipe } from '../../src/train/index.ts';

export const recipe: AblationRecipe = {
  question: 'FP8 against BF16, the same data and seed (GSM8K)',
  published: 'relative loss error below 0.25 % (V3 report, figure 10 and appendix B.1; smoothed by 0.9)',
  base: {
    model: 'tiny',
    data: { tokenizer: 'bytes', fields: ['question', 'answer'] },
    steps: 2000,
    batchSize: 8,
    sequenceLength: 128,
    evaluateTokens: 110_000,
    schedule: { learningRate: 1e-3, minLearningRate: 1e-4, warmupSteps: 100 },
    every: { evaluate: 500, sample: 2000, save: 2000 },
    keepCheckpoints: 1,
  },
  arms: { BF16: { set: ['precision=bf16'] }, FP8: { set: ['precision=fp8'] } },
  seeds: [1, 2, 3],
  plot: 'loss',
};

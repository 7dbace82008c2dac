// The base of the model that ships: people at work on Countdown, arithmetic and sequences; nobody is told to answer.

import type { PretrainRecipe } from '../src/train/index.ts';
import { recipe as countdown } from './countdown-base.ts';

export const recipe: PretrainRecipe = {
  model: countdown.model,
  data: {
    inputs: [
      { pages: 'countdown', seed: 1, count: 100_000 },
      { pages: 'arithmetic', seed: 2, count: 50_000 },
      { pages: 'sequence', seed: 3, count: 50_000 },
    ],
    tokenizer: { size: 384, preTokenizer: 'qwen2' },
    validationFraction: 0.01,
  },
  steps: 4000,
  batchSize: 8,
  sequenceLength: 512,
  schedule: { learningRate: 6e-3, minLearningRate: 1e-4, warmupSteps: 100 },
  optimizer: { matrices: 'muon' },
  every: { evaluate: 400, sample: 2000, save: 1000 },
};

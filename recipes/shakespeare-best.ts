// Shakespeare, character level, the lowest loss of 30 minutes on two cores; nanoGPT's A100 recipe reaches 1.47.

import type { PretrainRecipe } from '../src/train/index.ts';

export const kind = 'pretrain';

export const recipe: PretrainRecipe = {
  model: 'tiny',
  data: { tokenizer: 'characters', mode: 'windows' },
  steps: 1600,
  batchSize: 16,
  sequenceLength: 256,
  evaluateTokens: 110_000,
  schedule: { learningRate: 2e-3, minLearningRate: 2e-5, warmupSteps: 100 },
  every: { evaluate: 200, sample: 1000, save: 200 },
};

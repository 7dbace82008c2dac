// Shakespeare, character level, in 20 seconds; nanoGPT's CPU recipe takes three minutes (validation loss 1.88).

import type { PretrainRecipe } from '../src/train/index.ts';

export const kind = 'pretrain';

export const recipe: PretrainRecipe = {
  model: { preset: 'nano', num_nextn_predict_layers: 0 },
  data: { tokenizer: 'characters', mode: 'windows' },
  steps: 1000,
  batchSize: 16,
  sequenceLength: 64,
  evaluateTokens: 110_000,
  schedule: { learningRate: 4e-3, minLearningRate: 4e-4, warmupSteps: 50 },
  every: { evaluate: 200, sample: 1000, save: 1000 },
};

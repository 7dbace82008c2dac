// Supervised fine-tuning: a model learns the assistant's side of conversations. It needs a model and a file of them.

import type { SftRecipe } from '../src/sft/index.ts';

export const kind = 'sft';

export const recipe: Omit<SftRecipe, 'model' | 'data'> = {
  epochs: 3,
  batchSize: 32,
  learningRate: 3e-4,
  warmupSteps: 10,
  every: { evaluate: 50, save: 100 },
};

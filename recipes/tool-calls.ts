// A small base learns to call functions, from conversations that a generator makes: which one, and with which
// arguments. The base has no chat template of its own.

import type { SftRecipe } from '../src/sft/index.ts';

export const kind = 'sft';

export const recipe: Omit<SftRecipe, 'model'> = {
  data: [{ conversations: 'tool-calls', count: 12_000 }],
  template: 'tools',
  validationFraction: 0.01,
  epochs: 1,
  batchSize: 32,
  learningRate: 1e-3,
  warmupSteps: 20,
  every: { evaluate: 100, save: 200 },
};

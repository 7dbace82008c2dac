// R1-Zero on Countdown: a reward for the format and for a correct answer, nothing else. It starts from a base.

import type { RlRecipe } from '../src/rl/index.ts';

export const kind = 'rl';

export const recipe: Omit<RlRecipe, 'model'> = {
  tasks: [{ task: 'countdown', difficulty: 3 }],
  steps: 56,
  questions: 32,
  groupSize: 16,
  maxTokens: 256,
  learningRate: 2.5e-4,
  klBeta: 0.05,
  every: { evaluate: 14, sample: 7, save: 28 },
};

// R1-Zero on Countdown: reward for the form and for a right answer, nothing else. Begin with --model <base>.

import type { RlRecipe } from '../src/rl/index.ts';

export const recipe: Omit<RlRecipe, 'model'> = {
  tasks: [{ task: 'countdown', difficulty: 3 }],
  steps: 200,
  questions: 32,
  groupSize: 16,
  maxTokens: 200,
  learningRate: 3e-4,
  klBeta: 0,
  every: { evaluate: 25, sample: 20, save: 50 },
};

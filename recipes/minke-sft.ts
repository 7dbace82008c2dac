// The bundled model learns to talk: problems of all families with a worked thought, small talk, second turns, system
// texts, and plain refusals of what it never learned. It starts from minke-base.

import type { SftRecipe } from '../src/sft/index.ts';

export const kind = 'sft';

export const recipe: Omit<SftRecipe, 'model'> = {
  data: [
    { conversations: 'problems', count: 20_000 },
    { conversations: 'problems', task: 'countdown', difficulty: 3, count: 3000 },
    { conversations: 'problems', task: 'countdown', difficulty: 4, count: 2000 },
    { conversations: 'problems', task: 'sums', count: 2000 },
    { conversations: 'problems', task: 'products', count: 2000 },
    { conversations: 'greetings', count: 1200 },
    { conversations: 'abilities', count: 1200 },
    { conversations: 'thanks', count: 800 },
    { conversations: 'out-of-scope', count: 3000 },
    { conversations: 'system-texts', count: 2500 },
    { conversations: 'follow-ups', count: 4000 },
    { conversations: 'doubts', count: 1000 },
    { conversations: 'changes-of-subject', count: 1000 },
    { conversations: 'thanked-problems', count: 1000 },
  ],
  validationFraction: 0.01,
  epochs: 1,
  batchSize: 64,
  learningRate: 1e-3,
  warmupSteps: 20,
  every: { evaluate: 100, save: 100 },
};

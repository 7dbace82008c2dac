// The bundled model learns to talk: problems of all families with a worked thought, small talk, second turns, system
// texts, and plain refusals of what it never learned. It starts from minke-base.

import type { SftRecipe } from '../src/sft/index.ts';

export const kind = 'sft';

export const recipe: Omit<SftRecipe, 'model'> = {
  data: [
    { conversations: 'problems', count: 40_000 },
    { conversations: 'problems', task: 'countdown', difficulty: 3, count: 6000 },
    { conversations: 'problems', task: 'countdown', difficulty: 4, count: 4000 },
    { conversations: 'problems', task: 'sums', count: 4000 },
    { conversations: 'problems', task: 'products', count: 4000 },
    { conversations: 'problems', task: 'sequence', count: 2000 },
    { conversations: 'problems', task: 'letter-counting', count: 3000 },
    { conversations: 'problems', task: 'reversal', count: 3000 },
    { conversations: 'problems', task: 'stories', count: 2000 },
    { conversations: 'greetings', count: 2000 },
    { conversations: 'abilities', count: 2000 },
    { conversations: 'thanks', count: 1500 },
    { conversations: 'out-of-scope', count: 4500 },
    { conversations: 'system-texts', count: 3500 },
    { conversations: 'follow-ups', count: 5000 },
    { conversations: 'doubts', count: 1500 },
    { conversations: 'changes-of-subject', count: 1500 },
    { conversations: 'thanked-problems', count: 1500 },
  ],
  validationFraction: 0.01,
  epochs: 1,
  batchSize: 64,
  learningRate: 2e-3,
  finalShare: 0.02,
  warmupSteps: 20,
  optimizer: { weightDecay: 0, matrices: 'muon' },
  every: { evaluate: 200, save: 200 },
};

// The bundled model: R1-Zero on Countdown, arithmetic and sequences at once. It starts from minke-base.

import type { RlRecipe } from '../src/rl/index.ts';
import { recipe as countdown } from './10-countdown-zero.ts';

export const kind = 'rl';

export const recipe: Omit<RlRecipe, 'model'> = {
  ...countdown,
  tasks: [
    { task: 'countdown', difficulty: 3, share: 2 },
    { task: 'countdown', difficulty: 4 },
    { task: 'arithmetic', difficulty: 2 },
    { task: 'sequence', difficulty: 2 },
  ],
  steps: 110,
  maxTokens: 320,
  klBeta: 0.03,
  every: { evaluate: 55, sample: 10, save: 22 },
};

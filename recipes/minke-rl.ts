// The bundled model by reinforcement learning: all families at the levels that people ask for, drawn by success rate,
// worded as people do, and small talk beside them. It starts from minke-sft.

import type { RlRecipe } from '../src/rl/index.ts';

export const kind = 'rl';

type Choice = RlRecipe['tasks'][number];

/** A task at its levels from 1, each with its share, in the phrasings of training. */
const varied = (task: string, ...shares: readonly number[]) =>
  shares.flatMap((share, i) =>
    share === 0 ? [] : [{ task, difficulty: i + 1, share, phrasing: 'varied' } satisfies Choice],
  );

export const recipe: Omit<RlRecipe, 'model'> = {
  tasks: [
    ...varied('countdown', 0, 2, 6, 5),
    ...varied('sums', 1, 2, 2),
    ...varied('products', 1, 2, 2),
    ...varied('arithmetic', 1, 1),
    ...varied('sequence', 1, 1),
    ...varied('division', 1, 2),
    ...varied('chains', 1, 2),
    ...varied('equation', 1, 1),
    ...varied('gcd-lcm', 1, 1),
    ...varied('factorization', 1),
    ...varied('fractions', 1, 1),
    ...varied('bases', 1, 1),
    ...varied('bits', 1),
    ...varied('comparison', 1, 1),
    ...varied('number-sorting', 1, 1),
    ...varied('word-sorting', 1),
    ...varied('letter-counting', 1, 1),
    ...varied('reversal', 1, 1),
    ...varied('sudoku', 1),
    ...varied('maze', 1),
    ...varied('weekday', 1, 1),
    ...varied('clock', 1, 1),
    ...varied('units', 1, 1),
    ...varied('logic', 1),
    ...varied('stories', 2, 2, 1),
    { task: 'small-talk', share: 4 },
  ],
  curriculum: 'success',
  pilot: { responses: 6, keep: 0.25 },
  steps: 120,
  questions: 48,
  groupSize: 16,
  maxTokens: 320,
  learningRate: 1e-4,
  klBeta: 0.02,
  evaluation: { problems: 16, samples: 2 },
  every: { evaluate: 60, sample: 20, save: 20 },
};

// The bundled model by reinforcement learning: all families at their usual levels, drawn by success rate, worded as
// people do. It starts from minke-sft.

import type { RlRecipe } from '../src/rl/index.ts';

export const kind = 'rl';

/** A task at one level, in the phrasings of training. */
const varied = (task: string, difficulty: number, share = 1) => ({
  task,
  difficulty,
  share,
  phrasing: 'varied' as const,
});

export const recipe: Omit<RlRecipe, 'model'> = {
  tasks: [
    ...[varied('countdown', 2), varied('countdown', 3, 5), varied('countdown', 4, 6)],
    ...[varied('sums', 1), varied('sums', 2), varied('sums', 3, 2)],
    ...[varied('products', 1), varied('products', 2), varied('products', 3, 4)],
    ...[
      varied('arithmetic', 2),
      varied('sequence', 1),
      varied('sequence', 2),
      varied('division', 2),
      varied('chains', 2),
    ],
    ...[varied('equation', 2), varied('gcd-lcm', 2), varied('factorization', 2), varied('fractions', 1)],
    ...[varied('bases', 2), varied('bits', 2), varied('comparison', 3), varied('number-sorting', 2)],
    ...[varied('word-sorting', 2), varied('letter-counting', 2), varied('reversal', 2), varied('sudoku', 2)],
    ...[varied('maze', 2), varied('weekday', 2), varied('clock', 2), varied('units', 1), varied('logic', 1)],
    varied('stories', 1),
  ],
  curriculum: 'success',
  pilot: { responses: 6, keep: 0.25 },
  steps: 60,
  questions: 32,
  groupSize: 16,
  maxTokens: 320,
  learningRate: 2e-4,
  klBeta: 0.02,
  evaluation: { problems: 24, samples: 2 },
  every: { evaluate: 20, sample: 20, save: 20 },
};

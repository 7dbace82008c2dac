// The bundled model learns to talk: problems of all families with a worked thought, small talk, second turns, system
// texts, and plain refusals of what it never learned. It starts from minke-base.

import type { SftRecipe } from '../src/sft/index.ts';

export const kind = 'sft';

type Input = SftRecipe['data'][number];

/** Problems of a task: hundreds for each of its levels from 1. */
const problems = (task: string, ...hundreds: readonly number[]) =>
  hundreds.flatMap((count, i) =>
    count === 0 ? [] : [{ conversations: 'problems', task, difficulty: i + 1, count: count * 100 } as Input],
  );

export const recipe: Omit<SftRecipe, 'model'> = {
  data: [
    ...problems('countdown', 0, 10, 60, 40),
    ...problems('sums', 25, 40, 30, 5),
    ...problems('products', 25, 35, 30),
    ...problems('arithmetic', 4, 6, 4),
    ...problems('sequence', 15, 15, 10, 5),
    ...problems('division', 25, 25, 8, 4),
    ...problems('chains', 20, 30, 15, 8),
    ...problems('equation', 15, 20, 10, 6),
    ...problems('gcd-lcm', 8, 12, 6, 4),
    ...problems('factorization', 8, 10, 6),
    ...problems('fractions', 15, 6, 10, 10),
    ...problems('bases', 10, 15, 8, 6),
    ...problems('bits', 8, 10, 5),
    ...problems('comparison', 15, 15, 15, 6),
    ...problems('number-sorting', 15, 15, 5),
    ...problems('word-sorting', 15, 15, 5),
    ...problems('letter-counting', 15, 20, 6, 5),
    ...problems('reversal', 15, 20, 5, 5),
    ...problems('sudoku', 8, 12, 5),
    ...problems('maze', 8, 12, 4),
    ...problems('weekday', 10, 15, 6, 4),
    ...problems('clock', 8, 12, 6, 5),
    ...problems('units', 20, 15, 6),
    ...problems('logic', 10, 4),
    ...problems('stories', 20, 25, 25),
    { conversations: 'greetings', count: 2500 },
    { conversations: 'abilities', count: 4000 },
    { conversations: 'thanks', count: 2500 },
    { conversations: 'out-of-scope', count: 4000 },
    { conversations: 'system-texts', count: 5000 },
    { conversations: 'follow-ups', count: 7000 },
    { conversations: 'doubts', count: 1500 },
    { conversations: 'asides', count: 4000 },
    { conversations: 'thanked-problems', count: 1500 },
  ],
  validationFraction: 0.01,
  epochs: 1,
  batchSize: 64,
  learningRate: 1e-3,
  warmupSteps: 20,
  every: { evaluate: 100, save: 100 },
};

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
    ...problems('countdown', 0, 5, 30, 20),
    ...problems('sums', 13, 20, 15, 3),
    ...problems('products', 13, 18, 15),
    ...problems('arithmetic', 2, 3, 2),
    ...problems('sequence', 8, 8, 5, 3),
    ...problems('division', 13, 13, 4, 2),
    ...problems('chains', 10, 15, 8, 4),
    ...problems('equation', 8, 10, 5, 3),
    ...problems('gcd-lcm', 4, 6, 3, 2),
    ...problems('factorization', 4, 5, 3),
    ...problems('fractions', 8, 3, 5, 5),
    ...problems('bases', 5, 8, 4, 3),
    ...problems('bits', 4, 5, 3),
    ...problems('comparison', 8, 8, 8, 3),
    ...problems('number-sorting', 8, 8, 3),
    ...problems('word-sorting', 8, 8, 3),
    ...problems('letter-counting', 8, 10, 3, 3),
    ...problems('reversal', 8, 10, 3, 3),
    ...problems('sudoku', 4, 6, 3),
    ...problems('maze', 4, 6, 2),
    ...problems('weekday', 5, 8, 3, 2),
    ...problems('clock', 4, 6, 3, 3),
    ...problems('units', 10, 8, 3),
    ...problems('logic', 5, 2),
    ...problems('stories', 10, 13, 13),
    { conversations: 'greetings', count: 1250 },
    { conversations: 'abilities', count: 2000 },
    { conversations: 'thanks', count: 1250 },
    { conversations: 'out-of-scope', count: 2000 },
    { conversations: 'system-texts', count: 2500 },
    { conversations: 'follow-ups', count: 3500 },
    { conversations: 'doubts', count: 750 },
    { conversations: 'asides', count: 2000 },
    { conversations: 'thanked-problems', count: 750 },
  ],
  validationFraction: 0.01,
  epochs: 1,
  batchSize: 64,
  learningRate: 1e-3,
  warmupSteps: 20,
  every: { evaluate: 100, save: 100 },
};

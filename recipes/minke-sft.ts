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
    ...problems('countdown', 0, 16, 120, 70),
    ...problems('sums', 48, 90, 72, 16),
    ...problems('products', 48, 88, 72),
    ...problems('arithmetic', 16, 24, 16),
    ...problems('sequence', 32, 32, 20, 8),
    ...problems('division', 36, 48, 20, 8),
    ...problems('chains', 48, 72, 48, 16),
    ...problems('equation', 32, 48, 24, 12),
    ...problems('gcd-lcm', 24, 40, 24, 8),
    ...problems('factorization', 20, 28, 16),
    ...problems('fractions', 32, 20, 28, 24),
    ...problems('bases', 20, 32, 20, 12),
    ...problems('bits', 20, 24, 12),
    ...problems('comparison', 28, 32, 32, 12),
    ...problems('number-sorting', 32, 36, 16),
    ...problems('word-sorting', 28, 28, 12),
    ...problems('letter-counting', 32, 48, 20, 12),
    ...problems('reversal', 32, 44, 20, 12),
    ...problems('sudoku', 12, 20, 10),
    ...problems('maze', 12, 20, 6),
    ...problems('weekday', 20, 36, 16, 8),
    ...problems('clock', 16, 28, 16, 12),
    ...problems('units', 36, 40, 20),
    ...problems('logic', 16, 8),
    ...problems('stories', 40, 60, 60),
    { conversations: 'greetings', count: 2000 },
    { conversations: 'abilities', count: 3600 },
    { conversations: 'thanks', count: 2400 },
    { conversations: 'out-of-scope', count: 5600 },
    { conversations: 'system-texts', count: 8000 },
    { conversations: 'follow-ups', count: 16_000 },
    { conversations: 'doubts', count: 3200 },
    { conversations: 'asides', count: 7200 },
    { conversations: 'thanked-problems', count: 2400 },
  ],
  validationFraction: 0.003,
  epochs: 1,
  batchSize: 64,
  learningRate: 1e-3,
  warmupSteps: 20,
  every: { evaluate: 200, save: 200 },
};

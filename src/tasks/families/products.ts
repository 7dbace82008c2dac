// Products of two numbers. Difficulty: the digits of both, from one times one to three times three.
//
// The key is that of arithmetic, so a problem is held out of both or of neither.
import type { Random } from '../../math/index.ts';
import { calculationPhrasings, toKey } from '../calculation.ts';
import { computeInColumns } from '../columns.ts';
import { gradeNumber } from '../number.ts';
import type { Problem, Task } from '../task.ts';
import { drawNumber } from './sums.ts';

export interface ProductProblem extends Problem {
  readonly factors: readonly [number, number];
}

/** The digits of the two factors, for each difficulty from 1. */
const digits = [
  [1, 1],
  [2, 1],
  [2, 2],
  [3, 2],
  [3, 3],
] as const;

function problem(random: Random, difficulty: number): ProductProblem {
  const [first, second] = digits[difficulty - 1];
  const [a, b] = random.shuffled([drawNumber(random, first), drawNumber(random, second)]);
  return { prompt: `What is ${a} * ${b}?`, key: toKey([a, '*', b]), factors: [a, b] };
}

export const products: Task<ProductProblem> = {
  name: 'products',
  description: 'Multiply two numbers.',
  difficulty: { from: 1, to: 5, default: 2 },
  problem,
  grade: ({ factors: [a, b] }, answer) => gradeNumber(`${a * b}`, answer),
  solution: ({ factors: [a, b] }) => `${a * b}`,
  phrasings: ({ factors: [a, b] }) => calculationPhrasings([a, '*', b]),
  // The shorter factor has the fewer lines.
  steps: ({ factors: [a, b] }) =>
    `${a}`.length < `${b}`.length ? computeInColumns(b, '*', a) : computeInColumns(a, '*', b),
};

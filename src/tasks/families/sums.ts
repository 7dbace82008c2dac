// Sums and differences of two numbers. Difficulty: the digits of the longer one.
//
// One difference in ten is below 0. The key is that of arithmetic, so a problem is held out of both or of neither.
import type { Random } from '../../math/index.ts';
import { calculationPhrasings, compute, toKey } from '../calculation.ts';
import { computeInColumns } from '../columns.ts';
import { gradeNumber } from '../number.ts';
import type { Problem, Task } from '../task.ts';

export interface SumProblem extends Problem {
  readonly calculation: readonly [number, '+' | '-', number];
}

const belowZero = 0.1;

/** Draws a number of exactly so many digits; one digit may be 0. */
export function drawNumber(random: Random, digits: number): number {
  return random.whole(digits === 1 ? 0 : 10 ** (digits - 1), 10 ** digits - 1);
}

function problem(random: Random, difficulty: number): SumProblem {
  const [first, second] = random.shuffled([
    drawNumber(random, difficulty),
    drawNumber(random, random.whole(Math.max(1, difficulty - 1), difficulty)),
  ]);
  const operator = random.pick(['+', '-'] as const);
  const isSwapped = operator === '-' && first < second && !random.chance(belowZero);
  const calculation = isSwapped ? ([second, operator, first] as const) : ([first, operator, second] as const);
  const [a, , b] = calculation;
  return { prompt: `What is ${a} ${operator} ${b}?`, key: toKey(calculation), calculation };
}

export const sums: Task<SumProblem> = {
  name: 'sums',
  description: 'Add or subtract two numbers.',
  difficulty: { from: 1, to: 6, default: 2 },
  problem,
  grade: ({ calculation }, answer) => gradeNumber(`${compute(calculation)}`, answer),
  solution: ({ calculation }) => `${compute(calculation)}`,
  phrasings: ({ calculation }) => calculationPhrasings(calculation),
  steps: ({ calculation }) => computeInColumns(...calculation),
};

// Calculations with several terms, one step at a time. Every value on the way is a whole number from 0 to 999.
//
// Difficulty: 1 three terms, 2 with a product, 3 four terms, 4 with parentheses, 5 five or six terms.
import type { Random } from '../../math/index.ts';
import {
  type Calculation,
  calculationPhrasings,
  compute,
  formatCalculation,
  type Operation,
  toKey,
} from '../calculation.ts';
import { gradeNumber } from '../number.ts';
import type { Problem, Task } from '../task.ts';

export interface ChainProblem extends Problem {
  readonly calculation: Operation;
}

const largest = 999;

/** The terms, the largest number, and what may occur, for each difficulty from 1. */
const levels = [
  { terms: [3, 3], number: 20, products: 0, parentheses: 0 },
  { terms: [3, 3], number: 20, products: 1, parentheses: 0 },
  { terms: [4, 4], number: 50, products: 0.5, parentheses: 0 },
  { terms: [3, 4], number: 20, products: 0.5, parentheses: 1 },
  { terms: [5, 6], number: 50, products: 0.5, parentheses: 0.3 },
] as const;

type Level = (typeof levels)[number];

function chain(random: Random, count: number, level: Level): Calculation {
  const term = (): Calculation => {
    if (count > 1 && random.chance(level.products / count)) return [random.whole(2, 9), '*', random.whole(2, 9)];
    return random.whole(1, level.number);
  };
  let calculation = term();
  for (let i = 1; i < count; i++) calculation = [calculation, random.pick(['+', '-'] as const), term()];
  if (count < 3 || !random.chance(level.parentheses)) return calculation;
  const inner: Operation = [random.whole(1, 9), random.pick(['+', '-'] as const), random.whole(1, 9)];
  const rest = chain(random, count - 2, level);
  return random.pick<Operation>([
    [inner, '*', random.whole(2, 9)],
    [random.whole(2, 9), '*', inner],
    [rest, '-', inner],
    [[random.whole(2, 9), '*', inner], '+', rest],
  ]);
}

/** Yields each step of a calculation, from the inside out; equations join two values. */
function* steps(calculation: Calculation): Generator<{ readonly text: string; readonly value: number }, number> {
  if (typeof calculation === 'number') return calculation;
  const [left, operator, right] = calculation;
  const x = yield* steps(left);
  const y = yield* steps(right);
  const value = compute([x, operator, y]);
  yield { text: `${x}${operator}${y}=${value}`, value };
  return value;
}

function problem(random: Random, difficulty: number): ChainProblem {
  const level = levels[difficulty - 1];
  for (;;) {
    const calculation = chain(random, random.whole(level.terms[0], level.terms[1]), level);
    if (typeof calculation === 'number') continue;
    const values = [...steps(calculation)].map(({ value }) => value);
    if (values.length < 2 || values.some((value) => value < 0 || value > largest)) continue;
    return { prompt: `What is ${formatCalculation(calculation)}?`, key: toKey(calculation), calculation };
  }
}

export const chains: Task<ChainProblem> = {
  name: 'chains',
  description: 'Compute with several terms.',
  difficulty: { from: 1, to: 5, default: 2 },
  problem,
  grade: ({ calculation }, answer) => gradeNumber(`${compute(calculation)}`, answer),
  solution: ({ calculation }) => `${compute(calculation)}`,
  phrasings: ({ calculation }) => calculationPhrasings(calculation),
  steps: ({ calculation }) => [[...steps(calculation)].map(({ text }) => text).join(', ')],
};

// Arithmetic with several digits: sums, differences, products and calculations with three terms, results from 0.
//
// Difficulty: 1 two-digit sums; 2 sums and differences with up to three digits; 3 two digits times one; 4 two digits
// times two; 5 three digits times two; 6 three terms. Problems that differ only in the order of terms or factors share
// a key. The answer is the number alone: an expression is refused, even a correct one.
import type { Random } from '../../math/index.ts';
import { calculationPhrasings, compute, formatCalculation, type Operation, toKey } from '../calculation.ts';
import { gradeNumber } from '../number.ts';
import type { Problem, Task } from '../task.ts';

export interface ArithmeticProblem extends Problem {
  readonly calculation: Operation;
  readonly answer: number;
}

function threeTerms(random: Random): Operation {
  const two = () => random.whole(10, 99);
  const three = () => random.whole(100, 999);
  const product = [two(), '*', random.whole(2, 99)] as const;
  return random.pick<Operation>([
    [product, '+', three()],
    [three(), '+', product],
    [product, '-', three()],
    [three(), '-', product],
    [[two(), '+', two()], '*', random.whole(2, 99)],
    [[three(), '-', two()], '*', random.whole(2, 9)],
    [[three(), '+', two()], '-', three()],
  ]);
}

function draw(random: Random, difficulty: number): Operation {
  const whole = (from: number, to: number) => random.whole(from, to);
  switch (difficulty) {
    case 1:
      return [whole(10, 99), '+', whole(10, 99)];
    case 2:
      return [whole(100, 999), random.pick(['+', '-'] as const), whole(10, 999)];
    case 3:
      return [whole(10, 99), '*', whole(2, 9)];
    case 4:
      return [whole(10, 99), '*', whole(10, 99)];
    case 5:
      return [whole(100, 999), '*', whole(10, 99)];
    default:
      return threeTerms(random);
  }
}

function problem(random: Random, difficulty: number): ArithmeticProblem {
  for (;;) {
    const calculation = draw(random, difficulty);
    const answer = compute(calculation);
    if (answer >= 0)
      return { prompt: `What is ${formatCalculation(calculation)}?`, key: toKey(calculation), calculation, answer };
  }
}

export const arithmetic: Task<ArithmeticProblem> = {
  name: 'arithmetic',
  description: 'Compute with numbers of several digits.',
  difficulty: { from: 1, to: 6, default: 2 },
  problem,
  grade: ({ answer: truth }, answer) => gradeNumber(`${truth}`, answer),
  solution: ({ answer }) => `${answer}`,
  phrasings: ({ calculation }) => calculationPhrasings(calculation),
};

// Division without a remainder. Difficulty: the digits of divisor and quotient.
import type { Random } from '../../math/index.ts';
import { operationPhrasings } from '../calculation.ts';
import { divideInColumns } from '../columns.ts';
import { gradeNumber } from '../number.ts';
import type { Problem, Task } from '../task.ts';

export interface DivisionProblem extends Problem {
  readonly dividend: number;
  readonly divisor: number;
}

/** The largest divisor, and the range of the quotient, for each difficulty from 1. */
const levels = [
  { divisor: 9, quotient: [0, 12] },
  { divisor: 9, quotient: [10, 99] },
  { divisor: 9, quotient: [100, 999] },
  { divisor: 25, quotient: [10, 99] },
  { divisor: 99, quotient: [10, 999] },
] as const;

function problem(random: Random, difficulty: number): DivisionProblem {
  const level = levels[difficulty - 1];
  const divisor = random.whole(level.divisor > 9 ? 10 : 1, level.divisor);
  const dividend = divisor * random.whole(level.quotient[0], level.quotient[1]);
  return { prompt: `What is ${dividend} / ${divisor}?`, key: `(${dividend}/${divisor})`, dividend, divisor };
}

export const division: Task<DivisionProblem> = {
  name: 'division',
  description: 'Divide without a remainder.',
  difficulty: { from: 1, to: 5, default: 2 },
  problem,
  grade: ({ dividend, divisor }, answer) => gradeNumber(`${dividend / divisor}`, answer),
  solution: ({ dividend, divisor }) => `${dividend / divisor}`,
  phrasings: ({ dividend, divisor }) => operationPhrasings(dividend, '/', divisor),
  steps: ({ dividend, divisor }) => [divideInColumns(dividend, divisor).text],
};

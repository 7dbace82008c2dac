// The tasks that come with the package, by name: a task joins with an import and a line here.
import type { Task, TaskFacts } from '../task.ts';
import { arithmetic } from './arithmetic.ts';
import { bases } from './bases.ts';
import { bits } from './bits.ts';
import { chains } from './chains.ts';
import { clock } from './clock.ts';
import { code } from './code.ts';
import { comparison } from './comparison.ts';
import { countdown } from './countdown.ts';
import { division } from './division.ts';
import { equation } from './equation.ts';
import { factorization } from './factorization.ts';
import { fractions } from './fractions.ts';
import { gcdLcm } from './gcd-lcm.ts';
import { letterCounting } from './letter-counting.ts';
import { logic } from './logic.ts';
import { maze } from './maze.ts';
import { numberSorting } from './number-sorting.ts';
import { products } from './products.ts';
import { reversal } from './reversal.ts';
import { sequence } from './sequence.ts';
import { stories } from './stories.ts';
import { sudoku } from './sudoku.ts';
import { sums } from './sums.ts';
import { units } from './units.ts';
import { weekday } from './weekday.ts';
import { wordSorting } from './word-sorting.ts';

const tasks = [
  countdown,
  arithmetic,
  sequence,
  sums,
  products,
  division,
  chains,
  equation,
  gcdLcm,
  factorization,
  fractions,
  bases,
  bits,
  comparison,
  numberSorting,
  wordSorting,
  letterCounting,
  reversal,
  sudoku,
  maze,
  weekday,
  clock,
  units,
  logic,
  stories,
] as unknown as readonly Task[];

/** Those that are judged in any thread. */
export const bundledTasks: ReadonlyMap<string, Task> = new Map(tasks.map((task) => [task.name, task]));

/** All of them, with those that openTask gives a thread of their own. */
export const bundledFacts: ReadonlyMap<string, TaskFacts> = new Map<string, TaskFacts>([
  ...bundledTasks,
  [code.name, code],
]);

/** The files of tasks that are judged in a thread of their own, by name, without extension. */
export const threadFiles: ReadonlyMap<string, string> = new Map([[code.name, 'families/code-grader']]);

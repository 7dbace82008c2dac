// What a task is: a generator of problems with a dial for difficulty, and a grader of final answers.
//
// Contract: all chance comes from the `random` that is passed in, so that a problem is known by seed and index; the
// grader sees the final answer alone, never the reasoning. Problems of the same key are the same problem: the key alone
// decides whether it is held out, so that no problem of training is ever asked in an evaluation. Bring your own: a file
// with `export const task: Task = {...}`.
import { TaskError } from './errors.ts';
import { Random } from './random.ts';

export interface Problem {
  /** What is asked, in words. */
  readonly prompt: string;
  /** Same key, same problem. */
  readonly key: string;
}

export interface Verdict {
  readonly correct: boolean;
  /** One sentence: what is wrong, or what was found right. */
  readonly reason: string;
}

export interface Task<P extends Problem = Problem> {
  readonly name: string;
  /** One sentence for people. */
  readonly description: string;
  /** Whole numbers of the dial, and the one that is meant where none is named. */
  readonly difficulty: { readonly from: number; readonly to: number; readonly usual: number };
  problem(random: Random, difficulty: number): P;
  /** `answer`: what stands between the answer tags, as it was written. */
  grade(problem: P, answer: string): Verdict;
  /** An answer that the grader accepts, where the problem knows one. */
  solution?(problem: P): string;
}

export type Split = 'train' | 'held-out';

/** One of so many keys is held out. */
const splitParts = 8;
/** Draws until a problem of the split is found. */
const maxDraws = 1000;

/** Whether problems of this key are kept for evaluation. */
export function isHeldOut(key: string): boolean {
  return new Random(...Array.from(key, (character) => character.codePointAt(0) as number)).whole(1, splitParts) === 1;
}

/** Problem `index` of a seed, of one side of the split. Throws TaskError where the task makes none. */
export function problemAt<P extends Problem>(
  task: Task<P>,
  { seed, index, difficulty = task.difficulty.usual, split }: ProblemPlace,
): P {
  const { from, to } = task.difficulty;
  if (!Number.isInteger(difficulty) || difficulty < from || difficulty > to)
    throw new TaskError(task.name, `difficulty ${difficulty}`, `choose a whole number from ${from} to ${to}`);
  const random = new Random(seed, index, difficulty);
  for (let draw = 0; draw < maxDraws; draw++) {
    const problem = task.problem(random, difficulty);
    checkProblem(task.name, problem);
    if (isHeldOut(problem.key) === (split === 'held-out')) return problem;
  }
  throw new TaskError(
    task.name,
    `none of ${maxDraws} problems of difficulty ${difficulty} is for ${split}`,
    'let the generator make more different problems: their keys are too few',
  );
}

/** A problem that is not held out: what may be seen before any evaluation. */
export function trainingProblem<P extends Problem>(task: Task<P>, random: Random, difficulty: number): P {
  for (let draw = 0; draw < maxDraws; draw++) {
    const problem = task.problem(random, difficulty);
    if (!isHeldOut(problem.key)) return problem;
  }
  throw new TaskError(task.name, `all of ${maxDraws} problems are held out`, 'let the generator make more of them');
}

export interface ProblemPlace {
  readonly seed: number;
  readonly index: number;
  /** @default the task's usual one */
  readonly difficulty?: number;
  readonly split: Split;
}

function checkProblem(name: string, problem: Problem): void {
  for (const field of ['prompt', 'key'] as const)
    if (typeof problem?.[field] !== 'string' || problem[field] === '')
      throw new TaskError(
        name,
        `problem.${field} is ${JSON.stringify(problem?.[field])}`,
        'return { prompt, key } with texts that are not empty',
      );
}

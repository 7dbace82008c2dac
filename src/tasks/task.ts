// A task: a generator of problems with a difficulty, and a grader of final answers.
//
// Contract: all randomness comes from the `random` that is passed in, so that seed and index determine a problem; the
// grader sees the final answer alone, never the reasoning. Problems with the same key are the same problem. The key
// alone decides whether a problem is held out, so no training problem is ever used in an evaluation. Phrasings word a
// problem in several ways (phrasing.ts). A user's task is a file with `export const task: Task = {...}`.
import { Random } from '../math/index.ts';
import { TaskError } from './errors.ts';
import { type Phrasing, phrase } from './phrasing.ts';

export interface Problem {
  /** The question, as text. */
  readonly prompt: string;
  /** Identifies the problem: same key, same problem. */
  readonly key: string;
}

export interface Verdict {
  readonly correct: boolean;
  /** One sentence: what is wrong, or what was found. */
  readonly reason: string;
}

export interface Task<P extends Problem = Problem> {
  readonly name: string;
  /** One sentence; the app shows it. */
  readonly description: string;
  /** The range of difficulties, whole numbers, and the one that is used where none is given. */
  readonly difficulty: { readonly from: number; readonly to: number; readonly default: number };
  problem(random: Random, difficulty: number): P;
  /** Judges the text between the answer tags, unchanged. */
  grade(problem: P, answer: string): Verdict;
  /** Returns an answer that the grader accepts. */
  solution?(problem: P): string;
  /** The prompt, then other ways to ask the same; at least twelve. Every third one is held out (phrasing.ts). */
  phrasings?(problem: P): readonly string[];
  /** The lines of a worked example, from the problem to the solution: short steps, all of them true. */
  steps?(problem: P): readonly string[];
}

/** The fields by which a task describes itself. */
export type TaskFacts = Pick<Task, 'name' | 'description' | 'difficulty'>;

export type Split = 'train' | 'held-out';

/** One key in 8 is held out. */
const heldOutShare = 1 / 8;
/** The number of draws in search of a problem of the split. */
const maxDraws = 1000;

/**
 * Returns 32 bits of a key: Small Fast Counter 32 (sfc32 of PractRand), stirred after each character. This hash never
 * changes, because models were trained on one side of the split that it makes.
 */
function hashKey(key: string): number {
  let [a, b, c, counter, sum] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 1, 0];
  const stir = () => {
    sum = (a + b + counter) | 0;
    [a, b, c, counter] = [b ^ (b >>> 9), (c + (c << 3)) | 0, (((c << 21) | (c >>> 11)) + sum) | 0, (counter + 1) | 0];
  };
  for (const character of key) {
    a ^= character.codePointAt(0) as number;
    for (let round = 0; round < 12; round++) stir();
  }
  stir();
  return sum >>> 0;
}

/** Returns whether problems with this key are kept for evaluation. */
export function isHeldOut(key: string): boolean {
  return hashKey(key) / 2 ** 32 < heldOutShare;
}

/** Draws a problem of a split. Throws TaskError where the task makes none. */
export function drawProblem<P extends Problem>(task: Task<P>, random: Random, difficulty: number, split: Split): P {
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

/** Names the stream of random numbers that words a problem: the problem is the same in all phrasings. */
const phrasingStream = 72;

/** Returns problem `index` of a seed and a split. Throws TaskError where the task makes none. */
export function problemAt<P extends Problem>(
  task: Task<P>,
  { seed, index, difficulty = task.difficulty.default, split, phrasing = 'canonical' }: ProblemPlace,
): P {
  const { from, to } = task.difficulty;
  if (!Number.isInteger(difficulty) || difficulty < from || difficulty > to)
    throw new TaskError(task.name, `difficulty ${difficulty}`, `choose a whole number from ${from} to ${to}`);
  const problem = drawProblem(task, new Random(seed, index, difficulty), difficulty, split);
  if (phrasing === 'canonical') return problem;
  return { ...problem, prompt: phrase(task, problem, new Random(seed, index, difficulty, phrasingStream), split) };
}

/** A problem as an author works it. */
export interface WorkedProblem {
  readonly problem: Problem;
  /** The lines from the problem to the answer. */
  readonly steps: readonly string[];
  /** What the grader accepts. */
  readonly answer: string;
}

export interface ProblemPlace {
  readonly seed: number;
  readonly index: number;
  /** @default the task's default */
  readonly difficulty?: number;
  readonly split: Split;
  /** @default 'canonical' */
  readonly phrasing?: Phrasing;
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

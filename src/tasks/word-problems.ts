// Word problems from a JSON Lines file in the form of GSM8K: {"question": ..., "answer": "... #### 72"}.
//
// The number after the last #### is the truth, compared exactly (number.ts). The lines before it serve worked
// examples only (corpus/worked-examples). Contract: the whole file is read and checked when the task is made; an error
// names file and line. Questions that differ only in white space and case share a key. Source: Cobbe et al. 2021,
// github.com/openai/grade-school-math.
import { readFileSync } from 'node:fs';
import { TaskError } from './errors.ts';
import { gradeNumber, readNumber } from './number.ts';
import type { Problem, Task } from './task.ts';

export interface WordProblem extends Problem {
  /** The text after #### in the file. */
  readonly truth: string;
  /** The lines before it. */
  readonly working: readonly string[];
}

function readLine(path: string, line: string, row: number): WordProblem {
  const wrong = (problem: string) =>
    new TaskError(`${path}, line ${row}`, problem, 'write {"question": "...", "answer": "... #### 72"} on one line');
  let entry: { question?: unknown; answer?: unknown } | null;
  try {
    entry = JSON.parse(line);
  } catch {
    throw wrong('this is not JSON');
  }
  const { question, answer } = entry ?? {};
  if (typeof question !== 'string' || question.trim() === '') throw wrong('there is no question');
  if (typeof answer !== 'string') throw wrong('there is no answer');
  const mark = answer.lastIndexOf('####');
  const truth = answer.slice(mark + 4).trim();
  if (mark < 0 || readNumber(truth) === null) throw wrong('the answer does not end with #### and a number');
  const lines = answer.slice(0, mark).split('\n');
  const working = lines.map((each) => each.trim()).filter((each) => each !== '');
  return { prompt: question.trim(), key: question.trim().replace(/\s+/g, ' ').toLowerCase(), truth, working };
}

function readProblems(path: string): WordProblem[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new TaskError(path, `cannot be read (${(error as Error).message})`, 'name a file of word problems');
  }
  const lines = text.split('\n').map((line, i) => [line.trim(), i + 1] as const);
  const problems = lines.filter(([line]) => line !== '').map(([line, row]) => readLine(path, line, row));
  if (problems.length === 0) throw new TaskError(path, 'there is no problem in it', 'name a file of word problems');
  return problems;
}

/** Returns the task whose problems are the lines of a file. Throws TaskError. */
export function wordProblems(path: string): Task<WordProblem> {
  const problems = readProblems(path);
  return {
    name: 'word-problems',
    description: 'Solve a word problem; the answer is a number.',
    difficulty: { from: 1, to: 1, default: 1 },
    problem: (random) => random.pick(problems),
    grade: ({ truth }, answer) => gradeNumber(truth, answer),
    solution: ({ truth }) => truth,
  };
}

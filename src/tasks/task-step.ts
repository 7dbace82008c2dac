// One step of a task: make a problem, grade an answer, give a solution. A step never throws: what goes wrong comes back
// as a fault in words. The same code runs in this thread for bundled tasks and in a worker thread for a user's.

import { TaskError } from './errors.ts';
import { describeValue } from './load-task.ts';
import { type Problem, type ProblemPlace, problemAt, type Task, type Verdict } from './task.ts';

/** A step for each of several inputs. */
export type StepRequest =
  | { readonly step: 'problem'; readonly inputs: readonly ProblemPlace[] }
  | { readonly step: 'grade'; readonly inputs: readonly Submission[] }
  | { readonly step: 'solution'; readonly inputs: readonly Problem[] };

/** A problem and an answer to it. */
export interface Submission {
  readonly problem: Problem;
  /** The text between the answer tags, unchanged. */
  readonly answer: string;
}

/** The result of a step. */
export type StepOutcome = { readonly value: unknown } | Fault;

export interface Fault {
  readonly fault: string;
  /** What the author of the task can do; null where the fault says it all. */
  readonly remedy: string | null;
}

/** Runs the steps of a task, in this thread or in another. */
export interface StepRunner {
  /** Returns an outcome for each input. */
  run(request: StepRequest): Promise<StepOutcome[]>;
  close(): Promise<void>;
}

const maxReasonLength = 500;

export function runStep(task: Task, request: StepRequest, index: number): StepOutcome {
  try {
    return { value: computeStep(task, request, index) };
  } catch (error) {
    if (error instanceof TaskError) return { fault: error.problem, remedy: error.remedy };
    const thrown = error instanceof Error ? `"${error.message.slice(0, maxReasonLength)}"` : describeValue(error);
    return { fault: `it threw ${thrown}`, remedy: null };
  }
}

function computeStep(task: Task, { step, inputs }: StepRequest, index: number): unknown {
  if (step === 'problem') return checkPlain(task, problemAt(task, inputs[index]));
  if (step === 'solution') return solve(task, inputs[index]);
  const { problem, answer } = inputs[index];
  return checkVerdict(task, task.grade(problem, answer));
}

/** Problems go from thread to thread and into files, so they are plain objects. */
function checkPlain(task: Task, problem: Problem): Problem {
  const parent = Object.getPrototypeOf(problem);
  if (parent === Object.prototype || parent === null) return problem;
  throw new TaskError(task.name, `its problem is a ${parent.constructor?.name}`, 'return a plain object');
}

function solve(task: Task, problem: Problem): string | null {
  const solution = task.solution?.(problem) ?? null;
  if (solution === null || typeof solution === 'string') return solution;
  throw new TaskError(task.name, `its solution is ${describeValue(solution)}`, 'return the answer as a text');
}

function checkVerdict(task: Task, value: unknown): Verdict {
  const { correct, reason } = (value ?? {}) as Partial<Verdict>;
  if (typeof correct === 'boolean' && typeof reason === 'string')
    return { correct, reason: reason.slice(0, maxReasonLength) };
  const isPromise = value instanceof Promise;
  throw new TaskError(
    task.name,
    `it returned ${isPromise ? 'a Promise' : describeValue(value)}, which is no verdict`,
    `return { correct: true or false, reason: '...' }${isPromise ? ' at once' : ''}`,
  );
}

// One step of a task that may be anybody's: make a problem, grade an answer, tell a solution. It never throws: what goes
// wrong comes back as a fault in words. The same code runs in process for our own tasks and in a thread for a user's.
import { shown } from './check-task.ts';
import { TaskError } from './errors.ts';
import { type Problem, type ProblemPlace, problemAt, type Task, type Verdict } from './task.ts';

/** What a task says about itself. */
export type TaskFacts = Pick<Task, 'name' | 'description' | 'difficulty'>;

/** What is asked of a task, and what it is asked about. */
export type Request =
  | { readonly step: 'problem'; readonly inputs: readonly ProblemPlace[] }
  | { readonly step: 'grade'; readonly inputs: readonly Item[] }
  | { readonly step: 'solution'; readonly inputs: readonly Problem[] };

/** An answer to a problem. */
export interface Item {
  readonly problem: Problem;
  /** What stands between the answer tags, as it was written. */
  readonly answer: string;
}

/** What came of a step. */
export type Outcome = { readonly value: unknown } | Fault;

export interface Fault {
  readonly fault: string;
  /** What the author of the task may do; null where nobody knows better than the fault says. */
  readonly remedy: string | null;
}

/** Where a task's steps are run. */
export interface Runner {
  /** An outcome for each input, in their order. */
  run(request: Request): Promise<Outcome[]>;
  close(): Promise<void>;
}

const longestReason = 500;

export function outcomeOf(task: Task, request: Request, index: number): Outcome {
  try {
    return { value: made(task, request, index) };
  } catch (error) {
    if (error instanceof TaskError) return { fault: error.problem, remedy: error.remedy };
    return { fault: `it threw ${error instanceof Error ? `"${error.message}"` : shown(error)}`, remedy: null };
  }
}

function made(task: Task, { step, inputs }: Request, index: number): unknown {
  if (step === 'problem') return plain(task, problemAt(task, inputs[index]));
  if (step === 'solution') return solved(task, inputs[index]);
  const { problem, answer } = inputs[index];
  return verdict(task, task.grade(problem, answer));
}

/** Problems go from thread to thread and into files: objects without a class. */
function plain(task: Task, problem: Problem): Problem {
  const parent = Object.getPrototypeOf(problem);
  if (parent === Object.prototype || parent === null) return problem;
  throw new TaskError(task.name, `its problem is a ${parent.constructor?.name}`, 'return a plain object');
}

function solved(task: Task, problem: Problem): string | null {
  const solution = task.solution?.(problem) ?? null;
  if (solution === null || typeof solution === 'string') return solution;
  throw new TaskError(task.name, `its solution is ${shown(solution)}`, 'return the answer as a text');
}

function verdict(task: Task, value: unknown): Verdict {
  const { correct, reason } = (value ?? {}) as Partial<Verdict>;
  if (typeof correct === 'boolean' && typeof reason === 'string')
    return { correct, reason: reason.slice(0, longestReason) };
  const isPromise = value instanceof Promise;
  throw new TaskError(
    task.name,
    `it returned ${isPromise ? 'a Promise' : shown(value)}, which is no verdict`,
    `return { correct: true or false, reason: '...' }${isPromise ? ' at once' : ''}`,
  );
}

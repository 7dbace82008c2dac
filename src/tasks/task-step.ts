// One step of a task: make a problem, grade an answer, give a solution, a worked example, the phrasings. A step never
// throws: what goes wrong comes back as a fault in words. The same code runs in this thread for bundled tasks and in a
// worker thread for a user's.

import { TaskError } from './errors.ts';
import { describeValue } from './load-task.ts';
import { type Problem, type ProblemPlace, problemAt, type Task, type Verdict, type WorkedProblem } from './task.ts';

/** A step for each of several inputs. */
export type StepRequest =
  | { readonly step: 'problem'; readonly inputs: readonly ProblemPlace[] }
  | { readonly step: 'grade'; readonly inputs: readonly Submission[] }
  | { readonly step: 'solution'; readonly inputs: readonly Problem[] }
  | { readonly step: 'phrasings'; readonly inputs: readonly Problem[] }
  | { readonly step: 'example'; readonly inputs: readonly ProblemPlace[] };

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
  if (step === 'phrasings') return listPhrasings(task, inputs[index]);
  if (step === 'example') return workExample(task, inputs[index]);
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

function listPhrasings(task: Task, problem: Problem): readonly string[] | null {
  const phrasings = task.phrasings?.(problem) ?? null;
  if (phrasings === null || isTextList(phrasings)) return phrasings;
  throw new TaskError(task.name, `its phrasings are ${describeValue(phrasings)}`, 'return a list of texts');
}

const isTextList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length > 0 && value.every((text) => typeof text === 'string' && text.trim() !== '');

/** A line of a worked example that would end its thinking, or that is two lines. */
const tagOrBreak = /<\/?[a-z]\w*>|[\r\n]/i;

/** Works a problem as the author of the task does, and has its grader check the answer. Throws TaskError. */
function workExample(task: Task, place: ProblemPlace): WorkedProblem {
  const missing = task.steps === undefined ? 'steps' : task.solution === undefined ? 'solution' : null;
  if (missing !== null)
    throw new TaskError(
      task.name,
      `it has no ${missing}(), so there are no worked examples of it`,
      'write: steps(problem) { return [line, ...] } and solution(problem) { return answer }',
    );
  const problem = checkPlain(task, problemAt(task, { ...place, phrasing: 'canonical' }));
  const steps = task.steps?.(problem);
  if (!isTextList(steps))
    throw new TaskError(
      task.name,
      `its steps are ${describeValue(steps)}`,
      'return a list of lines, none of them empty',
    );
  const tagged = steps.find((line) => tagOrBreak.test(line));
  if (tagged !== undefined)
    throw new TaskError(
      task.name,
      `the step ${describeValue(tagged)} has a tag or a line break`,
      'return each line by itself; the documents put tags around them',
    );
  const answer = solve(task, problem) ?? '';
  const { correct, reason } = checkVerdict(task, task.grade(problem, answer));
  if (!correct)
    throw new TaskError(
      task.name,
      `its grader refuses its own solution "${answer}" of "${problem.prompt}" (${reason})`,
      'correct grade() or solution()',
    );
  const { prompt } = place.phrasing === 'varied' ? problemAt(task, place) : problem;
  return { problem: { ...problem, prompt }, steps, answer };
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

// An opened task: problems, verdicts and solutions in batches, whoever wrote it.
//
// Bundled tasks run in this thread, but for those that run programs. They and a user's task run in a thread of their
// own with a time limit for each item: a grader that throws, loops, exits or returns no verdict costs that item alone,
// which comes back with `correct: false` and a fault in words. A generator that does so ends the call with a TaskError,
// because there is no problem to ask.
import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TaskError } from './errors.ts';
import { bundledFacts, bundledTasks, threadFiles } from './families/index.ts';
import { type ParsedResponse, readResponse } from './response.ts';
import type { Problem, ProblemPlace, Task, TaskFacts, Verdict, WorkedProblem } from './task.ts';
import { runStep, type StepOutcome, type StepRequest, type StepRunner, type Submission } from './task-step.ts';
import { TaskThread } from './task-thread.ts';
import { wordProblems } from './word-problems.ts';

/** A verdict, and what went wrong in the grader if it gave none. */
export interface Graded extends Verdict {
  readonly fault: string | null;
}

/** An opened task. */
export class Grading implements TaskFacts {
  readonly name: string;
  readonly description: string;
  readonly difficulty: Task['difficulty'];
  /** Finds the answer in a response. */
  readonly read: (text: string) => ParsedResponse;
  readonly #runner: StepRunner;

  constructor({ name, description, difficulty }: TaskFacts, runner: StepRunner, read = readResponse) {
    this.read = read;
    this.name = name;
    this.description = description;
    this.difficulty = difficulty;
    this.#runner = runner;
  }

  /** Returns the problem of each place. Throws TaskError where the generator fails. */
  async problems(places: readonly ProblemPlace[]): Promise<Problem[]> {
    return this.#runAt('problem', places, 'correct the generator');
  }

  /**
   * Returns the problem of each place with the steps to its answer, which the grader accepted. Throws TaskError where
   * the task has no steps, or where they fail.
   */
  async examples(places: readonly ProblemPlace[]): Promise<WorkedProblem[]> {
    return this.#runAt('example', places, 'correct steps()');
  }

  async #runAt<Result>(
    step: 'problem' | 'example',
    places: readonly ProblemPlace[],
    usualRemedy: string,
  ): Promise<Result[]> {
    const outcomes = await this.#runner.run({ step, inputs: places });
    return outcomes.map((outcome, i) => {
      if ('value' in outcome) return outcome.value as Result;
      const { seed, index, split } = places[i];
      const place = `${step} ${index} of seed ${seed}, ${split}`;
      throw new TaskError(this.name, `${place}: ${outcome.fault}`, outcome.remedy ?? usualRemedy);
    });
  }

  /** Returns a verdict on each answer. Answers to one problem should share its object: then it is sent only once. */
  async grade(items: readonly Submission[]): Promise<Graded[]> {
    const outcomes = await this.#runner.run({ step: 'grade', inputs: items });
    return outcomes.map((outcome) => {
      if ('value' in outcome) return { ...(outcome.value as Verdict), fault: null };
      return { correct: false, reason: 'the grader gave no verdict', fault: outcome.fault };
    });
  }

  /** Returns an answer that the grader accepts for each problem, null where the task knows none. */
  async solutions(problems: readonly Problem[]): Promise<(string | null)[]> {
    return this.#runOn('solution', problems);
  }

  /** Returns all phrasings of each problem, null where the task has none. */
  async phrasings(problems: readonly Problem[]): Promise<(readonly string[] | null)[]> {
    return this.#runOn('phrasings', problems);
  }

  async #runOn<Result>(step: 'solution' | 'phrasings', problems: readonly Problem[]): Promise<Result[]> {
    const outcomes = await this.#runner.run({ step, inputs: problems });
    return outcomes.map((outcome) => {
      if ('value' in outcome) return outcome.value as Result;
      throw new TaskError(this.name, `${step}: ${outcome.fault}`, outcome.remedy ?? `correct ${step}()`);
    });
  }

  /** Ends the task's thread. */
  close(): Promise<void> {
    return this.#runner.close();
  }
}

class InProcess implements StepRunner {
  readonly #task: Task;

  constructor(task: Task) {
    this.#task = task;
  }

  async run(request: StepRequest): Promise<StepOutcome[]> {
    return request.inputs.map((_, index) => runStep(this.#task, request, index));
  }

  async close(): Promise<void> {}
}

export interface GradingOptions {
  /** Time limit for one problem or one answer of a user's task. @default 1000 */
  readonly limitMs?: number;
}

/** Opens a bundled task by name, a user's task by its file (.ts, .js, .mjs), word problems by theirs (.jsonl). */
export async function openTask(nameOrPath: string, { limitMs = 1000 }: GradingOptions = {}): Promise<Grading> {
  const task = extname(nameOrPath) === '.jsonl' ? wordProblems(nameOrPath) : bundledTasks.get(nameOrPath);
  if (task !== undefined) return new Grading(task, new InProcess(task));
  const file = threadFiles.get(nameOrPath);
  if (file !== undefined) {
    const url = new URL(import.meta.url.replace(/grading(\.[jt]s)$/, `${file}$1`));
    const thread = new TaskThread(fileURLToPath(url), limitMs);
    return new Grading(await thread.load(), thread);
  }
  if (!existsSync(nameOrPath)) {
    const names = [...bundledFacts.keys()].join(', ');
    throw new TaskError(nameOrPath, 'no such task or file', `bundled tasks are ${names}; or name a file of your own`);
  }
  const thread = new TaskThread(nameOrPath, limitMs);
  const grading = new Grading(await thread.load(), thread);
  try {
    await checkSolutions(grading);
  } catch (error) {
    await grading.close();
    throw error;
  }
  return grading;
}

/** Tries one problem of each split with its solution, before a run builds on the task. */
async function checkSolutions(grading: Grading): Promise<void> {
  const place = { seed: 0, index: 0 };
  const problems = await grading.problems([
    { ...place, split: 'train' },
    { ...place, split: 'held-out' },
  ]);
  const solutions = await grading.solutions(problems);
  const items = problems.flatMap((problem, i) => {
    const answer = solutions[i];
    return answer === null ? [] : [{ problem, answer }];
  });
  const verdicts = await grading.grade(items);
  const refused = verdicts.findIndex(({ correct }) => !correct);
  if (refused < 0) return;
  const { fault, reason } = verdicts[refused];
  const { problem, answer } = items[refused] as Submission;
  throw new TaskError(
    grading.name,
    `the grader refuses the task's own solution "${answer}" of "${problem.prompt}" (${fault ?? reason})`,
    'correct grade() or solution()',
  );
}

// An evaluation as in the R1 report (section 3): pass@1 over k samples, cons@k, on held-out problems, with intervals.
import { hash32 } from '../corpus/index.ts';
import { type Grading, type TemplateName, toPrompt } from '../tasks/index.ts';
import type { Answerer } from './answerer.ts';
import { consensus, type Estimate, passAt1 } from './evaluation.ts';
import { judge } from './reward.ts';

export interface EvaluateOptions {
  readonly difficulty: number;
  readonly problems: number;
  /** k */
  readonly samples: number;
  /** @default 0.6, as in the report */
  readonly temperature?: number;
  /** @default 0.95 */
  readonly topP?: number;
  readonly maxTokens: number;
  readonly template: TemplateName;
  readonly seed: number;
  /** Requests at once. @default 64 */
  readonly parallel?: number;
  readonly progress?: (answers: number) => void;
}

export interface Evaluated {
  readonly task: string;
  readonly difficulty: number;
  readonly problems: number;
  readonly samples: number;
  readonly passAt1: Estimate;
  /** Majority of the k answers; the same as pass@1 for k = 1. */
  readonly consensus: Estimate;
  /** Share of answers that keep the form. */
  readonly format: number;
  /** Of an answer, mean. */
  readonly tokens: number;
}

/** Runs jobs in order, so many at once. */
async function inParallel<T>(jobs: readonly (() => Promise<T>)[], parallel: number): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < jobs.length; i = next++) results[i] = await jobs[i]();
  };
  await Promise.all(Array.from({ length: Math.min(parallel, jobs.length) }, worker));
  return results;
}

/** Held-out problems 0, 1, ... of a task and seed, each answered k times. */
export async function evaluate(task: Grading, answer: Answerer, options: EvaluateOptions): Promise<Evaluated> {
  const { difficulty, problems: count, samples, temperature = 0.6, topP = 0.95, maxTokens, template, seed } = options;
  const places = Array.from({ length: count }, (_, index) => ({ seed, index, difficulty, split: 'held-out' as const }));
  const problems = await task.problems(places);
  const asked = problems.flatMap((problem, p) => Array.from({ length: samples }, (_, k) => ({ problem, p, k })));
  const answers = await inParallel(
    asked.map(({ problem, p, k }) => async () => {
      const sampling = { temperature, topP, maxTokens, seed: hash32(seed, p, k) };
      const given = await answer(toPrompt(template, problem.prompt), sampling);
      options.progress?.(1);
      return given;
    }),
    options.parallel ?? 64,
  );
  const judged = await judge(
    task,
    answers.map(({ text }, i) => ({ problem: asked[i].problem, text })),
  );
  const perProblem = problems.map((_, p) => judged.slice(p * samples, (p + 1) * samples));
  const mean = (of: (i: number) => number) => answers.reduce((sum, _, i) => sum + of(i), 0) / answers.length;
  return {
    task: task.name,
    difficulty,
    problems: count,
    samples,
    passAt1: passAt1(perProblem.map((each) => each.map(({ isRight }) => isRight))),
    consensus: consensus(perProblem),
    format: mean((i) => (judged[i]?.isWellFormed ? 1 : 0)),
    tokens: mean((i) => answers[i].tokens),
  };
}

// Evaluation as in the R1 report (section 3): pass@1 over k samples and cons@k on held-out problems, with intervals.
//
// Contract: the same source, task and options ask the same questions with the same seeds, so that only the model
// differs.
import { z } from 'zod';
import { deriveSeed, type Estimate, estimateMean, mean, sum } from '../math/index.ts';
import type { ChosenTask } from '../tasks/index.ts';
import type { Answer, Answerer } from './answerer.ts';
import type { CompletionOptions } from './completion-api.ts';
import { consensus, passAt1 } from './estimate.ts';
import { countFaults, type GraderFaults } from './grader-faults.ts';
import { type Judgement, judgeAll } from './judge.ts';
import { type Question, type QuestionSource, readQuestions } from './question.ts';

const count = z.number().int().positive();

/** What a recipe says about its evaluations. */
export const evaluationSchema = z.strictObject({
  /** Held-out problems of each task. */
  problems: count.default(64),
  /** Answers to each problem. */
  samples: count.default(4),
  temperature: z.number().nonnegative().default(0.6),
  topP: z.number().default(0.95),
});

export type EvaluationConfig = z.infer<typeof evaluationSchema>;

export interface SampleOptions {
  /** Answers to each question. */
  readonly samples: number;
  readonly sampling: Omit<CompletionOptions, 'seed'>;
  readonly seed: number;
  /** The number of the first answer to each question: earlier ones were asked for before. @default 0 */
  readonly firstSample?: number;
  /** The numbers of the questions, from which seeds follow. @default 0, 1, ... */
  readonly numbers?: readonly number[];
  /** Requests at once. @default no limit */
  readonly parallel?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after each answer. */
  readonly progress?: (() => void) | undefined;
}

export interface AnsweredQuestion<A extends Answer = Answer> {
  readonly question: Question;
  readonly responses: readonly (A & Judgement)[];
}

/** Runs a job for each item, at most `parallel` at once, and keeps the order of the items. */
async function mapInParallel<T, R>(items: readonly T[], parallel: number, job: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < items.length; i = next++) results[i] = await job(items[i]);
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, worker));
  return results;
}

/** Asks each question `samples` times and judges the answers. */
export async function sampleAnswers<A extends Answer>(
  answer: Answerer<A>,
  questions: readonly Question[],
  options: SampleOptions,
): Promise<AnsweredQuestion<A>[]> {
  const { samples, sampling, seed, firstSample = 0, parallel = Number.POSITIVE_INFINITY, signal, progress } = options;
  const { numbers = [...questions.keys()] } = options;
  const requests = questions.flatMap((question, q) =>
    Array.from({ length: samples }, (_, k) => ({ question, seed: deriveSeed(seed, numbers[q], firstSample + k) })),
  );
  const answers = await mapInParallel(requests, parallel, async (request) => {
    const given = await answer(request.question.prompt, { ...sampling, seed: request.seed }, signal);
    progress?.();
    return given;
  });
  const judgements = await judgeAll(answers.map(({ text }, i) => ({ question: requests[i].question, text })));
  const responses = answers.map((given, i) => ({ ...given, ...judgements[i] }));
  return questions.map((question, q) => ({ question, responses: responses.slice(q * samples, (q + 1) * samples) }));
}

export interface EvaluateOptions extends EvaluationConfig {
  readonly maxTokens: number;
  /** Seed of the answers. @default the seed of the questions */
  readonly seed?: number;
  readonly parallel?: number;
  readonly signal?: AbortSignal;
  readonly progress?: () => void;
}

export interface Evaluation extends GraderFaults {
  readonly task: string;
  readonly difficulty: number;
  readonly problems: number;
  readonly samples: number;
  readonly passAt1: Estimate;
  /** Whether the majority of a problem's answers is correct; the same as pass@1 for one sample. */
  readonly consensus: Estimate;
  /** Share of responses that are well-formed. */
  readonly format: number;
  /** Mean tokens of a response. */
  readonly tokens: number;
  /** Language consistency: the mean share of words in the language of the problem. */
  readonly language: number;
  /** The share of drafted tokens that were accepted; null where none was drafted. */
  readonly draftAcceptance: number | null;
  /** Half of the widths of the 95 % intervals of these means. */
  readonly margins: { readonly format: number; readonly tokens: number; readonly language: number };
}

/** Evaluates an answerer on the held-out problems 0, 1, ... of one task. */
export async function evaluate(
  answer: Answerer,
  source: QuestionSource,
  chosen: ChosenTask,
  { problems, samples, temperature, topP, maxTokens, seed = source.seed, parallel, signal, progress }: EvaluateOptions,
): Promise<Evaluation> {
  const questions = await readQuestions(source, chosen, [...Array(problems).keys()], 'held-out');
  const sampling = { temperature, topP, maxTokens };
  const answered = await sampleAnswers(answer, questions, { samples, sampling, seed, parallel, signal, progress });
  /** Estimates a mean over responses; those to one problem are no independent measurements. */
  const estimate = (value: (response: Answer & Judgement) => number) =>
    estimateMean(answered.map((each) => mean(each.responses.map(value))));
  const format = estimate(({ isWellFormed }) => (isWellFormed ? 1 : 0));
  const tokens = estimate((response) => response.tokens);
  const language = estimate((response) => response.language);
  const drafts = answered.flatMap(({ responses }) => responses.flatMap((response) => response.drafts ?? []));
  const drafted = sum(drafts.map((each) => each.drafted));
  return {
    task: chosen.task.name,
    difficulty: chosen.difficulty,
    problems,
    samples,
    passAt1: passAt1(answered.map((each) => each.responses.map(({ isCorrect }) => isCorrect))),
    consensus: consensus(answered.map((each) => each.responses)),
    format: format.mean,
    tokens: tokens.mean,
    language: language.mean,
    draftAcceptance: drafted > 0 ? sum(drafts.map(({ accepted }) => accepted)) / drafted : null,
    margins: { format: format.margin, tokens: tokens.margin, language: language.margin },
    ...countFaults(answered),
  };
}

/** An evaluation as the event that a run logs. */
export function evaluationEvent({
  passAt1,
  consensus: _,
  graded: __,
  fault: ___,
  margins: ____,
  draftAcceptance: _____,
  ...fields
}: Evaluation) {
  return { ...fields, passAt1: passAt1.mean, margin: passAt1.margin };
}

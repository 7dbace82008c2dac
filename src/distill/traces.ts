// Traces: responses of a teacher, thinking included, that a grader found correct.
//
// Contract: many problems are asked at once and written in their order, so that the traces are a function of recipe
// and teacher, whenever the collection was stopped or killed. A trace is a line of traces.jsonl, an answered problem
// one of asked.jsonl, once all problems before it are answered; a second call asks only the others. Kept are correct,
// well-formed responses, no text twice, at most `perProblem` of a problem. Problems are of the train side of the split.
// A problem whose requests keep failing is reported and skipped; several in a row, too many graders that fail, or a
// teacher that is hardly ever right end the collection with what is on disk.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import {
  type Answer,
  countFaults,
  describeFault,
  expectVerdicts,
  type GraderFaults,
  isSkippable,
  type Judgement,
  judge,
  type Question,
  sumFaults,
} from '../eval/index.ts';
import { deriveSeed, formatPercent, sum } from '../math/index.ts';
import { type ChosenTask, closeTasks, drawTask, openTasks, type Problem, toPrompt } from '../tasks/index.ts';
import { cutPartialLine, readJsonLines, TrainError } from '../train/index.ts';
import type { CollectionConfig } from './distill-recipe.ts';
import type { Teacher } from './teacher.ts';

export const traceFiles = { traces: 'traces.jsonl', asked: 'asked.jsonl' } as const;

const traceSchema = z.object({
  /** The text before the problem, the problem, the text after it. */
  prompt: z.tuple([z.string(), z.string(), z.string()]),
  response: z.string(),
  task: z.string(),
  key: z.string(),
  teacher: z.string(),
});

export type Trace = z.infer<typeof traceSchema>;

const answeredSchema = z.object({
  index: z.number(),
  kept: z.number(),
  /** The tokens of all responses. */
  tokens: z.number().default(0),
  /** The tokens of their prompts, where an API counts them. */
  promptTokens: z.number().default(0),
  responses: z.number().default(0),
  /** Those that ended, are correct and well-formed, whether they were kept or not. */
  accepted: z.number().default(0),
});

export interface CollectProgress {
  /** Traces kept, and to keep. */
  readonly done: number;
  readonly total: number;
  /** Problems answered. */
  readonly problems: number;
  /** Responses of this call that were not kept. */
  readonly rejected: number;
  /** Those of them whose grader failed. */
  readonly faults: number;
}

export interface CollectOptions {
  readonly progress?: (progress: CollectProgress) => void;
  /** Receives each problem that was skipped, and the first graders that failed. */
  readonly fault?: (cause: 'teacher' | 'grader', message: string) => void;
  readonly signal?: AbortSignal;
}

/** Failing problems in a row after which the teacher counts as gone. */
const maxFailures = 8;
/** Answers from which on a collection ends early if too many of their graders fail. */
const minGraded = 20;
/** Responses from which on a collection ends early if too few of them are accepted. */
const minResponses = 256;
/** Faults of graders that are reported one by one. */
const maxReportedFaults = 5;
/** The number of problems, for each that is asked at once, that may wait for one before them. */
const maxAhead = 4;

interface JudgedProblem {
  readonly question: Question;
  readonly responses: readonly (Answer & Judgement)[];
}

/** Whether a response is one to learn from. */
const isAccepted = ({ isEnded, isCorrect, isWellFormed }: JudgedProblem['responses'][number]) =>
  isEnded && isCorrect && isWellFormed;

/** What came of a problem: judged responses, or why there are none. */
type Reply = JudgedProblem | { readonly error: Error } | 'answered before';

/** Reads the traces of a folder; none where it has no file. */
export const readTraces = (folder: string) => readJsonLines(join(folder, traceFiles.traces), traceSchema, 'trace');

/** Reads the problems of a folder that were answered. */
export const readAnswered = (folder: string) =>
  readJsonLines(join(folder, traceFiles.asked), answeredSchema, 'answered problem');

class Collector {
  readonly #folder: string;
  readonly #config: CollectionConfig;
  readonly #teacher: Teacher;
  readonly #tasks: readonly ChosenTask[];
  readonly #options: CollectOptions;
  readonly #seen: Set<string>;
  readonly #countByProblem = new Map<string, number>();
  readonly #answered: Set<number>;
  /** Responses of all sessions, and those that were accepted. */
  #responses = 0;
  #accepted = 0;
  /** Replies that wait for one of a problem before them. */
  readonly #replies = new Map<number, Reply>();
  /** The problem whose reply is written next. */
  #due = 0;
  /** Wakes those that wait for it to move on. */
  #waiting: (() => void)[] = [];
  #kept = 0;
  #rejected = 0;
  #failures = 0;
  #next = 0;
  #faults: GraderFaults = { graded: 0, faults: 0, fault: null };

  constructor(
    folder: string,
    config: CollectionConfig,
    teacher: Teacher,
    tasks: ChosenTask[],
    options: CollectOptions,
  ) {
    this.#folder = folder;
    this.#config = config;
    this.#teacher = teacher;
    this.#tasks = tasks;
    this.#options = options;
    for (const file of Object.values(traceFiles)) cutPartialLine(join(folder, file));
    const traces = readTraces(folder);
    this.#seen = new Set(traces.map(({ prompt, response }) => prompt.join('') + response));
    for (const { task, key } of traces) this.#count(`${task} ${key}`);
    const answered = readAnswered(folder);
    this.#answered = new Set(answered.map(({ index }) => index));
    for (const { responses, accepted } of answered) this.#countAccepted(responses, accepted);
  }

  async run(): Promise<CollectProgress> {
    const { wanted, parallel, problems = 8 * wanted } = this.#config.traces;
    const ending = new AbortController();
    const { signal: stopped } = this.#options;
    const signal = stopped ? AbortSignal.any([stopped, ending.signal]) : ending.signal;
    signal.addEventListener('abort', () => this.#wake());
    const worker = async () => {
      while (this.#kept < wanted && this.#next < problems && !signal.aborted) {
        const index = this.#next++;
        while (index >= this.#due + maxAhead * parallel && !signal.aborted)
          await new Promise<void>((wake) => this.#waiting.push(wake));
        if (!signal.aborted) await this.#ask(index, signal);
      }
      if (this.#kept >= wanted) ending.abort(); // open requests are not needed any more
    };
    const workers = Array.from({ length: parallel }, () =>
      worker().catch((error: unknown) => {
        if (signal.aborted) return;
        ending.abort();
        throw error;
      }),
    );
    const ends = await Promise.allSettled(workers);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    expectVerdicts(this.#faults);
    return this.#progress;
  }

  get #progress(): CollectProgress {
    const total = this.#config.traces.wanted;
    const { faults } = this.#faults;
    return { done: this.#kept, total, problems: this.#answered.size, rejected: this.#rejected, faults };
  }

  #count(problem: string): void {
    this.#countByProblem.set(problem, (this.#countByProblem.get(problem) ?? 0) + 1);
    this.#kept++;
  }

  /** Asks a problem, judges the responses, and writes all replies that are due. */
  async #ask(index: number, signal: AbortSignal): Promise<void> {
    const reply = this.#answered.has(index) ? 'answered before' : await this.#reply(index, signal);
    if (reply === null) return;
    this.#replies.set(index, reply);
    for (let due = this.#takeDue(); due !== null; due = this.#takeDue()) {
      this.#write(this.#due++, due);
      this.#wake();
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Returns the reply that is written next; null where it is not there yet, or where enough traces are kept. */
  #takeDue(): Reply | null {
    const reply = this.#replies.get(this.#due);
    this.#replies.delete(this.#due);
    return this.#kept < this.#config.traces.wanted ? (reply ?? null) : null;
  }

  /** Returns null where the signal aborts. */
  async #reply(index: number, signal: AbortSignal): Promise<Reply | null> {
    const { seed, template, traces } = this.#config;
    const { samples, temperature, topP, maxTokens } = traces;
    const { task, difficulty } = drawTask(this.#tasks, seed, index);
    const [problem] = (await task.problems([{ seed, index, difficulty, split: 'train' }])) as [Problem];
    const question = { task, difficulty, problem, prompt: toPrompt(template, problem.prompt) };
    const requests = Array.from({ length: samples }, (_, g) =>
      this.#teacher.answer(question.prompt, { temperature, topP, maxTokens, seed: deriveSeed(seed, index, g) }, signal),
    );
    const answers = await Promise.allSettled(requests);
    if (signal.aborted) return null;
    const errors = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as Error] : []));
    const error = errors.find((each) => !isSkippable(each)) ?? errors[0];
    if (error !== undefined && !isSkippable(error)) throw error;
    if (error !== undefined) return { error };
    const given = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    const judgements = await judge(
      task,
      given.map(({ text }) => ({ problem, text })),
    );
    return { question, responses: given.map((answer, i) => ({ ...answer, ...judgements[i] })) };
  }

  #write(index: number, reply: Reply): void {
    if (reply === 'answered before') return;
    if ('error' in reply) this.#skip(index, reply.error);
    else {
      this.#failures = 0;
      const kept = this.#keep(reply);
      // A problem whose grader failed is asked again, once the grader is right.
      if (!this.#hasFaults(reply)) {
        this.#answered.add(index);
        const [responses, accepted] = [reply.responses.length, reply.responses.filter(isAccepted).length];
        const tokens = sum(reply.responses.map((response) => response.tokens));
        const promptTokens = sum(reply.responses.map((response) => response.promptTokens ?? 0));
        this.#append(traceFiles.asked, { index, kept, responses, accepted, tokens, promptTokens });
        this.#countAccepted(responses, accepted);
      }
    }
    this.#options.progress?.(this.#progress);
    this.#expectAcceptance();
  }

  #countAccepted(responses: number, accepted: number): void {
    this.#responses += responses;
    this.#accepted += accepted;
  }

  /** Throws TrainError where the teacher is hardly ever right: its few traces would cost without end. */
  #expectAcceptance(): void {
    const { minAcceptance } = this.#config;
    const share = this.#accepted / this.#responses;
    if (this.#responses < minResponses || share >= minAcceptance) return;
    throw new TrainError(
      this.#teacher.name,
      `${formatPercent(share, 1)} of its ${this.#responses} answers are correct and well-formed, ` +
        `at least ${formatPercent(minAcceptance, 1)} must be (minAcceptance)`,
      `train the teacher further, choose an easier level, or lower minAcceptance; ${this.#kept} traces are kept`,
    );
  }

  #skip(index: number, { message }: Error): void {
    this.#options.fault?.('teacher', `problem ${index} is skipped: ${message}`);
    if (++this.#failures < maxFailures) return;
    throw new TrainError(
      this.#teacher.name,
      `${maxFailures} problems in a row could not be asked: ${message}`,
      `check the teacher and resume; ${this.#kept} traces are kept`,
    );
  }

  /** Whether a grader failed. Tells the first of them, and throws where too many did. */
  #hasFaults({ question, responses }: JudgedProblem): boolean {
    const before = this.#faults.faults;
    const own = countFaults([{ question, responses }]);
    this.#faults = sumFaults([this.#faults, own]);
    for (const response of responses.filter(({ isFault }) => isFault).slice(0, Math.max(0, maxReportedFaults - before)))
      this.#options.fault?.('grader', describeFault(question, response));
    if (this.#faults.graded >= minGraded) expectVerdicts(this.#faults);
    return own.faults > 0;
  }

  /** Keeps the answers that ended, are correct and well-formed, and are new. Returns how many. */
  #keep({ question, responses }: JudgedProblem): number {
    const { wanted, perProblem } = this.#config.traces;
    const { task, problem, prompt } = question;
    const name = `${task.name} ${problem.key}`;
    let kept = 0;
    for (const given of responses) {
      const response = given.text.trimEnd();
      const isFull = this.#kept >= wanted || (this.#countByProblem.get(name) ?? 0) >= perProblem;
      if (isFull || !isAccepted(given) || this.#seen.has(prompt.join('') + response)) continue;
      this.#seen.add(prompt.join('') + response);
      const { key } = problem;
      this.#append(traceFiles.traces, {
        prompt: [...prompt],
        response,
        task: task.name,
        key,
        teacher: this.#teacher.name,
      } satisfies Trace);
      this.#count(name);
      kept++;
    }
    this.#rejected += responses.length - kept;
    return kept;
  }

  #append(file: string, line: unknown): void {
    appendFileSync(join(this.#folder, file), `${JSON.stringify(line)}\n`);
  }
}

/** Collects traces into a folder until there are as many as wanted, the problems are used up or the signal aborts. */
export async function collectTraces(
  folder: string,
  config: CollectionConfig,
  teacher: Teacher,
  options: CollectOptions = {},
): Promise<CollectProgress> {
  const tasks = await openTasks(config.tasks, config.seed);
  try {
    return await new Collector(folder, config, teacher, tasks, options).run();
  } finally {
    await closeTasks(tasks);
  }
}

// Traces: responses of a teacher, thinking included, that a grader found correct.
//
// Contract: a trace is a line of traces.jsonl as soon as it is judged, and an answered problem is a line of
// asked.jsonl, so that nothing finished is lost and a second call asks only what was not answered. Kept are correct,
// well-formed responses, no text twice, at most `perProblem` of a problem. Problems are of the train side of the split.
// A problem whose requests keep failing is reported and skipped; several in a row end the collection with what is on
// disk.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type Answer, isSkippable, judge } from '../eval/index.ts';
import { deriveSeed } from '../math/index.ts';
import {
  type ChosenTask,
  closeTasks,
  drawTask,
  type Grading,
  openTasks,
  type Problem,
  type PromptParts,
  toPrompt,
} from '../tasks/index.ts';
import { cutPartialLine, readJsonLines, TrainError } from '../train/index.ts';
import type { DistillConfig } from './distill-recipe.ts';
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

const answeredSchema = z.object({ index: z.number(), kept: z.number() });

export interface CollectProgress {
  /** Traces kept, and to keep. */
  readonly done: number;
  readonly total: number;
  /** Problems answered. */
  readonly problems: number;
  /** Responses of this call that were not kept. */
  readonly rejected: number;
}

export interface CollectOptions {
  readonly progress?: (progress: CollectProgress) => void;
  /** Receives each problem that was skipped, and each grader that failed. */
  readonly fault?: (message: string) => void;
  readonly signal?: AbortSignal;
}

/** Failing problems in a row after which the teacher counts as gone. */
const maxFailures = 8;

/** Reads the traces of a folder; none where it has no file. */
export const readTraces = (folder: string) => readJsonLines(join(folder, traceFiles.traces), traceSchema, 'trace');

class Collector {
  readonly #folder: string;
  readonly #config: DistillConfig;
  readonly #teacher: Teacher;
  readonly #tasks: readonly ChosenTask[];
  readonly #options: CollectOptions;
  readonly #seen: Set<string>;
  readonly #countByProblem = new Map<string, number>();
  readonly #answered: Set<number>;
  #kept = 0;
  #rejected = 0;
  #failures = 0;
  #next = 0;

  constructor(folder: string, config: DistillConfig, teacher: Teacher, tasks: ChosenTask[], options: CollectOptions) {
    this.#folder = folder;
    this.#config = config;
    this.#teacher = teacher;
    this.#tasks = tasks;
    this.#options = options;
    for (const file of Object.values(traceFiles)) cutPartialLine(join(folder, file));
    const traces = readTraces(folder);
    this.#seen = new Set(traces.map(({ prompt, response }) => prompt.join('') + response));
    for (const { task, key } of traces) this.#count(`${task} ${key}`);
    this.#answered = new Set(
      readJsonLines(join(folder, traceFiles.asked), answeredSchema, 'answered problem').map(({ index }) => index),
    );
  }

  async run(): Promise<CollectProgress> {
    const { wanted, parallel, problems = 8 * wanted } = this.#config.traces;
    const ending = new AbortController();
    const { signal: stopped } = this.#options;
    const signal = stopped ? AbortSignal.any([stopped, ending.signal]) : ending.signal;
    const worker = async () => {
      while (this.#kept < wanted && this.#next < problems && !signal.aborted) {
        const index = this.#next++;
        if (!this.#answered.has(index)) await this.#ask(index, signal);
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
    return this.#progress;
  }

  get #progress(): CollectProgress {
    const total = this.#config.traces.wanted;
    return { done: this.#kept, total, problems: this.#answered.size, rejected: this.#rejected };
  }

  #count(problem: string): void {
    this.#countByProblem.set(problem, (this.#countByProblem.get(problem) ?? 0) + 1);
    this.#kept++;
  }

  async #ask(index: number, signal: AbortSignal): Promise<void> {
    const { seed, template, traces } = this.#config;
    const { samples, temperature, topP, maxTokens } = traces;
    const { task, difficulty } = drawTask(this.#tasks, seed, index);
    const [problem] = (await task.problems([{ seed, index, difficulty, split: 'train' }])) as [Problem];
    const prompt = toPrompt(template, problem.prompt);
    const requests = Array.from({ length: samples }, (_, g) =>
      this.#teacher.answer(prompt, { temperature, topP, maxTokens, seed: deriveSeed(seed, index, g) }, signal),
    );
    const answers = await Promise.allSettled(requests);
    const texts = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    const errors = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as Error] : []));
    const fatal = errors.find((error) => !isSkippable(error));
    const kept = await this.#keep(task, problem, prompt, texts);
    if (fatal) throw fatal;
    if (signal.aborted) return;
    if (errors.length > 0) this.#skip(index, errors[0]);
    else {
      this.#failures = 0;
      this.#answered.add(index);
      this.#append(traceFiles.asked, { index, kept });
    }
    this.#options.progress?.(this.#progress);
  }

  #skip(index: number, { message }: Error): void {
    this.#options.fault?.(`problem ${index} is skipped: ${message}`);
    if (++this.#failures < maxFailures) return;
    throw new TrainError(
      this.#teacher.name,
      `${maxFailures} problems in a row could not be asked: ${message}`,
      `check the teacher and resume; ${this.#kept} traces are kept`,
    );
  }

  /** Keeps the answers that ended, are correct and well-formed, and are new. Returns how many. */
  async #keep(task: Grading, problem: Problem, prompt: PromptParts, answers: readonly Answer[]): Promise<number> {
    const { wanted, perProblem } = this.#config.traces;
    const texts = answers.flatMap(({ text, isEnded }) => (isEnded ? [text] : []));
    const judgements = await judge(
      task,
      texts.map((text) => ({ problem, text })),
    );
    const name = `${task.name} ${problem.key}`;
    let kept = 0;
    judgements.forEach(({ isCorrect, isWellFormed, isFault, verdict }, i) => {
      const response = texts[i].trimEnd();
      if (isFault) this.#options.fault?.(`${name}: ${verdict}`);
      const isFull = this.#kept >= wanted || (this.#countByProblem.get(name) ?? 0) >= perProblem;
      if (!isCorrect || !isWellFormed || isFull || this.#seen.has(prompt.join('') + response)) return;
      this.#seen.add(prompt.join('') + response);
      const trace: Trace = {
        prompt: [...prompt],
        response,
        task: task.name,
        key: problem.key,
        teacher: this.#teacher.name,
      };
      this.#append(traceFiles.traces, trace);
      this.#count(name);
      kept++;
    });
    this.#rejected += answers.length - kept;
    return kept;
  }

  #append(file: string, line: unknown): void {
    appendFileSync(join(this.#folder, file), `${JSON.stringify(line)}\n`);
  }
}

/** Collects traces into a folder until there are as many as wanted, the problems are used up or the signal aborts. */
export async function collectTraces(
  folder: string,
  config: DistillConfig,
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

// minke examples: worked examples of a task, written by a teacher, for a base to read; and what they cost.
//
// A folder keeps traces and counts (distill/traces.ts): the same command continues a collection that was stopped, and
// another teacher or task is refused. What the grader does not accept is not kept, but is on the bill.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { collectTraces, distillSchema, openTeacher, readAnswered, traceFiles } from '../distill/index.ts';
import { openDevice } from '../kernels/index.ts';
import { formatPercent, sum } from '../math/index.ts';
import type { TemplateName } from '../tasks/index.ts';
import { TrainError } from '../train/index.ts';
import { UsageError } from './exit-codes.ts';
import { Progress } from './progress.ts';
import { parseTask } from './recipe.ts';
import { untilStopped } from './stage-runner.ts';

export interface ExamplesFlags {
  readonly teacher: string;
  readonly model: string;
  readonly to: string;
  readonly count: number;
  readonly samples: number;
  readonly maxTokens: number;
  readonly template: TemplateName;
  readonly minAcceptance: number;
  /** Dollars for a million tokens, read and written: `0.28/0.42`. */
  readonly price?: string;
}

/** Prices of a million tokens. */
export interface Price {
  readonly read: number;
  readonly written: number;
}

/** Reads `0.28/0.42`. Throws UsageError. */
export function parsePrice(text: string): Price {
  const [read, written, ...more] = text.split('/').map(Number);
  if (more.length === 0 && Number.isFinite(read) && Number.isFinite(written) && read >= 0 && written >= 0)
    return { read, written };
  throw new UsageError('--price', `expected two prices, received ${text}`, 'as in --price 0.28/0.42');
}

/** Returns what a folder's collection took, in a sentence. */
export function describeBill(folder: string, price: Price | null): string {
  const answered = readAnswered(folder);
  const total = (field: 'tokens' | 'promptTokens' | 'responses' | 'accepted' | 'kept') =>
    sum(answered.map((each) => each[field]));
  const [read, written] = [total('promptTokens'), total('tokens')];
  const count = (tokens: number) => tokens.toLocaleString('en-US');
  const share = total('responses') === 0 ? 0 : total('accepted') / total('responses');
  const money = price === null ? '' : `, $${((read * price.read + written * price.written) / 1e6).toFixed(4)}`;
  return (
    `${total('kept')} examples kept; ${formatPercent(share, 1)} of ${total('responses')} answers were accepted; ` +
    `${count(read)} tokens read, ${count(written)} written${money}`
  );
}

/** Throws TrainError where a folder holds answers to other questions. */
function expectSameQuestions(folder: string, questions: object): void {
  const path = join(folder, 'examples.json');
  const now = JSON.stringify(questions);
  mkdirSync(folder, { recursive: true });
  if (!existsSync(path)) writeFileSync(path, now);
  else if (readFileSync(path, 'utf8') !== now)
    throw new TrainError(
      folder,
      'holds examples of another task, teacher, or template',
      'name another folder with --to',
    );
}

export async function examplesCommand(taskText: string, flags: ExamplesFlags): Promise<void> {
  const { teacher, model, to: folder, count, samples, maxTokens, template, minAcceptance } = flags;
  const price = flags.price === undefined ? null : parsePrice(flags.price);
  const tasks = [{ ...parseTask(taskText), phrasing: 'varied' }];
  const traces = { wanted: count, samples, maxTokens };
  const recipe = { student: '', teacher, tasks, template, traces, minAcceptance, api: { model } };
  const config = distillSchema.parse(recipe);
  expectSameQuestions(folder, { teacher, model, tasks, template });
  const device = openDevice();
  const progress = new Progress('examples', count);
  try {
    await untilStopped(async (signal) => {
      const opened = await openTeacher(config, device);
      try {
        await collectTraces(folder, config, opened, {
          progress: ({ done }) => progress.reach(done),
          fault: (_, message) => console.error(message),
          signal,
        });
      } finally {
        await opened.close();
      }
    });
  } finally {
    progress.end();
    await device.close();
    console.log(describeBill(folder, price));
  }
  const file = join(folder, traceFiles.traces);
  console.log(`for a base: { workedExamples: 'traces', file: '${file}', count: ${100 * count} }`);
}

// Questions of a run: which problem of which task, put in the template, by number.
//
// Contract: question `n` of a seed is always the same, so that a resumed run asks what it would have asked.
import { encodePrompt } from '../corpus/index.ts';
import {
  type ChosenTask,
  closeTasks,
  drawTask,
  type Grading,
  openTasks,
  type Problem,
  type Split,
  toPrompt,
} from '../tasks/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import { TrainError } from '../train/index.ts';
import type { RlConfig } from './config.ts';

export interface Question {
  readonly task: Grading;
  readonly problem: Problem;
  readonly text: string;
  readonly ids: Int32Array;
}

export interface QuestionSource {
  readonly tasks: readonly ChosenTask[];
  readonly tokenizer: Tokenizer;
  readonly config: Pick<RlConfig, 'seed' | 'template'>;
}

/** Opens the tasks of a run. Throws TaskError, or TrainError where a question and its answer do not fit; then none is open. */
export async function openQuestions(
  config: QuestionSource['config'] & Pick<RlConfig, 'tasks'>,
  tokenizer: Tokenizer,
  longest: number,
): Promise<QuestionSource> {
  const source = { tasks: await openTasks(config.tasks, config.seed), tokenizer, config };
  try {
    for (const chosen of source.tasks)
      for (const question of await questionsOf(source, chosen, [0], 'train')) checkLength(question, longest);
    return source;
  } catch (error) {
    await closeTasks(source.tasks);
    throw error;
  }
}

/** Questions `indices` of one task. */
export async function questionsOf(
  { config, tokenizer }: QuestionSource,
  { task, difficulty }: ChosenTask,
  indices: readonly number[],
  split: Split,
): Promise<Question[]> {
  const problems = await task.problems(indices.map((index) => ({ seed: config.seed, index, difficulty, split })));
  return problems.map((problem) => {
    const parts = toPrompt(config.template, problem.prompt);
    return { task, problem, text: parts.join(''), ids: encodePrompt(tokenizer, parts) };
  });
}

/** Questions `from` to `to` of training, each one's task drawn by the shares; those of a task stand together. */
export async function trainQuestions(source: QuestionSource, from: number, to: number): Promise<Question[]> {
  const { tasks, config } = source;
  const indices = tasks.map((): number[] => []);
  for (let index = from; index < to; index++) indices[tasks.indexOf(drawTask(tasks, config.seed, index))]?.push(index);
  const each = await Promise.all(tasks.map((chosen, t) => questionsOf(source, chosen, indices[t], 'train')));
  return each.flat();
}

function checkLength({ ids, text }: Question, longest: number): void {
  if (ids.length <= longest) return;
  throw new TrainError(
    'question',
    `${ids.length} tokens and an answer do not fit the model: ${JSON.stringify(text.slice(0, 60))}...`,
    'shorten maxTokens or the problems, or take a model with a longer context',
  );
}

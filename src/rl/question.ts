// Questions of a run: which problem of which task, put in the template, by number.
//
// Contract: question `n` of a seed is always the same, so that a resumed run asks what it would have asked.
import { problemAt, Random, type Problem, type Split, type Task } from '../tasks/index.ts';
import { TrainError } from '../train/index.ts';
import type { RlConfig } from './config.ts';
import { promptOf } from './template.ts';

export interface Question {
  readonly task: Task;
  readonly problem: Problem;
  readonly text: string;
  readonly ids: Int32Array;
}

/** A task with its place in the recipe. */
export interface ChosenTask {
  readonly task: Task;
  readonly difficulty: number;
  readonly share: number;
}

export interface QuestionSource {
  readonly tasks: readonly ChosenTask[];
  readonly encode: (text: string) => Int32Array;
  readonly config: Pick<RlConfig, 'seed' | 'template'>;
}

/** Streams of chance of a run, so that none repeats another. */
const choosing = 71;

export function questionOf(source: QuestionSource, chosen: ChosenTask, index: number, split: Split): Question {
  const { config, encode } = source;
  const { task, difficulty } = chosen;
  const problem = problemAt(task, { seed: config.seed, index, difficulty, split });
  const text = promptOf(config.template, problem.prompt);
  return { task, problem, text, ids: encode(text) };
}

/** Question `index` of training, its task drawn by the shares. */
export function trainQuestion(source: QuestionSource, index: number): Question {
  const total = source.tasks.reduce((sum, { share }) => sum + share, 0);
  let point = new Random(source.config.seed, index, choosing).uniform() * total;
  const chosen = source.tasks.find(({ share }) => {
    point -= share;
    return point < 0;
  });
  return questionOf(source, chosen ?? (source.tasks.at(-1) as ChosenTask), index, 'train');
}

export function checkLength({ ids, text }: Question, longest: number): void {
  if (ids.length <= longest) return;
  throw new TrainError(
    'question',
    `${ids.length} tokens and an answer do not fit the model: ${JSON.stringify(text.slice(0, 60))}...`,
    'shorten maxTokens or the problems, or take a model with a longer context',
  );
}

// Questions of a run: which problem of which task, put in the template, by number.
//
// Contract: question `n` of a seed is always the same, so that a resumed run asks what it would have asked.
import { encodePrompt } from '../data/index.ts';
import { type Grading, type Problem, promptOf, Random, type Split } from '../tasks/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import { TrainError } from '../train/index.ts';
import type { RlConfig } from './config.ts';

export interface Question {
  readonly task: Grading;
  readonly problem: Problem;
  readonly text: string;
  readonly ids: Int32Array;
}

/** A task with its place in the recipe. */
export interface ChosenTask {
  readonly task: Grading;
  readonly difficulty: number;
  readonly share: number;
}

export interface QuestionSource {
  readonly tasks: readonly ChosenTask[];
  readonly tokenizer: Tokenizer;
  readonly config: Pick<RlConfig, 'seed' | 'template'>;
}

/** A stream of chance of a run, so that none repeats another. */
const choosing = 71;

/** Questions `indices` of one task. */
export async function questionsOf(
  { config, tokenizer }: QuestionSource,
  { task, difficulty }: ChosenTask,
  indices: readonly number[],
  split: Split,
): Promise<Question[]> {
  const problems = await task.problems(indices.map((index) => ({ seed: config.seed, index, difficulty, split })));
  return problems.map((problem) => {
    const parts = promptOf(config.template, problem.prompt);
    return { task, problem, text: parts.join(''), ids: encodePrompt(tokenizer, parts) };
  });
}

/** Questions `from` to `to` of training, each one's task drawn by the shares; those of a task stand together. */
export async function trainQuestions(source: QuestionSource, from: number, to: number): Promise<Question[]> {
  const total = source.tasks.reduce((sum, { share }) => sum + share, 0);
  const indices = source.tasks.map((): number[] => []);
  for (let index = from; index < to; index++) {
    let point = new Random(source.config.seed, index, choosing).uniform() * total;
    const chosen = source.tasks.findIndex(({ share }) => {
      point -= share;
      return point < 0;
    });
    indices.at(chosen)?.push(index);
  }
  const each = await Promise.all(
    source.tasks.map((chosen, t) => questionsOf(source, chosen, indices[t] as number[], 'train')),
  );
  return each.flat();
}

export function checkLength({ ids, text }: Question, longest: number): void {
  if (ids.length <= longest) return;
  throw new TrainError(
    'question',
    `${ids.length} tokens and an answer do not fit the model: ${JSON.stringify(text.slice(0, 60))}...`,
    'shorten maxTokens or the problems, or take a model with a longer context',
  );
}

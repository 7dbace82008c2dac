// Questions: problems of a run's tasks, put in the template, by number.
//
// Contract: question `n` of a seed is always the same, so that a resumed run continues with the questions that are due.
import { encodePrompt } from '../corpus/index.ts';
import {
  type ChosenTask,
  closeTasks,
  drawTask,
  type Grading,
  type Problem,
  type PromptParts,
  type Split,
  type TemplateName,
  toPrompt,
} from '../tasks/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import { EvaluationError } from './errors.ts';
import { openRunTasks } from './small-talk.ts';

export interface Question {
  readonly task: Grading;
  readonly difficulty: number;
  readonly problem: Problem;
  readonly prompt: PromptParts;
}

export interface QuestionSource {
  readonly tasks: readonly ChosenTask[];
  readonly seed: number;
  readonly template: TemplateName;
}

export interface QuestionConfig {
  readonly tasks: Parameters<typeof openRunTasks>[0];
  readonly seed: number;
  readonly template: TemplateName;
}

/**
 * Opens the tasks of a run. Throws TaskError, or EvaluationError where a question has more than `maxTokens` tokens;
 * then no task stays open.
 */
export async function openQuestions(
  { tasks, seed, template }: QuestionConfig,
  tokenizer: Tokenizer,
  maxTokens: number,
): Promise<QuestionSource> {
  const source = { tasks: await openRunTasks(tasks, seed), seed, template };
  try {
    for (const chosen of source.tasks)
      for (const { prompt } of await readQuestions(source, chosen, [0], 'train'))
        checkLength(prompt, encodePrompt(tokenizer, prompt).length, maxTokens);
    return source;
  } catch (error) {
    await closeTasks(source.tasks);
    throw error;
  }
}

/** Questions `indices` of one task. */
export async function readQuestions(
  { seed, template }: QuestionSource,
  { task, difficulty, phrasing }: ChosenTask,
  indices: readonly number[],
  split: Split,
): Promise<Question[]> {
  const problems = await task.problems(indices.map((index) => ({ seed, index, difficulty, split, phrasing })));
  return problems.map((problem) => ({ task, difficulty, problem, prompt: toPrompt(template, problem.prompt) }));
}

/** Returns training questions `from` to `to`, those of one task after another. The shares decide each one's task. */
export async function trainingQuestions(source: QuestionSource, from: number, to: number): Promise<Question[]> {
  const { tasks, seed } = source;
  const indices = tasks.map((): number[] => []);
  for (let index = from; index < to; index++) indices[tasks.indexOf(drawTask(tasks, seed, index))].push(index);
  const each = await Promise.all(tasks.map((chosen, t) => readQuestions(source, chosen, indices[t], 'train')));
  return each.flat();
}

/** Questions whose longest prompt decides how much room a cache has for prompts. */
const measuredQuestions = 64;

/** Returns the tokens of the longest prompt of the first training questions. Longer ones are met later, and fit too. */
export async function longestTrainingPrompt(source: QuestionSource, tokenizer: Tokenizer): Promise<number> {
  const asked = await trainingQuestions(source, 0, measuredQuestions);
  return Math.max(...asked.map(({ prompt }) => encodePrompt(tokenizer, prompt).length));
}

function checkLength(prompt: PromptParts, tokens: number, maxTokens: number): void {
  if (tokens <= maxTokens) return;
  throw new EvaluationError(
    'question',
    `${tokens} tokens and an answer do not fit the model: ${JSON.stringify(prompt.join('').slice(0, 60))}...`,
    'lower maxTokens, choose shorter problems, or take a model with a longer context',
  );
}

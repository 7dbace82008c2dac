// GET /minke/tasks, POST /minke/tasks/problem and /minke/tasks/grade: tasks for people to try a model on, the bundled
// ones and those of the owner. The grader of the owner's task runs in a thread with a time limit for each answer.
import { randomInt } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundledFacts, type Grading, openTask, readResponse, TaskError } from '../tasks/index.ts';
import { findModel, type ServerContext } from './context.ts';
import { ApiError } from './errors.ts';
import {
  type GradeRequest,
  type ProblemRequest,
  type TaskProblem,
  type TaskResults,
  type TaskSummary,
  type TaskVerdict,
  taskResults,
} from './protocol-tasks.ts';

/** Reads tasks.json in a model's folder; null: the folder has none. Throws Error when the file is not valid. */
export function readTaskResults(folder: string): TaskResults | null {
  const path = join(folder, 'tasks.json');
  if (!existsSync(path)) return null;
  try {
    return taskResults.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    throw new Error(`[${path}] is not valid; remove it, or write it with scripts/measure-tasks.mjs`, { cause });
  }
}

/**
 * `model`: a name, null for the first model. Where its levels are measured, those that it solves at least sometimes are
 * offered, and tasks with such a level; otherwise all. Tasks of the owner stand first, with all levels until measured,
 * then those with an example.
 */
export function listTasks(context: ServerContext, model: string | null): Response {
  const name = context.models.length > 0 ? findModel(context, model).name : '';
  const { levels: measured, examples } = context.taskResults[name] ?? { levels: [], examples: [] };
  const isOwn = (task: string) => context.tasks.some((own) => own.name === task);
  const tasks = [...context.tasks, ...bundledFacts.values()].map((facts): TaskSummary => {
    const { name: task, description, difficulty } = facts;
    const { from, to } = difficulty;
    const all = Array.from({ length: to - from + 1 }, (_, i) => from + i);
    const own = measured.filter((level) => level.task === task);
    const solved = own.filter((level) => level.passAt1.mean > 0);
    const isMeasured = measured.length > 0 && (own.length > 0 || !isOwn(task));
    return {
      name: task,
      description,
      difficulty,
      levels: isMeasured ? all.filter((level) => solved.some(({ difficulty }) => difficulty === level)) : all,
      example: examples.find((example) => example.task === task) ?? null,
    };
  });
  const offered = tasks.filter((task) => task.levels.length > 0);
  const rank = ({ name, example }: TaskSummary) => (isOwn(name) ? 0 : example === null ? 2 : 1);
  return Response.json({ tasks: offered.sort((a, b) => rank(a) - rank(b)) });
}

type Served = Pick<ServerContext, 'tasks'>;

/** Throws ApiError 404 for a task that is neither bundled nor the owner's: no client may name a file. */
async function findTask({ tasks }: Served, name: string): Promise<Grading> {
  const own = tasks.find((task) => task.name === name);
  if (own !== undefined) return own;
  if (bundledFacts.has(name)) return openTask(name);
  const known = [...tasks.map((task) => task.name), ...bundledFacts.keys()].join(', ');
  throw new ApiError(404, `task ${JSON.stringify(name)} does not exist: use one of ${known}`, { param: 'task' });
}

/** Answers with a held-out problem, which no training has seen. */
export async function drawProblem(context: Served, request: ProblemRequest): Promise<Response> {
  const task = await findTask(context, request.task);
  const difficulty = request.difficulty ?? task.difficulty.default;
  const seed = request.seed ?? randomInt(2 ** 32);
  try {
    const [problem] = await task.problems([{ seed, index: 0, difficulty, split: 'held-out' }]);
    return Response.json({ task: task.name, difficulty, problem: { ...problem } } satisfies TaskProblem);
  } catch (error) {
    if (error instanceof TaskError) throw new ApiError(422, error.message, { param: 'difficulty' });
    throw error;
  }
}

interface FinalAnswer {
  readonly answer: string | null;
  /** Why there is none. */
  readonly problem: string;
}

/** Reads the text between the answer tags or, without tags, the last \boxed{}, as mathematical models write it. */
function readFinalAnswer({ reasoning_content: thinking, content }: GradeRequest): FinalAnswer {
  if (!content?.trim()) return { answer: null, problem: 'the text ends before the answer' };
  const { answer, problem } = readResponse(`${thinking ?? ''}</think>${content}`);
  if (answer !== null || /<\/?answer>/.test(content)) return { answer, problem: problem ?? '' };
  const boxed = [...content.matchAll(/\\boxed\{([^{}]*)\}/g)].at(-1)?.[1];
  return { answer: boxed ?? null, problem: 'there is no answer between <answer> and </answer>' };
}

export async function gradeAnswer(context: Served, request: GradeRequest): Promise<Response> {
  const task = await findTask(context, request.task);
  const { answer, problem: missing } = readFinalAnswer(request);
  const verdict = (correct: boolean, reason: string) =>
    Response.json({ task: task.name, answer: answer?.trim() ?? null, correct, reason } satisfies TaskVerdict);
  if (answer === null) return verdict(false, missing);
  const [{ correct, reason, fault }] = await task.grade([{ problem: request.problem, answer }]);
  if (fault !== null)
    throw new ApiError(422, `problem: ${task.name} cannot grade it (${fault}): send it as it was drawn`, {
      param: 'problem',
    });
  return verdict(correct, reason);
}

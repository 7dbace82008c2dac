// GET /minke/tasks, POST /minke/tasks/problem and /minke/tasks/grade: the built-in tasks, for people to try a model on.
import { randomInt } from 'node:crypto';
import { bundledTasks, openTask, readProblem, readResponse, TaskError } from '../tasks/index.ts';
import { ApiError, validate } from './errors.ts';
import { type GradeRequest, gradeRequest, problemRequest, type TaskVerdict } from './protocol-tasks.ts';

export function listTasks(): Response {
  const tasks = [...bundledTasks.values()].map(({ name, description, difficulty }) => ({
    name,
    description,
    difficulty,
  }));
  return Response.json({ tasks });
}

/** A problem that no training has seen. */
export async function drawProblem(body: unknown): Promise<Response> {
  const { task: name, difficulty: asked, seed: given } = validate(problemRequest, body);
  if (!bundledTasks.has(name)) {
    const known = [...bundledTasks.keys()].join(', ');
    throw new ApiError(404, `task ${JSON.stringify(name)} is not there: use one of ${known}`, { param: 'task' });
  }
  const task = await openTask(name);
  const difficulty = asked ?? task.difficulty.usual;
  const seed = given ?? randomInt(2 ** 32);
  try {
    const [problem] = await task.problems([{ seed, index: 0, difficulty, split: 'held-out' }]);
    return Response.json({ task: name, difficulty, seed, prompt: problem?.prompt, key: problem?.key });
  } catch (error) {
    if (error instanceof TaskError) throw new ApiError(422, error.message, { param: 'difficulty' });
    throw error;
  }
}

/** Strictly what stands between answer tags; a box where there are none, as models of mathematics write. */
function finalAnswer({ reasoning_content: thinking, content }: GradeRequest): {
  answer: string | null;
  problem: string;
} {
  if (!content?.trim()) return { answer: null, problem: 'it did not come to an answer' };
  const { answer, problem } = readResponse(`${thinking ?? ''}</think>${content}`);
  if (answer !== null || /<\/?answer>/.test(content)) return { answer, problem: problem ?? '' };
  const boxed = [...content.matchAll(/\\boxed\{([^{}]*)\}/g)].at(-1)?.[1];
  return { answer: boxed ?? null, problem: 'no answer stands between <answer> and </answer>' };
}

export function gradeAnswer(body: unknown): Response {
  const request = validate(gradeRequest, body);
  const problem = readProblem(request.prompt);
  if (problem === null) return Response.json({ verdict: null });
  const { answer, problem: missing } = finalAnswer(request);
  const { correct, reason } = answer === null ? { correct: false, reason: missing } : problem.grade(answer);
  const verdict: TaskVerdict = { task: problem.task, answer: answer?.trim() ?? null, correct, reason };
  return Response.json({ verdict });
}

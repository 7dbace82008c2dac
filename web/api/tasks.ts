// Problems to try, and the grader's word on what came of them.
import type { Graded, ProblemRequest, TaskProblem, TaskVerdict } from '../../src/server/protocol-tasks.ts';
import { postJson } from './http.ts';

export function freshProblem(request: ProblemRequest): Promise<TaskProblem> {
  return postJson<TaskProblem>('minke/tasks/problem', request);
}

/** null: the prompt is no problem of a task. */
export async function verdictOn(prompt: string, thinking: string, text: string): Promise<TaskVerdict | null> {
  const request = { prompt, reasoning_content: thinking, content: text };
  return (await postJson<Graded>('minke/tasks/grade', request)).verdict;
}

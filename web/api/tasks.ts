// Problems to try, and the grader's word on what came of them.
import type { GradeResult, ProblemRequest, TaskProblem, TaskVerdict } from '../../src/server/protocol-tasks.ts';
import { postJson } from './http.ts';

export function drawProblem(request: ProblemRequest): Promise<TaskProblem> {
  return postJson<TaskProblem>('minke/tasks/problem', request);
}

/** null: the prompt is no problem of a task. */
export async function gradeAnswer(prompt: string, thinking: string, text: string): Promise<TaskVerdict | null> {
  const request = { prompt, reasoning_content: thinking, content: text };
  return (await postJson<GradeResult>('minke/tasks/grade', request)).verdict;
}

// Problems of the bundled tasks, and verdicts on answers to them.
import type { ProblemRequest, TaskProblem, TaskVerdict } from '../../src/server/protocol-tasks.ts';
import { postJson } from './http.ts';

export function drawProblem(request: ProblemRequest): Promise<TaskProblem> {
  return postJson('minke/tasks/problem', request);
}

export function gradeAnswer({ task, problem }: TaskProblem, thinking: string, text: string): Promise<TaskVerdict> {
  return postJson('minke/tasks/grade', { task, problem, reasoning_content: thinking, content: text });
}

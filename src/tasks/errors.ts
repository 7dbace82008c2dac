// What is wrong with a task or an answer's grader, and what to do.
export class TaskError extends Error {
  readonly problem: string;
  readonly remedy: string;

  constructor(task: string, problem: string, remedy: string) {
    super(`${task}: ${problem}: ${remedy}`);
    this.name = 'TaskError';
    this.problem = problem;
    this.remedy = remedy;
  }
}

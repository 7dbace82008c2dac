// The error of tasks and graders.

/** A task that cannot be used: `task: what is wrong: what to do`. */
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

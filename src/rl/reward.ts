// Rewards by rule: one for a right answer, one for the form. No model judges.
import { type Problem, readResponse, type Task } from '../tasks/index.ts';

export interface Judged {
  readonly isRight: boolean;
  readonly isWellFormed: boolean;
  /** In words: what the grader or the form says. */
  readonly verdict: string;
  /** The grader itself failed. */
  readonly isFault: boolean;
}

/** Judges a response whose prompt has opened the thinking. A grader that fails makes the answer wrong, never the run. */
export function judge(task: Task, problem: Problem, text: string): Judged {
  const { answer, isWellFormed, problem: wrong } = readResponse(text);
  if (answer === null) return { isRight: false, isWellFormed, verdict: wrong ?? 'no answer', isFault: false };
  try {
    const { correct, reason } = task.grade(problem, answer);
    if (typeof correct === 'boolean') return { isRight: correct, isWellFormed, verdict: reason, isFault: false };
    return { isRight: false, isWellFormed, verdict: `the grader returned ${String(correct)}`, isFault: true };
  } catch (error) {
    return { isRight: false, isWellFormed, verdict: `the grader failed: ${(error as Error).message}`, isFault: true };
  }
}

/** Words of checking and turning back. */
export function checksIn(text: string): number {
  return text.match(/\b(?:check|wait|no|wrong|again|instead)\b/gi)?.length ?? 0;
}

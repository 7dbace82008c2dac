// Rewards by rule: one for a right answer, one for the form. No model judges.
import { type Grading, type Problem, readResponse } from '../tasks/index.ts';

export interface Judged {
  /** As it was written; null where there is none. */
  readonly answer: string | null;
  readonly isRight: boolean;
  readonly isWellFormed: boolean;
  /** What keeps it from the form, in words; null where it is kept. */
  readonly formProblem: string | null;
  /** In words: what the grader or the form says. */
  readonly verdict: string;
  /** The grader itself failed. */
  readonly isFault: boolean;
}

/** Judges responses to problems of one task; their prompts have opened the thinking. A grader that fails makes an answer wrong, never the run. */
export async function judge(
  task: Grading,
  responses: readonly { readonly problem: Problem; readonly text: string }[],
): Promise<Judged[]> {
  const read = responses.map(({ text }) => readResponse(text));
  const items = responses.flatMap(({ problem }, i) => {
    const answer = read[i]?.answer ?? null;
    return answer === null ? [] : [{ problem, answer }];
  });
  const graded = await task.grade(items);
  let next = 0;
  return read.map(({ answer, isWellFormed, problem: formProblem }) => {
    const form = { answer, isWellFormed, formProblem };
    if (answer === null) return { ...form, isRight: false, verdict: formProblem ?? 'no answer', isFault: false };
    const { correct, reason, fault } = graded[next++];
    return { ...form, isRight: correct, verdict: fault ?? reason, isFault: fault !== null };
  });
}

/** Words of checking and turning back. */
export function checksIn(text: string): number {
  return text.match(/\b(?:check|wait|no|wrong|again|instead)\b/gi)?.length ?? 0;
}

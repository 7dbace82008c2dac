// Judgements by rule: whether an answer is correct, and whether the response is well-formed. No model judges.
import { type Grading, languageConsistency, type Problem } from '../tasks/index.ts';
import type { Question } from './question.ts';

export interface Judgement {
  /** The answer as it was written; null where there is none. */
  readonly answer: string | null;
  readonly isCorrect: boolean;
  readonly isWellFormed: boolean;
  /** What is wrong with the format, in words; null where the response is well-formed. */
  readonly formatProblem: string | null;
  /** The share of the words of the thinking, or of the reply without one, in the language of the problem. */
  readonly language: number;
  /** What the grader says, or what is wrong with the format where there is no answer to grade. */
  readonly verdict: string;
  /** The grader itself failed. */
  readonly isFault: boolean;
}

/** Judges responses to problems of one task. A grader that fails makes its answer wrong and does not throw. */
export async function judge(
  task: Grading,
  responses: readonly { readonly problem: Problem; readonly text: string }[],
): Promise<Judgement[]> {
  const read = responses.map(({ text }) => task.read(text));
  const items = responses.flatMap(({ problem }, i) => {
    const { answer } = read[i];
    return answer === null ? [] : [{ problem, answer }];
  });
  const graded = await task.grade(items);
  let next = 0;
  return read.map(({ thinking, answer, isWellFormed, problem: formatProblem }, i) => {
    const words = thinking.trim() === '' ? (answer ?? '') : thinking;
    const language = languageConsistency(responses[i].problem.prompt, words);
    const format = { answer, isWellFormed, formatProblem, language };
    if (answer === null) return { ...format, isCorrect: false, verdict: formatProblem ?? 'no answer', isFault: false };
    const { correct, reason, fault } = graded[next++];
    return { ...format, isCorrect: correct, verdict: fault ?? reason, isFault: fault !== null };
  });
}

/** Judges responses to questions of any tasks, with one call of the grader for each task. */
export async function judgeAll(
  responses: readonly { readonly question: Question; readonly text: string }[],
): Promise<Judgement[]> {
  const judgements: Judgement[] = [];
  for (const task of new Set(responses.map(({ question }) => question.task))) {
    const indices = [...responses.keys()].filter((i) => responses[i].question.task === task);
    const own = indices.map((i) => ({ problem: responses[i].question.problem, text: responses[i].text }));
    for (const [i, judgement] of (await judge(task, own)).entries()) judgements[indices[i]] = judgement;
  }
  return judgements;
}

// Graders that fail: their answers are counted apart, the first one is reported with its problem; too many end all.
import { formatPercent } from '../math/index.ts';
import { EvaluationError } from './errors.ts';
import type { Judgement } from './judge.ts';
import type { Question } from './question.ts';

/** The share of graded answers without a verdict that is accepted: they count as incorrect. */
export const maxFaultShare = 0.05;

export interface GraderFaults {
  /** Answers that the grader was asked about: a response without an answer is never graded. */
  readonly graded: number;
  /** Those without a verdict. */
  readonly faults: number;
  /** What went wrong with the first of them, and with which problem and answer; null where there is none. */
  readonly fault: string | null;
}

const maxLength = 200;
const quote = (text: string) => JSON.stringify(text.length > maxLength ? `${text.slice(0, maxLength)}...` : text);

/** Says what a grader did, and with which problem and answer. */
export function describeFault({ task, problem }: Question, { verdict, answer }: Judgement): string {
  const item = `the problem was ${quote(problem.prompt)}, the answer ${quote(answer ?? '')}`;
  return `the grader of ${task.name} failed: ${verdict}; ${item}`;
}

export function countFaults(
  answered: readonly { readonly question: Question; readonly responses: readonly Judgement[] }[],
): GraderFaults {
  let [graded, faults, fault]: [number, number, string | null] = [0, 0, null];
  for (const { question, responses } of answered)
    for (const judgement of responses) {
      if (judgement.answer !== null) graded++;
      if (!judgement.isFault) continue;
      faults++;
      fault ??= describeFault(question, judgement);
    }
  return { graded, faults, fault };
}

/** Adds up the counts of several batches. */
export function sumFaults(batches: readonly GraderFaults[]): GraderFaults {
  return {
    graded: batches.reduce((sum, batch) => sum + batch.graded, 0),
    faults: batches.reduce((sum, batch) => sum + batch.faults, 0),
    fault: batches.find((batch) => batch.fault !== null)?.fault ?? null,
  };
}

/** Throws EvaluationError where more answers than the accepted share got no verdict. */
export function expectVerdicts({ graded, faults, fault }: GraderFaults): void {
  if (faults <= maxFaultShare * graded) return;
  const share = `${faults} of ${graded} answers got no verdict, at most ${formatPercent(maxFaultShare)} may`;
  throw new EvaluationError('grader', `${share}: ${fault}`, 'correct grade() of the task');
}

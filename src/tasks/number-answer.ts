// The verdict on an answer that must be one number.
import { equals, type Rational } from './rational.ts';
import type { Verdict } from './task.ts';
import { readNumber } from './written-number.ts';

/** Compares exactly; `truth` is a number as text. */
export function gradeNumber(truth: string, answer: string): Verdict {
  const read = readNumber(answer);
  if (read === null) return { correct: false, reason: 'the answer is not one number' };
  const correct = equals(read, readNumber(truth) as Rational);
  return { correct, reason: correct ? `it is ${truth}` : `it says ${answer.trim()}` };
}

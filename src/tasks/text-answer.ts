// Answers in words: texts and lists, compared exactly but for blanks, commas, and capital letters.
//
// Contract: never throws, takes time proportional to the text, refuses texts beyond 400 characters. Quotes, brackets,
// and anything beside the answer are refused, because an answer that needs a guess is no answer.
import type { Verdict } from './task.ts';

const maxLength = 400;

const tooLong: Verdict = { correct: false, reason: `the answer has more than ${maxLength} characters` };

/** Returns the answer in small letters with single blanks; null where it is too long. */
export function readText(answer: string): string | null {
  const trimmed = answer.trim();
  return trimmed.length > maxLength ? null : trimmed.toLowerCase().replace(/\s+/g, ' ');
}

/** Compares a text. */
export function gradeText(truth: string, answer: string): Verdict {
  const read = readText(answer);
  if (read === null) return tooLong;
  const correct = read === truth.toLowerCase();
  return { correct, reason: correct ? `it is ${truth}` : `it says ${read.slice(0, 60)}` };
}

/** Compares a list in order, its items separated by commas or blanks. */
export function gradeList(truth: readonly string[], answer: string): Verdict {
  const read = readText(answer);
  if (read === null) return tooLong;
  const items = read.split(/ ?, ?| /);
  const at = truth.findIndex((item, i) => items[i] !== item.toLowerCase());
  if (at >= 0) return { correct: false, reason: `item ${at + 1} is ${items[at]?.slice(0, 40) ?? 'missing'}` };
  const correct = items.length === truth.length;
  return { correct, reason: correct ? `it is ${truth.join(', ')}` : `it has ${items.length} items` };
}

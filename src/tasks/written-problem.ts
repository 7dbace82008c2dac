// Problems of our tasks that a person wrote, in the tasks' words: "make 24 from 3, 7, 8, 9".
//
// Contract: what a generator writes is read as the same problem; what is not surely a problem is null. Never throws;
// time in proportion to the text.
import { gradeCountdown } from './countdown.ts';
import { readExpression } from './expression.ts';
import { gradeNumber } from './number-answer.ts';
import { formatRational } from './rational.ts';
import { rules } from './sequence.ts';
import type { Verdict } from './task.ts';

export interface WrittenProblem {
  /** The task's name. */
  readonly task: string;
  grade(answer: string): Verdict;
}

const longest = 300;
const [fewest, most] = [2, 8];

function numbersIn(list: string): number[] | null {
  const numbers = list.split(/\s*(?:,|\band\b|\s)\s*/).filter((word) => word !== '');
  if (numbers.length < fewest || numbers.length > most || !numbers.every((word) => /^\d{1,6}$/.test(word))) return null;
  return numbers.map(Number);
}

function countdownOf(text: string): WrittenProblem | null {
  const [, target, list] = /^make (\d{1,6}) (?:from|with|of|using) ([\d\s,and]+)$/.exec(text) ?? [];
  const numbers = list === undefined ? null : numbersIn(list);
  if (numbers === null) return null;
  return { task: 'countdown', grade: (answer) => gradeCountdown({ numbers, target: Number(target) }, answer) };
}

function arithmeticOf(text: string): WrittenProblem | null {
  const [, expression] = /^what is ([\d\s()*+-]+)$/.exec(text) ?? [];
  if (expression === undefined) return null;
  const read = readExpression(expression);
  if ('problem' in read || read.numbers.length < 2) return null;
  return { task: 'arithmetic', grade: (answer) => gradeNumber(formatRational(read.value), answer) };
}

function sequenceOf(text: string): WrittenProblem | null {
  const [, list] = /^what comes next: ([\d\s,]+?)[\s,.]*$/.exec(text) ?? [];
  const numbers = list === undefined ? null : numbersIn(list);
  if (numbers === null || numbers.length < 4) return null;
  const found = new Set(rules.map((rule) => rule(numbers)).filter((next) => next !== null));
  const [next] = found;
  if (next === undefined || found.size > 1) return null;
  return { task: 'sequence', grade: (answer) => gradeNumber(`${next}`, answer) };
}

/** null: no problem of ours. */
export function readProblem(text: string): WrittenProblem | null {
  if (text.length > longest) return null;
  const plain = text
    .trim()
    .toLowerCase()
    .replace(/[?.!]+$/, '')
    .trim();
  return countdownOf(plain) ?? arithmeticOf(plain) ?? sequenceOf(plain);
}

// Fractions in lowest terms. Difficulty: 1 and 2 simplify, 3 multiply or divide, 4 add or subtract.
import type { Random } from '../../math/index.ts';
import { expressionPhrasings } from '../calculation.ts';
import { findDivisor } from '../columns.ts';
import { combine, equals, formatRational, type Operator, type Rational, rational } from '../rational.ts';
import type { Problem, Task, Verdict } from '../task.ts';
import { readText } from '../text-answer.ts';
import { gcd } from './gcd-lcm.ts';

type Fraction = readonly [top: number, bottom: number];

export interface FractionProblem extends Problem {
  readonly first: Fraction;
  /** What is done with it; null where it is to be simplified. */
  readonly operation: readonly [operator: Operator, second: Fraction] | null;
}

const toRational = ([top, bottom]: Fraction) => rational(top, bottom) as Rational;
const write = ([top, bottom]: Fraction) => `${top}/${bottom}`;
const writeOperation = (first: Fraction, operator: Operator, second: Fraction) =>
  operator === '/' ? `(${write(first)}) / (${write(second)})` : `${write(first)} ${operator} ${write(second)}`;

function answer({ first, operation }: FractionProblem): Rational {
  if (operation === null) return toRational(first);
  return combine(toRational(first), operation[0], toRational(operation[1])) as Rational;
}

function drawFraction(random: Random, largest: number): Fraction {
  for (;;) {
    const bottom = random.whole(2, largest);
    const top = random.whole(1, bottom - 1);
    if (gcd(top, bottom) === 1) return [top, bottom];
  }
}

function simplification(random: Random, largest: number): FractionProblem {
  const [top, bottom] = drawFraction(random, largest);
  const factor = random.whole(2, largest);
  const first: Fraction = [top * factor, bottom * factor];
  return { prompt: `Simplify ${write(first)}.`, key: write(first), first, operation: null };
}

function problem(random: Random, difficulty: number): FractionProblem {
  if (difficulty <= 2) return simplification(random, [9, 20][difficulty - 1]);
  const operator = random.pick(difficulty === 3 ? (['*', '/'] as const) : (['+', '-'] as const));
  const fractions = [drawFraction(random, 9), drawFraction(random, 9)];
  const isSwapped = operator === '-' && fractions[0][0] / fractions[0][1] < fractions[1][0] / fractions[1][1];
  const [first, second] = isSwapped ? [fractions[1], fractions[0]] : fractions;
  const text = writeOperation(first, operator, second);
  const sides = [write(first), write(second)];
  const key = (operator === '+' || operator === '*' ? sides.sort() : sides).join(` ${operator} `);
  return { prompt: `What is ${text} in lowest terms?`, key, first, operation: [operator, second] };
}

function grade(given: FractionProblem, text: string): Verdict {
  const read = /^(-?\d{1,9})(?: ?\/ ?(\d{1,9}))?$/.exec(readText(text) ?? '');
  const value = read === null ? null : rational(BigInt(read[1]), BigInt(read[2] ?? 1));
  if (read === null || value === null) return { correct: false, reason: 'the answer is not one fraction' };
  if (!equals(value, answer(given))) return { correct: false, reason: `it says ${text.trim()}` };
  const isLowest = BigInt(read[2] ?? 1) === value.bottom;
  return { correct: isLowest, reason: isLowest ? `it is ${formatRational(value)}` : 'it is not in lowest terms' };
}

function phrasings({ prompt, first, operation }: FractionProblem): string[] {
  if (operation !== null) {
    const [operator, second] = operation;
    const text = writeOperation(first, operator, second);
    return [prompt, ...expressionPhrasings(text)];
  }
  const text = write(first);
  return [
    prompt,
    `Reduce ${text}.`,
    `Write ${text} in lowest terms.`,
    `Simplify the fraction ${text}.`,
    `Simplify ${text} to lowest terms.`,
    `What is ${text} in lowest terms?`,
    `Reduce the fraction ${text}.`,
    `${text} simplified?`,
    `Bring ${text} to its simplest form.`,
    `What is ${text} in simplest form?`,
    `Can you simplify ${text}?`,
    `Cancel ${text} as far as possible.`,
    `${text} in lowest terms`,
    `Simplify ${first[0]} / ${first[1]}.`,
    `Please reduce ${text} to lowest terms.`,
    `What fraction in lowest terms equals ${text}?`,
    `How can ${text} be simplified?`,
    `What does ${text} reduce to?`,
  ];
}

/** The steps that bring a fraction to lowest terms. */
function simplify([top, bottom]: Fraction): string[] {
  if (bottom === 1) return [];
  const { text, value } = findDivisor(top, bottom);
  return value === 1 ? [text] : [text, `${top}/${value}=${top / value}, ${bottom}/${value}=${bottom / value}`];
}

function steps({ first: [a, b], operation }: FractionProblem): string[] {
  if (operation === null) return simplify([a, b]);
  const [operator, [c, d]] = operation;
  if (operator === '*' || operator === '/') {
    const [e, f] = operator === '*' ? [c, d] : [d, c];
    return [`${a}*${e}=${a * e}, ${b}*${f}=${b * f}`, ...simplify([a * e, b * f])];
  }
  const [x, y] = [a * d, c * b];
  const top = operator === '+' ? x + y : x - y;
  const line = `${a}*${d}=${x}, ${c}*${b}=${y}, ${x}${operator}${y}=${top}, ${b}*${d}=${b * d}`;
  return top === 0 ? [line] : [line, ...simplify([top, b * d])];
}

export const fractions: Task<FractionProblem> = {
  name: 'fractions',
  description: 'Compute with fractions, in lowest terms.',
  difficulty: { from: 1, to: 4, default: 1 },
  problem,
  grade,
  solution: (given) => formatRational(answer(given)),
  phrasings,
  steps,
};

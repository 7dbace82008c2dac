// Which number is larger, or smaller? Difficulty: 1 two whole numbers, 2 three, 3 decimals, 4 fractions.
import type { Random } from '../../math/index.ts';
import { gradeNumber, readNumber } from '../number.ts';
import type { Rational } from '../rational.ts';
import type { Problem, Task } from '../task.ts';

export interface ComparisonProblem extends Problem {
  /** As they are written; no two are equal. */
  readonly numbers: readonly string[];
  readonly asksLarger: boolean;
}

function wholeNumber(random: Random): string {
  return `${random.whole(0, 10 ** random.whole(1, 5) - 1)}`;
}

function decimal(random: Random, start: number): string {
  const places = random.whole(1, 3);
  return `${start + random.pick([0, 0, 0, 1])}.${`${random.whole(1, 10 ** places - 1)}`.padStart(places, '0')}`;
}

/** Draws the numbers, for each difficulty from 1. */
const levels: readonly ((random: Random) => string[])[] = [
  (random) => [wholeNumber(random), wholeNumber(random)],
  (random) => [wholeNumber(random), wholeNumber(random), wholeNumber(random)],
  (random) => {
    const start = random.whole(0, 12);
    return [decimal(random, start), decimal(random, start)];
  },
  (random) => Array.from({ length: 2 }, () => `${random.whole(1, 9)}/${random.whole(2, 9)}`),
];

function compare(x: string, y: string): number {
  const [a, b] = [readNumber(x), readNumber(y)] as [Rational, Rational];
  const difference = a.top * b.bottom - b.top * a.bottom;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function chosen({ numbers, asksLarger }: ComparisonProblem): string {
  const [smallest, ...rest] = [...numbers].sort(compare);
  return asksLarger ? (rest.at(-1) as string) : smallest;
}

function problem(random: Random, difficulty: number): ComparisonProblem {
  for (;;) {
    const numbers = levels[difficulty - 1](random);
    const inOrder = [...numbers].sort(compare);
    if (inOrder.some((number, i) => i > 0 && compare(number, inOrder[i - 1]) === 0)) continue;
    const asksLarger = random.chance(0.7);
    const word = numbers.length === 2 ? ['smaller', 'larger'] : ['smallest', 'largest'];
    return {
      prompt: `Which is ${word[Number(asksLarger)]}: ${listed(numbers, 'or')}?`,
      key: inOrder.join(' < '),
      numbers,
      asksLarger,
    };
  }
}

const listed = (numbers: readonly string[], word: string) =>
  `${numbers.slice(0, -1).join(', ')} ${word} ${numbers[numbers.length - 1]}`;

function phrasings({ prompt, numbers, asksLarger }: ComparisonProblem): string[] {
  const isPair = numbers.length === 2;
  const [or, and, plain] = [listed(numbers, 'or'), listed(numbers, 'and'), numbers.join(', ')];
  const [larger, bigger, greater] = asksLarger
    ? isPair
      ? ['larger', 'bigger', 'greater']
      : ['largest', 'biggest', 'greatest']
    : isPair
      ? ['smaller', 'less', 'lower']
      : ['smallest', 'least', 'lowest'];
  return [
    prompt,
    `Which number is ${larger}, ${or}?`,
    `What is the ${larger} of ${and}?`,
    `Which is ${bigger}, ${or}?`,
    `What is ${greater}: ${or}?`,
    `Which number is ${bigger}, ${or}?`,
    `Which one is ${larger}: ${or}?`,
    `${or}, which is ${larger}?`,
    `Tell me which is ${larger}: ${or}.`,
    `Which of ${and} is ${larger}?`,
    `What's ${bigger}, ${or}?`,
    `Name the ${larger} number: ${plain}.`,
    `Which is the ${larger} one of ${and}?`,
    `Is ${or} ${larger}?`,
    `Of ${and}, which is ${larger}?`,
    `${larger}: ${or}?`,
    `Which has the ${greater} value, ${or}?`,
    `Pick the ${larger} number from ${plain}.`,
    `What's the ${larger} number, ${or}?`,
    `${plain}: which is ${larger}?`,
    `Compare ${and}. Which is ${bigger}?`,
    `Find the ${larger} of ${plain}.`,
    `Which of the numbers ${and} is ${bigger}?`,
    `Out of ${and}, which one is ${greater}?`,
  ];
}

const sign = (x: string, y: string) => (compare(x, y) < 0 ? '<' : '>');

function compareDecimals(x: string, y: string): string {
  const [a, b] = [x.split('.'), y.split('.')];
  if (a[0] !== b[0]) return `${a[0]} ${sign(a[0], b[0])} ${b[0]}`;
  const places = Math.max(a[1].length, b[1].length);
  const [c, d] = [a[1].padEnd(places, '0'), b[1].padEnd(places, '0')];
  const at = [...c].findIndex((digit, i) => digit !== d[i]);
  return `${a[0]}.${c} and ${b[0]}.${d}, digit ${at + 1}: ${c[at]} ${sign(c[at], d[at])} ${d[at]}`;
}

function compareFractions(x: string, y: string): string {
  const [[a, b], [c, d]] = [x, y].map((text) => text.split('/').map(Number));
  return `${a}*${d}=${a * d}, ${c}*${b}=${c * b}, ${a * d} ${sign(x, y)} ${c * b}`;
}

/** Compares whole numbers by their length, then by the first digit that differs. */
function compareWhole(x: string, y: string): string {
  if (x.length !== y.length) return `${x} has ${x.length} digit${x.length === 1 ? '' : 's'}, ${y} has ${y.length}`;
  const at = [...x].findIndex((digit, i) => digit !== y[i]);
  return `digit ${at + 1} of ${x} and ${y}: ${x[at]} ${sign(x[at], y[at])} ${y[at]}`;
}

function steps({ numbers, asksLarger }: ComparisonProblem): string[] {
  let best = numbers[0];
  return numbers.slice(1).map((number) => {
    const how = number.includes('/') ? compareFractions : number.includes('.') ? compareDecimals : compareWhole;
    const line = `${how(best, number)} so ${best} ${sign(best, number)} ${number}`;
    if (compare(number, best) > 0 === asksLarger) best = number;
    return line;
  });
}

export const comparison: Task<ComparisonProblem> = {
  name: 'comparison',
  description: 'Say which number is larger or smaller.',
  difficulty: { from: 1, to: 4, default: 3 },
  problem,
  grade: (given, answer) => gradeNumber(chosen(given), answer),
  solution: chosen,
  phrasings,
  steps,
};

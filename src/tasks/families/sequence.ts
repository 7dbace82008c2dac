// Sequences: which number comes next? Whole numbers from 0 to 9999 that follow one of four rules.
//
// Difficulty: 1 a constant step; 2 a constant factor; 3 steps that grow by a constant amount; 4 two sequences of
// difficulty 1 in turn. A problem is used only if all rules that explain its numbers agree on the next one. A rule
// explains numbers if it holds for more of them than are needed to state it. Problems with the same numbers share a
// key.
import type { Random } from '../../math/index.ts';
import { gradeNumber } from '../number.ts';
import type { Problem, Task } from '../task.ts';

export interface SequenceProblem extends Problem {
  readonly numbers: readonly number[];
  readonly next: number;
}

const largest = 9999;

export const differences = (numbers: readonly number[]): number[] =>
  numbers.slice(1).map((value, i) => value - numbers[i]);

/** Returns the value that all have; null where they differ or there are fewer than two. */
function common(values: readonly number[]): number | null {
  return values.length > 1 && values.every((value) => value === values[0]) ? values[0] : null;
}

const last = (numbers: readonly number[]): number => numbers[numbers.length - 1];

function afterStep(numbers: readonly number[]): number | null {
  const step = common(differences(numbers));
  return step === null ? null : last(numbers) + step;
}

/** A factor is a whole number, or 1 divided by one. */
function afterFactor(numbers: readonly number[]): number | null {
  if (numbers.includes(0)) return null;
  const rises = last(numbers) >= numbers[0];
  const rising = rises ? numbers : [...numbers].reverse();
  const factor = common(rising.slice(1).map((value, i) => value / rising[i]));
  if (factor === null || !Number.isInteger(factor)) return null;
  return rises ? last(numbers) * factor : last(numbers) / factor;
}

function afterGrowingStep(numbers: readonly number[]): number | null {
  const step = afterStep(differences(numbers));
  return step === null ? null : last(numbers) + step;
}

function afterTwoInTurn(numbers: readonly number[]): number | null {
  const every = (first: number) => numbers.filter((_, i) => i % 2 === first);
  const [same, other] = [every(numbers.length % 2), every(1 - (numbers.length % 2))];
  return afterStep(other) === null ? null : afterStep(same);
}

/** The rules by difficulty. Each returns the next number, or null where it does not explain the numbers. */
export const rules: readonly ((numbers: readonly number[]) => number | null)[] = [
  afterStep,
  afterFactor,
  afterGrowingStep,
  afterTwoInTurn,
];

function steps(random: Random, count: number): number[] {
  const start = random.whole(1, 99);
  const step = random.pick([1, 1, -1]) * random.whole(1, 25);
  return Array.from({ length: count }, (_, i) => start + i * step);
}

function factors(random: Random, count: number): number[] {
  const factor = random.whole(2, 6);
  const start = random.whole(1, Math.min(300, Math.floor(largest / factor ** (count - 1))));
  const rising = Array.from({ length: count }, (_, i) => start * factor ** i);
  return random.chance(0.3) ? rising.reverse() : rising;
}

function growingSteps(random: Random, count: number): number[] {
  const start = random.whole(1, 99);
  const first = random.whole(-12, 25);
  const growth = random.pick([1, 1, -1]) * random.whole(1, 12);
  return Array.from({ length: count }, (_, i) => start + i * first + ((i * (i - 1)) / 2) * growth);
}

function twoInTurn(random: Random, count: number): number[] {
  const [even, odd] = [steps(random, count), steps(random, count)];
  return Array.from({ length: count }, (_, i) => (i % 2 === 0 ? even : odd)[i >> 1]);
}

/** For each difficulty from 1: the generator, and how many numbers are shown. */
const levels = [
  { draw: steps, shown: 4 },
  { draw: factors, shown: 4 },
  { draw: growingSteps, shown: 5 },
  { draw: twoInTurn, shown: 6 },
] as const;

function problem(random: Random, difficulty: number): SequenceProblem {
  const { draw, shown } = levels[difficulty - 1];
  for (;;) {
    const all = draw(random, shown + 1);
    if (!all.every((value) => Number.isInteger(value) && value >= 0 && value <= largest)) continue;
    const numbers = all.slice(0, shown);
    const next = last(all);
    const found = rules.map((rule) => rule(numbers)).filter((value) => value !== null);
    if (!found.every((value) => value === next)) continue;
    return { prompt: `What comes next: ${numbers.join(', ')}, ...?`, key: numbers.join(' '), numbers, next };
  }
}

function phrasings({ prompt, numbers }: SequenceProblem): string[] {
  const list = numbers.join(', ');
  const spaced = numbers.join(' ');
  return [
    prompt,
    `What comes next? ${list}`,
    `Which number follows ${list}?`,
    `${list}, ...`,
    `${list}, ?`,
    `Continue: ${list}`,
    `What is the next number: ${list}?`,
    `Next after ${list}?`,
    `How does ${list} go on?`,
    `Find the next number in ${list}.`,
    `What number comes after ${list}?`,
    `Give the next term of ${list}.`,
    `Continue the sequence ${list}.`,
    `Complete the pattern: ${list}, _`,
    `${list} and then?`,
    `I see the numbers ${list}. What is next?`,
    `Which number is next in the sequence ${list}?`,
    `The sequence is ${list}. What comes next?`,
    `${list}: what is the next number?`,
    `What would come next in ${list}?`,
    `The next number of ${list} is?`,
    `${spaced} ...`,
    `Numbers: ${list}. Which one is next?`,
    `Which number should follow ${spaced}?`,
  ];
}

export const sequence: Task<SequenceProblem> = {
  name: 'sequence',
  description: 'Say which number comes next.',
  difficulty: { from: 1, to: 4, default: 2 },
  problem,
  grade: ({ next }, answer) => gradeNumber(`${next}`, answer),
  solution: ({ next }) => `${next}`,
  phrasings,
};

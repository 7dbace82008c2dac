// The greatest common divisor and the least common multiple of two numbers. Difficulty: how large they are.
import type { Random } from '../../math/index.ts';
import { computeInColumns, divideInColumns, findDivisor } from '../columns.ts';
import { gradeNumber } from '../number.ts';
import type { Problem, Task } from '../task.ts';

export interface GcdLcmProblem extends Problem {
  readonly asks: 'gcd' | 'lcm';
  readonly numbers: readonly [number, number];
}

/** The largest number, for each difficulty from 1. */
const largest = [20, 50, 150, 500] as const;

export function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

function answer({ asks, numbers: [a, b] }: GcdLcmProblem): number {
  const divisor = gcd(a, b);
  return asks === 'gcd' ? divisor : (a / divisor) * b;
}

function problem(random: Random, difficulty: number): GcdLcmProblem {
  const asks = random.pick(['gcd', 'lcm'] as const);
  const limit = asks === 'gcd' ? largest[difficulty - 1] : Math.min(100, largest[difficulty - 1]);
  // Numbers with a common divisor, half of the time: two random ones seldom have any.
  const shared = random.chance(0.5) ? random.whole(2, Math.floor(limit / 4)) : 1;
  const number = () => shared * random.whole(Math.ceil(2 / shared), Math.floor(limit / shared));
  const numbers: [number, number] = [number(), number()];
  while (numbers[1] === numbers[0]) numbers[1] = number();
  const name = asks === 'gcd' ? 'greatest common divisor' : 'least common multiple';
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  return {
    prompt: `What is the ${name} of ${numbers[0]} and ${numbers[1]}?`,
    key: `${asks} ${low} ${high}`,
    asks,
    numbers,
  };
}

function phrasings({ prompt, asks, numbers: [a, b] }: GcdLcmProblem): string[] {
  const isGcd = asks === 'gcd';
  const name = isGcd ? 'greatest common divisor' : 'least common multiple';
  const other = isGcd ? 'greatest common factor' : 'lowest common multiple';
  const another = isGcd ? 'largest common divisor' : 'smallest common multiple';
  const short = asks.toUpperCase();
  return [
    prompt,
    `${asks}(${a}, ${b})`,
    `Find the ${short} of ${a} and ${b}.`,
    `What is the ${short} of ${a} and ${b}?`,
    `Find the ${name} of ${a} and ${b}.`,
    `${short} of ${a} and ${b}?`,
    `${asks} of ${a} and ${b}`,
    `What is the ${other} of ${a} and ${b}?`,
    `Tell me the ${name} of ${a} and ${b}.`,
    `What is the ${another} of ${a} and ${b}?`,
    `Compute ${asks}(${a}, ${b}).`,
    `Find the ${other} for ${a} and ${b}.`,
    isGcd
      ? `What is the largest number that divides ${a} and ${b}?`
      : `What is the smallest number that ${a} and ${b} divide?`,
    `Calculate the ${name} of ${a} and ${b}.`,
    isGcd
      ? `Which number is the largest that divides both ${a} and ${b}?`
      : `Which is the first multiple of both ${a} and ${b}?`,
    `${name} of ${a} and ${b}`,
    `What's the ${short} of the numbers ${a} and ${b}?`,
    `I have ${a} and ${b}. What is their ${name}?`,
  ];
}

function steps({ asks, numbers: [a, b] }: GcdLcmProblem): string[] {
  const divisor = findDivisor(a, b);
  if (asks === 'gcd') return [divisor.text];
  const quotient = divideInColumns(a, divisor.value);
  const product =
    quotient.value >= b ? computeInColumns(quotient.value, '*', b) : computeInColumns(b, '*', quotient.value);
  return [`gcd ${divisor.text}`, quotient.text, ...product];
}

export const gcdLcm: Task<GcdLcmProblem> = {
  name: 'gcd-lcm',
  description: 'Find the greatest common divisor or the least common multiple.',
  difficulty: { from: 1, to: 4, default: 2 },
  problem,
  grade: (given, text) => gradeNumber(`${answer(given)}`, text),
  solution: (given) => `${answer(given)}`,
  phrasings,
  steps,
};

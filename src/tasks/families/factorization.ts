// Prime factors of a number. Difficulty: how large it is.
//
// The answer is the product of primes in any order, `2 * 2 * 3`; signs for times, commas, and blanks separate them.
import type { Random } from '../../math/index.ts';
import type { Problem, Task, Verdict } from '../task.ts';
import { readText } from '../text-answer.ts';

export interface FactorizationProblem extends Problem {
  readonly number: number;
}

/** The range of the number, for each difficulty from 1, and its largest prime factor. */
const levels = [
  { range: [4, 60], prime: 13 },
  { range: [30, 200], prime: 31 },
  { range: [100, 600], prime: 47 },
  { range: [400, 2000], prime: 97 },
] as const;

/** Returns the prime factors in ascending order. */
function factorize(number: number): number[] {
  const factors: number[] = [];
  let rest = number;
  for (let prime = 2; prime * prime <= rest; prime++) for (; rest % prime === 0; rest /= prime) factors.push(prime);
  return rest > 1 ? [...factors, rest] : factors;
}

function problem(random: Random, difficulty: number): FactorizationProblem {
  const { range, prime } = levels[difficulty - 1];
  for (;;) {
    const number = random.whole(range[0], range[1]);
    const factors = factorize(number);
    if (factors.length > 1 && (factors.at(-1) as number) <= prime)
      return { prompt: `Factor ${number} into primes.`, key: `n=${number}`, number };
  }
}

function grade({ number }: FactorizationProblem, answer: string): Verdict {
  const text = readText(answer);
  if (text === null || !/^\d{1,6}(?: ?[*×x·, ] ?\d{1,6})*$/.test(text))
    return { correct: false, reason: 'the answer is not a product of numbers' };
  const given = text.split(/ ?[*×x·, ] ?/).map(Number);
  const product = given.reduce((total, factor) => total * factor, 1);
  if (product !== number) return { correct: false, reason: `the product is ${product}` };
  const composite = given.find((factor) => factorize(factor).length !== 1);
  if (composite !== undefined) return { correct: false, reason: `${composite} is not a prime` };
  return { correct: true, reason: `the product of these primes is ${number}` };
}

function phrasings({ prompt, number }: FactorizationProblem): string[] {
  return [
    prompt,
    `What are the prime factors of ${number}?`,
    `Find the prime factors of ${number}.`,
    `Prime factors of ${number}`,
    `Write ${number} as a product of primes.`,
    `Which primes multiply to ${number}?`,
    `Factorize ${number}.`,
    `What is the prime factorization of ${number}?`,
    `Break ${number} down into prime factors.`,
    `Factor ${number}.`,
    `Give the prime factorization of ${number}.`,
    `Express ${number} as a product of prime numbers.`,
    `Find the prime factorization of ${number}.`,
    `${number} as a product of primes?`,
    `Can you split ${number} into primes?`,
    `Decompose ${number} into primes.`,
    `List the prime factors of ${number}.`,
    `What primes make up ${number}?`,
  ];
}

function steps({ number }: FactorizationProblem): string[] {
  const divisions: string[] = [];
  let rest = number;
  for (const factor of factorize(number).slice(0, -1)) {
    divisions.push(`${rest}/${factor}=${rest / factor}`);
    rest /= factor;
  }
  return [`${divisions.join(', ')}, ${rest} is prime`];
}

export const factorization: Task<FactorizationProblem> = {
  name: 'factorization',
  description: 'Factor a number into primes.',
  difficulty: { from: 1, to: 4, default: 2 },
  problem,
  grade,
  solution: ({ number }) => factorize(number).join(' * '),
  phrasings,
  steps,
};

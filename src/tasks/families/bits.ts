// Counting the ones of a number's binary form. Difficulty: how large the number is.
import type { Random } from '../../math/index.ts';
import { gradeNumber } from '../number.ts';
import type { Problem, Task } from '../task.ts';
import { divisionSteps } from './bases.ts';

export interface BitProblem extends Problem {
  readonly number: number;
}

/** The largest number, for each difficulty from 1. */
const largest = [63, 255, 1023, 4095] as const;

const count = (number: number): number => [...number.toString(2)].filter((bit) => bit === '1').length;

function problem(random: Random, difficulty: number): BitProblem {
  const number = random.whole(8, largest[difficulty - 1]);
  return { prompt: `How many ones are in the binary form of ${number}?`, key: `bits ${number}`, number };
}

function phrasings({ prompt, number }: BitProblem): string[] {
  return [
    prompt,
    `How many 1 bits does ${number} have?`,
    `Count the ones in the binary form of ${number}.`,
    `How many ones does ${number} have in binary?`,
    `Count the 1 bits of ${number}.`,
    `What is the number of ones in ${number} written in binary?`,
    `How many bits are set in ${number}?`,
    `What is the bit count of ${number}?`,
    `If I write ${number} in binary, how many ones are there?`,
    `How many 1s are in the binary representation of ${number}?`,
    `Number of ones in binary ${number.toString(2)}?`,
    `Find the number of 1 bits in ${number}.`,
    `Write ${number} in binary. How many ones has it?`,
    `How many set bits are in ${number}?`,
    `What is the popcount of ${number}?`,
    `How many ones are there in ${number} in base 2?`,
    `Count the set bits of ${number}.`,
    `How many digits 1 has ${number} in binary?`,
  ];
}

function steps({ number }: BitProblem): string[] {
  let ones = 0;
  const bits = [...number.toString(2)].map((bit) => {
    if (bit === '1') ones++;
    return `${bit}:${ones}`;
  });
  return [divisionSteps(number, 2), bits.join(' ')];
}

export const bits: Task<BitProblem> = {
  name: 'bits',
  description: 'Count the ones of a number in binary.',
  difficulty: { from: 1, to: 4, default: 2 },
  problem,
  grade: ({ number }, answer) => gradeNumber(`${count(number)}`, answer),
  solution: ({ number }) => `${count(number)}`,
  phrasings,
  steps,
};

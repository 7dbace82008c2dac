// Numbers in other bases. Difficulty: 1 and 2 binary, 3 also octal and base 3, 4 also hexadecimal, of growing size.
//
// Digits above 9 are the letters a to f; capital letters are accepted, marks such as 0x are not.
import type { Random } from '../../math/index.ts';
import type { Problem, Task } from '../task.ts';
import { gradeText } from '../text-answer.ts';

export interface BaseProblem extends Problem {
  readonly number: number;
  /** One of the two is 10. */
  readonly from: number;
  readonly to: number;
}

/** The bases, and the largest number, for each difficulty from 1. */
const levels = [
  { bases: [2], largest: 31 },
  { bases: [2], largest: 127 },
  { bases: [2, 3, 8], largest: 255 },
  { bases: [2, 8, 16], largest: 1023 },
] as const;

const names: Readonly<Record<number, string>> = {
  2: 'binary',
  3: 'base 3',
  8: 'octal',
  10: 'decimal',
  16: 'hexadecimal',
};

function problem(random: Random, difficulty: number): BaseProblem {
  const { bases, largest } = levels[difficulty - 1];
  const base = random.pick<number>(bases);
  const number = random.whole(base, largest);
  const [from, to] = random.chance(0.5) ? [10, base] : [base, 10];
  const text = number.toString(from);
  const prompt =
    to === 10 ? `What is ${text} in ${names[from]} as a decimal number?` : `What is ${text} in ${names[to]}?`;
  return { prompt, key: `${number} ${base}`, number, from, to };
}

function phrasings({ prompt, number, from, to }: BaseProblem): string[] {
  const [text, into] = [number.toString(from), names[to]];
  const given = from === 10 ? text : `${names[from]} ${text}`;
  return [
    prompt,
    `Convert ${given} to ${into}.`,
    `Write ${given} in ${into}.`,
    `${given} to ${into}`,
    `${given} in ${into}?`,
    `Express ${given} in ${into}.`,
    `How is ${given} written in ${into}?`,
    `What is ${given} converted to ${into}?`,
    `Turn ${given} into ${into}.`,
    `Convert the ${names[from]} number ${text} to ${into}.`,
    `What is the ${into} form of ${given}?`,
    `Give ${given} in ${into}.`,
    `Convert ${text} from base ${from} to base ${to}.`,
    `What's ${given} in ${into}?`,
    `How do you write ${given} in ${into}?`,
    `${text} (base ${from}) = ? (base ${to})`,
    `Can you convert ${given} to ${into}?`,
    `The ${names[from]} number ${text} is what in ${into}?`,
  ];
}

/** Divides by the base until nothing is left: the remainders are the digits, from the right. */
export function divisionSteps(number: number, base: number): string {
  const texts: string[] = [];
  for (let rest = number; rest > 0; rest = Math.floor(rest / base)) {
    const digit = rest % base;
    const letter = digit > 9 ? ` ${digit.toString(base)}` : '';
    texts.push(`${rest}-${base}*${Math.floor(rest / base)}=${digit}${letter}`);
  }
  return `${texts.join(', ')} -> ${number.toString(base)}`;
}

/** Multiplies by the base and adds the next digit, from the left. */
function multiplicationSteps(number: number, base: number): string {
  const [first, ...rest] = [...number.toString(base)].map((digit) => Number.parseInt(digit, base));
  let value = first;
  const texts = rest.map((digit) => {
    const text = `${value}*${base}+${digit}=${value * base + digit}`;
    value = value * base + digit;
    return text;
  });
  return [`${first}`, ...texts].join(', ');
}

export const bases: Task<BaseProblem> = {
  name: 'bases',
  description: 'Convert a number to or from binary and other bases.',
  difficulty: { from: 1, to: 4, default: 2 },
  problem,
  grade: ({ number, to }, answer) => gradeText(number.toString(to), answer),
  solution: ({ number, to }) => number.toString(to),
  phrasings,
  steps: ({ number, from, to }) => [from === 10 ? divisionSteps(number, to) : multiplicationSteps(number, from)],
};

// Linear equations with a whole solution. The answer is the number, or the equation `x = 5`.
//
// Difficulty: 1 one operation, 2 two, 3 parentheses, 4 the unknown on both sides. Equations that differ only in the
// letter share a key.
import type { Random } from '../../math/index.ts';
import { gradeNumber } from '../number.ts';
import type { Problem, Task } from '../task.ts';

export interface EquationProblem extends Problem {
  readonly letter: string;
  readonly equation: string;
  readonly value: number;
  readonly working: readonly string[];
}

const letters = ['x', 'x', 'x', 'y', 'n', 'k', 'a', 'b'] as const;

/** An equation with x, and how it is solved. */
interface Solved {
  readonly equation: string;
  readonly value: number;
  readonly working: readonly string[];
}

const signed = (value: number) => (value < 0 ? `- ${-value}` : `+ ${value}`);
const without = (left: number, right: number) => (right < 0 ? `${left}+${-right}` : `${left}-${right}`);
const plus = (product: string, right: number) => (right < 0 ? `${product}-${-right}` : `${product}+${right}`);

function oneOperation(random: Random): Solved {
  const [value, number] = [random.whole(1, 30), random.whole(2, 30)];
  const factor = random.whole(2, 9);
  return random.pick<Solved>([
    {
      equation: `x + ${number} = ${value + number}`,
      value,
      working: [`${value + number}-${number}=${value}`, `check ${value}+${number}=${value + number}`],
    },
    {
      equation: `x - ${number} = ${value}`,
      value: value + number,
      working: [`${value}+${number}=${value + number}`, `check ${value + number}-${number}=${value}`],
    },
    {
      equation: `${factor}x = ${factor * value}`,
      value,
      working: [`${factor * value}/${factor}=${value}`, `check ${factor}*${value}=${factor * value}`],
    },
  ]);
}

function twoOperations(random: Random): Solved {
  const [a, value] = [random.whole(2, 12), random.whole(1, 20)];
  const b = random.pick([-1, 1]) * random.whole(1, 40);
  const c = a * value + b;
  return {
    equation: `${a}x ${signed(b)} = ${c}`,
    value,
    working: [
      `${without(c, b)}=${c - b} so ${a}x is ${c - b}`,
      `${c - b}/${a}=${value}`,
      `check ${plus(`${a}*${value}`, b)}=${c}`,
    ],
  };
}

function parentheses(random: Random): Solved {
  const [a, value, b] = [random.whole(2, 9), random.whole(1, 20), random.whole(1, 20)];
  const c = a * (value + b);
  return {
    equation: `${a}(x + ${b}) = ${c}`,
    value,
    working: [
      `${c}/${a}=${value + b} so x + ${b} is ${value + b}`,
      `${value + b}-${b}=${value}`,
      `check ${a}*(${value}+${b})=${c}`,
    ],
  };
}

function bothSides(random: Random): Solved {
  const [c, value, b] = [random.whole(1, 8), random.whole(1, 15), random.whole(1, 30)];
  const a = c + random.whole(2, 9);
  const d = (a - c) * value + b;
  return {
    equation: `${a}x + ${b} = ${c}x + ${d}`,
    value,
    working: [
      `${a}-${c}=${a - c}, ${d}-${b}=${d - b} so ${a - c}x is ${d - b}`,
      `${d - b}/${a - c}=${value}`,
      `check ${a}*${value}+${b}=${a * value + b}, ${c}*${value}+${d}=${c * value + d}`,
    ],
  };
}

const levels = [oneOperation, twoOperations, parentheses, bothSides] as const;

function problem(random: Random, difficulty: number): EquationProblem {
  const letter = random.pick(letters);
  const { equation, value, working } = levels[difficulty - 1](random);
  const named = equation.replaceAll('x', letter);
  const lines = working.map((line) => line.replaceAll('x', letter));
  return { prompt: `Solve ${named}.`, key: equation, letter, equation: named, value, working: lines };
}

/** The equation without its sign: "a number times 3 plus 4 is 19". None where the unknown occurs twice. */
function inWords(letter: string, equation: string): string[] {
  const [, factor, term, total] = /^(\d*)[a-z](?: ([+-] \d+))? = (-?\d+)$/.exec(equation) ?? [];
  if (total === undefined) return [];
  const product = factor === '' ? '' : ` times ${factor}`;
  const sum = term === undefined ? '' : term.replace('+', ' plus').replace('-', ' minus');
  return [
    `A number${product}${sum} is ${total}. What is the number?`,
    `I think of a number. The number${product}${sum} is ${total}. Which number is it?`,
    `Which number${product}${sum} gives ${total}?`,
    `What value of ${letter} gives ${equation}?`,
    `Some number${product}${sum} makes ${total}. Find it.`,
    `What number${product}${sum} equals ${total}?`,
  ];
}

function phrasings({ prompt, letter, equation }: EquationProblem): string[] {
  const tight = equation.replaceAll(' ', '');
  const times = equation.replace(/(\d)([a-z(])/g, '$1 * $2');
  return [
    prompt,
    equation,
    `What is ${letter} if ${equation}?`,
    `Solve for ${letter}: ${equation}`,
    `Find ${letter}: ${equation}.`,
    `Find ${letter} so that ${equation}.`,
    `If ${equation}, what is ${letter}?`,
    `${tight}, ${letter}=?`,
    `${equation}. What is the value of ${letter}?`,
    `Solve the equation ${equation}.`,
    `${equation}. Find ${letter}.`,
    `Which ${letter} solves ${equation}?`,
    `Solve ${times} for ${letter}.`,
    `Can you solve ${tight}?`,
    `For which ${letter} is ${equation}?`,
    `What number is ${letter} when ${equation}?`,
    `What is ${letter} in ${equation}?`,
    `I need ${letter} from ${tight}.`,
    ...inWords(letter, equation),
  ];
}

export const equation: Task<EquationProblem> = {
  name: 'equation',
  description: 'Solve an equation with one unknown.',
  difficulty: { from: 1, to: 4, default: 2 },
  problem,
  grade: ({ letter, value }, answer) => {
    const [, given = answer] = new RegExp(`^\\s{0,9}${letter} {0,2}=(.{0,60})$`).exec(answer) ?? [];
    return gradeNumber(`${value}`, given);
  },
  solution: ({ value }) => `${value}`,
  phrasings,
  steps: ({ working }) => working,
};

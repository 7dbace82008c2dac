// Small functions in JavaScript, judged by what they return. Difficulty: 1 a number, 2 two numbers, 3 a text, 4 a list.
//
// The answer is a function expression, `n => n + 7`. It is called with arguments that the prompt does not show
// (program.ts). Functions that differ only in their numbers have different keys.
import type { Random } from '../../math/index.ts';
import type { Problem, Task } from '../task.ts';

type Value = number | string | readonly number[];

export interface CodeProblem extends Problem {
  /** What the function returns, in words. */
  readonly task: string;
  readonly solution: string;
  readonly cases: readonly { readonly args: readonly Value[]; readonly expected: Value | boolean }[];
}

/** A function with two numbers of its own: what it does in words, in JavaScript, and as it is. */
interface FunctionKind {
  readonly task: (a: number, b: number) => string;
  readonly source: (a: number, b: number) => string;
  readonly compute: (a: number, b: number) => (...args: never[]) => Value | boolean;
}

const numberFunctions: readonly FunctionKind[] = [
  { task: (a) => `n plus ${a}`, source: (a) => `n => n + ${a}`, compute: (a) => (n: number) => n + a },
  { task: (a) => `n minus ${a}`, source: (a) => `n => n - ${a}`, compute: (a) => (n: number) => n - a },
  { task: (a) => `n times ${a}`, source: (a) => `n => n * ${a}`, compute: (a) => (n: number) => n * a },
  {
    task: (a, b) => `${a} times n plus ${b}`,
    source: (a, b) => `n => ${a} * n + ${b}`,
    compute: (a, b) => (n: number) => a * n + b,
  },
  {
    task: (a) => `the square of n plus ${a}`,
    source: (a) => `n => n * n + ${a}`,
    compute: (a) => (n: number) => n * n + a,
  },
  {
    task: (a) => `the remainder of n divided by ${a}`,
    source: (a) => `n => n % ${a}`,
    compute: (a) => (n: number) => n % a,
  },
  {
    task: (a) => `true if ${a} divides n, else false`,
    source: (a) => `n => n % ${a} === 0`,
    compute: (a) => (n: number) => n % a === 0,
  },
];

const pairFunctions: readonly FunctionKind[] = [
  {
    task: (k) => `the sum of a and b times ${k}`,
    source: (k) => `(a, b) => (a + b) * ${k}`,
    compute: (k) => (a: number, b: number) => (a + b) * k,
  },
  {
    task: (k) => `the larger of a and b plus ${k}`,
    source: (k) => `(a, b) => Math.max(a, b) + ${k}`,
    compute: (k) => (a: number, b: number) => Math.max(a, b) + k,
  },
  {
    task: (k) => `the smaller of a and b minus ${k}`,
    source: (k) => `(a, b) => Math.min(a, b) - ${k}`,
    compute: (k) => (a: number, b: number) => Math.min(a, b) - k,
  },
  {
    task: (k) => `a times b plus ${k}`,
    source: (k) => `(a, b) => a * b + ${k}`,
    compute: (k) => (a: number, b: number) => a * b + k,
  },
  {
    task: (k) => `true if a is larger than b plus ${k}, else false`,
    source: (k) => `(a, b) => a > b + ${k}`,
    compute: (k) => (a: number, b: number) => a > b + k,
  },
];

const textFunctions: readonly FunctionKind[] = [
  {
    task: (k) => `the first ${k} letters of s`,
    source: (k) => `s => s.slice(0, ${k})`,
    compute: (k) => (s: string) => s.slice(0, k),
  },
  {
    task: (k) => `s without its first ${k} letters`,
    source: (k) => `s => s.slice(${k})`,
    compute: (k) => (s: string) => s.slice(k),
  },
  {
    task: (k) => `s repeated ${k} times`,
    source: (k) => `s => s.repeat(${k})`,
    compute: (k) => (s: string) => s.repeat(k),
  },
  {
    task: (k) => `the length of s plus ${k}`,
    source: (k) => `s => s.length + ${k}`,
    compute: (k) => (s: string) => s.length + k,
  },
  {
    task: (k) => `s in capital letters with ${k} at the end`,
    source: (k) => `s => s.toUpperCase() + '${k}'`,
    compute: (k) => (s: string) => `${s.toUpperCase()}${k}`,
  },
];

const listFunctions: readonly FunctionKind[] = [
  {
    task: (k) => `the sum of list plus ${k}`,
    source: (k) => `list => list.reduce((a, b) => a + b, ${k})`,
    compute: (k) => (list: number[]) => list.reduce((a, b) => a + b, k),
  },
  {
    task: (k) => `each number of list times ${k}`,
    source: (k) => `list => list.map(n => n * ${k})`,
    compute: (k) => (list: number[]) => list.map((n) => n * k),
  },
  {
    task: (k) => `the numbers of list above ${k}`,
    source: (k) => `list => list.filter(n => n > ${k})`,
    compute: (k) => (list: number[]) => list.filter((n) => n > k),
  },
  {
    task: (k) => `the largest number of list plus ${k}`,
    source: (k) => `list => Math.max(...list) + ${k}`,
    compute: (k) => (list: number[]) => Math.max(...list) + k,
  },
];

const number = (random: Random) => random.whole(-20, 60);
const text = (random: Random) =>
  Array.from({ length: random.whole(1, 12) }, () => random.pick([...'abcdefgh'])).join('');
const list = (random: Random) => Array.from({ length: random.whole(1, 7) }, () => number(random));

/** The functions and their arguments, for each difficulty from 1. */
const levels: readonly {
  readonly kinds: readonly FunctionKind[];
  readonly args: (random: Random) => readonly Value[];
}[] = [
  { kinds: numberFunctions, args: (random) => [number(random)] },
  { kinds: pairFunctions, args: (random) => [number(random), number(random)] },
  { kinds: textFunctions, args: (random) => [text(random)] },
  { kinds: listFunctions, args: (random) => [list(random)] },
];

const caseCount = 8;

function problem(random: Random, difficulty: number): CodeProblem {
  const { kinds, args } = levels[difficulty - 1];
  const kind = random.pick(kinds);
  const [a, b] = [random.whole(2, difficulty === 3 ? 9 : 30), random.whole(1, 30)];
  const compute = kind.compute(a, b) as (...args: readonly Value[]) => Value | boolean;
  const cases = Array.from({ length: caseCount }, () => args(random)).map((given) => ({
    args: given,
    expected: compute(...given),
  }));
  const task = kind.task(a, b);
  return {
    prompt: `Write a JavaScript function that returns ${task}.`,
    key: task,
    task,
    solution: kind.source(a, b),
    cases,
  };
}

function phrasings({ prompt, task, solution }: CodeProblem): string[] {
  const [parameters] = solution.split(' => ');
  const call = parameters.startsWith('(') ? `f${parameters}` : `f(${parameters})`;
  return [
    prompt,
    `JavaScript function: ${task}`,
    `Give me a JavaScript function that returns ${task}.`,
    `Write ${call} in JavaScript. It returns ${task}.`,
    `Write a function that returns ${task}.`,
    `Code a function that computes ${task}.`,
    `In JavaScript, write ${call} that returns ${task}.`,
    `Which JavaScript function returns ${task}?`,
    `I need a JavaScript function: ${task}.`,
    `Write an arrow function that returns ${task}.`,
    `Write code for ${call}: ${task}`,
    `Implement ${call} so that it returns ${task}.`,
    `Define a JavaScript function that returns ${task}.`,
    `${call} returns ${task}. Write it.`,
    `How do I write a function that returns ${task}?`,
    `Please write a JavaScript function that returns ${task}.`,
    `Write a one-line function that returns ${task}.`,
    `Program a function that returns ${task}.`,
  ];
}

/** Everything but the grader, which runs programs and so has a thread of its own (code-grader.ts). */
export const code: Omit<Task<CodeProblem>, 'grade'> = {
  name: 'code',
  description: 'Write a small function in JavaScript.',
  difficulty: { from: 1, to: 4, default: 1 },
  problem,
  solution: ({ solution }) => solution,
  phrasings,
  steps: ({ task, solution }) => [`given ${solution.split(' => ')[0].replace(/[()]/g, '')}, return ${task}`],
};

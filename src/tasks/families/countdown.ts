// Countdown: make a target from numbers, each used exactly once, with + - * /. As in TinyZero and Stream of Search.
//
// Numbers from 1 to 99 and a target from 10 to 99, computed by a random expression whose every step is a whole number:
// each problem has a solution. Difficulty is the number of numbers. Problems with the same numbers share a key,
// whatever their target: held-out number sets never occur in training. Sources: github.com/Jiayi-Pan/TinyZero; Gandhi
// et al. 2024, "Stream of Search".
import type { Random } from '../../math/index.ts';
import { readExpression } from '../expression.ts';
import { equals, formatRational, type Operator, rational } from '../rational.ts';
import type { Problem, Task, Verdict } from '../task.ts';

export interface CountdownProblem extends Problem {
  readonly numbers: readonly number[];
  readonly target: number;
  readonly solution: string;
}

const largest = 99;
const targets = { from: 10, to: 99 };

/** A value and the expression that makes it. */
export interface Term {
  readonly value: number;
  readonly text: string;
}

export const operators: readonly Operator[] = ['+', '-', '*', '/'];

/** Combines two terms. Returns null unless the value is a whole number from 0 to 9999. */
export function combineTerms(x: Term, operator: Operator, y: Term): Term | null {
  const value = { '+': x.value + y.value, '-': x.value - y.value, '*': x.value * y.value, '/': x.value / y.value }[
    operator
  ];
  if (!Number.isInteger(value) || value < 0 || value > 9999) return null;
  const isProduct = operator === '*' || operator === '/';
  const needs = (side: Term, isRight: boolean) =>
    (isProduct && /[+-]/.test(outerOperators(side.text))) ||
    (isRight && (operator === '-' || operator === '/') && outerOperators(side.text) !== '');
  const left = needs(x, false) ? `(${x.text})` : x.text;
  const right = needs(y, true) ? `(${y.text})` : y.text;
  return { value, text: `${left}${operator}${right}` };
}

/** Returns the operators of an expression outside all parentheses. */
function outerOperators(text: string): string {
  let inner = text;
  while (/\([^()]*\)/.test(inner)) inner = inner.replace(/\([^()]*\)/g, '');
  return inner.replace(/\d/g, '');
}

export const toTerm = (value: number): Term => ({ value, text: `${value}` });

/** Draws an expression that uses all numbers. Returns null where a step is no whole number. */
function expression(random: Random, numbers: readonly number[]): Term | null {
  let parts = numbers.map(toTerm);
  while (parts.length > 1) {
    const [x, y, ...rest] = random.shuffled(parts) as [Term, Term, ...Term[]];
    const made = combineTerms(x, random.pick(operators), y);
    if (made === null) return null;
    parts = [made, ...rest];
  }
  return parts[0];
}

function problem(random: Random, count: number): CountdownProblem {
  for (;;) {
    const numbers = Array.from({ length: count }, () => random.whole(1, largest));
    const made = expression(random, numbers);
    if (made === null || made.value < targets.from || made.value > targets.to) continue;
    return {
      prompt: `Make ${made.value} from ${numbers.join(', ')}.`,
      key: [...numbers].sort((a, b) => a - b).join(' '),
      numbers,
      target: made.value,
      solution: made.text,
    };
  }
}

export function gradeCountdown(
  { numbers, target }: Pick<CountdownProblem, 'numbers' | 'target'>,
  answer: string,
): Verdict {
  const wrong = (reason: string): Verdict => ({ correct: false, reason });
  const [left, right, ...more] = answer.split('=');
  if (more.length > 0 || (right !== undefined && right.trim() !== `${target}`))
    return wrong(`the text after "=" is not ${target}`);
  const read = readExpression(left);
  if ('problem' in read) return wrong(`the expression cannot be read: ${read.problem}`);
  const sorted = (list: readonly (bigint | number)[]) => list.map(Number).sort((a, b) => a - b);
  const [used, given] = [sorted(read.numbers), sorted(numbers)];
  if (used.join() !== given.join()) return wrong(`it uses ${used.join(', ')}, not each of ${given.join(', ')} once`);
  const reason = `it makes ${formatRational(read.value)}`;
  return { correct: equals(read.value, rational(target) as NonNullable<ReturnType<typeof rational>>), reason };
}

function phrasings({ prompt, numbers, target }: CountdownProblem): string[] {
  const list = numbers.join(', ');
  const spaced = numbers.join(' ');
  const listed = `${numbers.slice(0, -1).join(', ')} and ${numbers[numbers.length - 1]}`;
  return [
    prompt,
    `${target} from ${list}?`,
    `Using ${listed}, make ${target}.`,
    `Use ${list} to get ${target}.`,
    `${list} to ${target}?`,
    `Reach ${target} with ${listed}.`,
    `Make ${target} out of ${listed}.`,
    `How can I make ${target} from ${listed}?`,
    `Combine ${listed} so that they give ${target}.`,
    `Can you get ${target} from ${list}?`,
    `Numbers: ${list}. Target: ${target}.`,
    `Find a way to make ${target} from the numbers ${listed}.`,
    `Get ${target} using each of ${list} once.`,
    `With + - * / make ${target} from ${listed}.`,
    `I have the numbers ${listed}. Make ${target}, please.`,
    `Write ${target} with ${listed}, each used once.`,
    `Countdown: ${list}, target ${target}.`,
    `How do you get ${target} from ${listed}?`,
    `Make ${target} from ${spaced}.`,
    `I want ${target}. My numbers are ${list}.`,
    `Which expression with ${listed} gives ${target}?`,
    `Goal: ${target}, numbers: ${spaced}`,
    `Make ${target} with ${list}.`,
    `Hit ${target} using ${listed}.`,
    `Play countdown with ${list}. The target is ${target}.`,
    `${target} with ${spaced}`,
    `Form ${target} from ${listed} with plus, minus, times and divide.`,
    `How do I get to ${target} with ${listed}?`,
    `Use each of ${listed} once to reach ${target}.`,
    `My numbers: ${list}. I need ${target}.`,
  ];
}

export const countdown: Task<CountdownProblem> = {
  name: 'countdown',
  description: 'Make a target from numbers, each used once, with + - * /.',
  difficulty: { from: 2, to: 6, default: 3 },
  problem,
  grade: gradeCountdown,
  solution: ({ solution }) => solution,
  phrasings,
};

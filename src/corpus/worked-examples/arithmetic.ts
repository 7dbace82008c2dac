// Worked examples of arithmetic: digit by digit from the right, with carries, slips, checks, detours and giving up.
//
// Sums, differences and products with one digit take a line, `347+58: 7+8=15, 4+5+1=10, 3+1=4 -> 405`; a longer product
// takes a line for each digit and sums for what they make. A check goes backward (a sum is checked by a difference) or
// computes everything once more. No text is an instruction.
import type { Random } from '../../math/index.ts';
import {
  type ArithmeticProblem,
  addInColumns,
  arithmetic,
  type Calculation,
  formatCalculation,
  multiplyInColumns,
  type Operation,
  subtractInColumns,
} from '../../tasks/index.ts';
import type { WorkedExamples } from './document.ts';
import { Scratchpad, type Solution, type Work } from './scratchpad.ts';

/** Draws how a worker behaves. Longer problems are worked with more care, or hardly anybody would finish them. */
function drawRates(random: Random, difficulty: number) {
  const scale = difficulty > 3 ? 0.4 : 1;
  return {
    error: scale * random.pick([0, 0.03, 0.08, 0.2]),
    correction: random.pick([0.3, 0.5, 0.9]),
    check: random.pick([0, 0, 0.3, 0.8]),
    patience: random.pick([0.5, 0.8, 0.95]),
    /** The worker begins in a way that leads nowhere. */
    detour: random.pick([0, 0.1, 0.3]),
    giveUp: scale * random.pick([0, 0.05, 0.12]),
  };
}

type Rates = ReturnType<typeof drawRates>;

function* add(pad: Scratchpad, x: number, y: number, prefix = ''): Work<number> {
  const { text, value } = addInColumns(x, y, pad.equate);
  yield pad.write(`${prefix}${text}`);
  return value;
}

/** Returns null for a difference below 0. */
function* subtract(pad: Scratchpad, x: number, y: number, prefix = ''): Work<number | null> {
  if (x < y) {
    yield pad.write(`${prefix}${x}-${y} less than 0`);
    return null;
  }
  const { text, value } = subtractInColumns(x, y, pad.equate);
  yield pad.write(`${prefix}${text}`);
  return value;
}

function* multiply(pad: Scratchpad, x: number, y: number): Work<number> {
  const lines = multiplyInColumns(x, y, pad.equate);
  let line = lines.next();
  for (; !line.done; line = lines.next()) {
    yield pad.write(line.value.text);
    if (line.value.shifted !== undefined) pad.append(line.value.shifted);
  }
  return line.value;
}

const procedures = { '+': add, '-': subtract, '*': multiply } as const;

/** Returns the value that the worker believes; null where a difference is below 0. */
function* compute(pad: Scratchpad, calculation: Calculation): Work<number | null> {
  if (typeof calculation === 'number') return calculation;
  const [left, operator, right] = calculation;
  const x = yield* compute(pad, left);
  const y = yield* compute(pad, right);
  return x === null || y === null ? null : yield* procedures[operator](pad, x, y);
}

/** Returns whether a check leads to the same value. */
function* check(pad: Scratchpad, calculation: Operation, value: number): Work<boolean> {
  const [left, operator, right] = calculation;
  if (operator !== '*' && typeof left === 'number' && typeof right === 'number')
    return (yield* (operator === '+' ? subtract : add)(pad, value, right, 'check ')) === left;
  pad.write('check');
  return (yield* compute(pad, calculation)) === value;
}

/** The beginning of another way, which is abandoned. */
function detour(calculation: Operation): string {
  const [left, operator, right] = calculation;
  if (typeof left !== 'number' || typeof right !== 'number' || operator === '-')
    return `${formatCalculation(calculation, '')} all at once no`;
  const [x, y] = [Math.round(left / 10) * 10, Math.round(right / 10) * 10];
  return `about ${x}${operator}${y}=${operator === '+' ? x + y : x * y} no`;
}

function* work(pad: Scratchpad, calculation: Operation, rates: Rates): Work<string | null> {
  if (pad.random.chance(rates.detour)) yield pad.write(detour(calculation));
  for (;;) {
    const value = yield* compute(pad, calculation);
    if (value !== null) {
      if (!pad.random.chance(rates.check)) return `${value}`;
      const isConfirmed = yield* check(pad, calculation, value);
      pad.append(isConfirmed ? 'ok' : 'no');
      if (isConfirmed) return `${value}`;
    } else pad.append('no');
    if (!pad.random.chance(rates.patience)) return null;
    pad.restart();
  }
}

function solve(random: Random, { calculation }: ArithmeticProblem, difficulty: number): Solution {
  const rates = drawRates(random, difficulty);
  const pad = new Scratchpad(random, rates);
  return pad.finish(work(pad, calculation, rates), ['give up', 'too long']);
}

/** All levels, the short ones more often. */
export const arithmeticExamples: WorkedExamples<ArithmeticProblem> = {
  task: arithmetic,
  difficulty: (random) => random.pick([1, 1, 2, 2, 3, 3, 4, 5, 6]),
  solve,
  phrase: (random, { prompt, calculation }) => {
    const short = formatCalculation(calculation, '');
    return random.pick([prompt, prompt, `${short}?`, `${formatCalculation(calculation)} =`, `How much is ${short}?`]);
  },
  conclusion: ({ calculation }, answer) => `${formatCalculation(calculation, '')}=${answer}`,
};

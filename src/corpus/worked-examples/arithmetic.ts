// Worked examples of arithmetic: digit by digit from the right, with carries, slips, checks, detours and giving up.
//
// Sums, differences and products with one digit take a line, `347+58: 7+8=15, 4+5+1=10, 3+1=4 -> 405`; a longer product
// takes a line for each digit and sums for what they make. A check goes backward (a sum is checked by a difference) or
// computes everything once more. No text is an instruction.
import type { Random } from '../../math/index.ts';
import {
  type ArithmeticProblem,
  arithmetic,
  type Calculation,
  formatCalculation,
  type Operation,
} from '../../tasks/index.ts';
import type { WorkedExamples } from './document.ts';
import { Scratchpad, type Solution, type Work, type Written } from './scratchpad.ts';

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

/** Digits from the right. */
const toDigits = (value: number): number[] => [...`${value}`].reverse().map(Number);

/** Writes a result column by column; each column is an equation whose tens are carried. */
function* columns(
  pad: Scratchpad,
  head: string,
  count: number,
  column: (i: number, carry: number) => Written,
): Work<number> {
  const texts: string[] = [];
  let digits = '';
  let carry = 0;
  for (let i = 0; i < count; i++) {
    const { text, value } = column(i, carry);
    texts.push(text);
    digits = `${value % 10}${digits}`;
    carry = Math.floor(value / 10);
  }
  const result = Number(`${carry}${digits}`);
  yield pad.write(`${head}: ${texts.join(', ')} -> ${result}`);
  return result;
}

const copied = (digit: number): Written => ({ text: `${digit}`, value: digit });

function withCarry(left: string, value: number, carry: number) {
  return carry === 0 ? { left, value } : { left: `${left}+${carry}`, value: value + carry, forgetful: { left, value } };
}

function* add(pad: Scratchpad, x: number, y: number, prefix = ''): Work<number> {
  const [a, b] = [toDigits(x), toDigits(y)];
  return yield* columns(pad, `${prefix}${x}+${y}`, Math.max(a.length, b.length), (i, carry) => {
    const digits = [a[i], b[i]].filter((digit) => digit !== undefined);
    const sum = digits.reduce((total, digit) => total + digit, 0);
    return digits.length === 1 && carry === 0 ? copied(sum) : pad.equation(withCarry(digits.join('+'), sum, carry));
  });
}

/** Returns null for a difference below 0. */
function* subtract(pad: Scratchpad, x: number, y: number, prefix = ''): Work<number | null> {
  if (x < y) {
    yield pad.write(`${prefix}${x}-${y} less than 0`);
    return null;
  }
  const [a, b] = [toDigits(x), toDigits(y)] as [number[], (number | undefined)[]];
  let borrowed = 0;
  return yield* columns(pad, `${prefix}${x}-${y}`, a.length, (i) => {
    const [bottom, borrow] = [b[i], borrowed];
    if (bottom === undefined && borrow === 0) return copied(a[i]);
    borrowed = a[i] < (bottom ?? 0) + borrow ? 1 : 0;
    const top = a[i] + 10 * borrowed;
    const full = { left: bottom === undefined ? `${top}` : `${top}-${bottom}`, value: top - (bottom ?? 0) };
    const isDigit = (digit: number) => digit >= 0 && digit <= 9;
    if (borrow === 0) return pad.equation(full, isDigit);
    return pad.equation({ left: `${full.left}-1`, value: full.value - 1, forgetful: full }, isDigit);
  });
}

function* multiply(pad: Scratchpad, x: number, y: number): Work<number> {
  const a = toDigits(x);
  let total: number | null = null;
  for (const [place, digit] of toDigits(y).entries()) {
    if (digit === 0) continue;
    const product = yield* columns(pad, `${x}*${digit}`, a.length, (i, carry) =>
      pad.equation(withCarry(`${a[i]}*${digit}`, a[i] * digit, carry)),
    );
    const shifted = product * 10 ** place;
    if (place > 0) pad.append(`so ${shifted}`);
    total = total === null ? shifted : yield* add(pad, shifted, total);
  }
  return total ?? 0;
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

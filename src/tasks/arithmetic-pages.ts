// Pages on which people compute: digit by digit from the right, with carries, slips, checks, dead ends and giving up.
//
// For pretraining a base model, as countdown-pages.ts: no page is an instruction. Sums, differences and products with
// one digit take a line, `347+58: 7+8=15, 4+5+1=10, 3+1=4 -> 405`; a longer product takes a line for each digit and sums
// for what they make. Checks go the way back (a sum is checked by a difference) or compute it once more.
import { type ArithmeticProblem, arithmetic, type Calculation, written } from './arithmetic.ts';
import type { Search } from './countdown-pages.ts';
import { type Care, ending, Notes, Tired } from './notes.ts';
import type { Random } from './random.ts';
import { trainingProblem } from './task.ts';

/** Longer problems are worked with more care, or hardly anybody would finish them. */
function careOf(random: Random, difficulty: number): Care {
  const haste = difficulty > 3 ? 0.4 : 1;
  return {
    slips: haste * random.pick([0, 0.03, 0.08, 0.2]),
    notices: random.pick([0.3, 0.5, 0.9]),
    checks: random.pick([0, 0, 0.3, 0.8]),
    patience: random.pick([0.5, 0.8, 0.95]),
    wanders: random.pick([0, 0.1, 0.3]),
    tires: haste * random.pick([0, 0.05, 0.12]),
  };
}

/** Digits from the right. */
const digitsOf = (value: number): number[] => [...`${value}`].reverse().map(Number);
const valueOfDigits = (digits: readonly number[]): number => Number([...digits].reverse().join(''));

class Computation extends Notes {
  /** Digits of a result, column by column; each column is an equation, what is beyond ten is carried. */
  #columns(head: string, count: number, column: (i: number, carry: number) => Column): number {
    const [texts, digits] = [[] as string[], [] as number[]];
    let carry = 0;
    for (let i = 0; i < count; i++) {
      const { text, value } = column(i, carry);
      texts.push(text);
      digits.push(value % 10);
      carry = Math.floor(value / 10);
    }
    const result = valueOfDigits([...digits, ...(carry > 0 ? digitsOf(carry) : [])]);
    this.line(`${head}: ${texts.join(', ')} -> ${result}`);
    return result;
  }

  add(x: number, y: number, word = ''): number {
    const [a, b] = [digitsOf(x), digitsOf(y)];
    return this.#columns(`${word}${x}+${y}`, Math.max(a.length, b.length), (i, carry) => {
      const both = [a[i], b[i]].filter((digit) => digit !== undefined);
      const sum = both.reduce((total, digit) => total + digit, 0);
      if (carry === 0) return both.length === 1 ? copied(sum) : this.equation({ left: both.join('+'), value: sum });
      const forgetful = { left: both.join('+'), value: sum };
      return this.equation({ left: `${both.join('+')}+${carry}`, value: sum + carry, forgetful });
    });
  }

  /** Null where it is less than 0. */
  subtract(x: number, y: number, word = ''): number | null {
    if (x < y) {
      this.line(`${word}${x}-${y} less than 0`);
      return null;
    }
    const [a, b] = [digitsOf(x), digitsOf(y)];
    let borrowed = 0;
    return this.#columns(`${word}${x}-${y}`, a.length, (i) => {
      const [top, bottom, one] = [a[i], b[i], borrowed];
      if (bottom === undefined && one === 0) return copied(top);
      borrowed = top - (bottom ?? 0) - one < 0 ? 1 : 0;
      const from = top + 10 * borrowed;
      const left = `${from}${bottom === undefined ? '' : `-${bottom}`}`;
      const value = from - (bottom ?? 0);
      const isDigit = (digit: number) => digit >= 0 && digit <= 9;
      if (one === 0) return this.equation({ left, value }, isDigit);
      return this.equation({ left: `${left}-1`, value: value - 1, forgetful: { left, value } }, isDigit);
    });
  }

  #timesDigit(x: number, digit: number): number {
    const a = digitsOf(x);
    return this.#columns(`${x}*${digit}`, a.length, (i, carry) => {
      const left = `${a[i]}*${digit}`;
      const value = a[i] * digit;
      if (carry === 0) return this.equation({ left, value });
      return this.equation({ left: `${left}+${carry}`, value: value + carry, forgetful: { left, value } });
    });
  }

  multiply(x: number, y: number): number {
    let total: number | null = null;
    for (const [i, digit] of digitsOf(y).entries()) {
      if (digit === 0) continue;
      const part = this.#timesDigit(x, digit) * 10 ** i;
      if (i > 0) this.mark(`so ${part}`);
      total = total === null ? part : this.add(part, total);
    }
    return total ?? 0;
  }

  /** The value that is believed; null where a difference would be less than 0. */
  compute(calculation: Calculation): number | null {
    if (typeof calculation === 'number') return calculation;
    const [left, operator, right] = calculation;
    const [x, y] = [this.compute(left), this.compute(right)];
    if (x === null || y === null) return null;
    return operator === '+' ? this.add(x, y) : operator === '-' ? this.subtract(x, y) : this.multiply(x, y);
  }

  /** Whether a look at it from another side gives no doubt. */
  confirms(calculation: Calculation, value: number): boolean {
    const [left, operator, right] = calculation as Exclude<Calculation, number>;
    if (operator !== '*' && typeof left === 'number' && typeof right === 'number')
      return (operator === '+' ? this.subtract(value, right, 'check ') : this.add(value, right, 'check ')) === left;
    this.lines.push('check');
    return this.compute(calculation) === value;
  }
}

interface Column {
  readonly text: string;
  readonly value: number;
}

const copied = (digit: number): Column => ({ text: `${digit}`, value: digit });

/** The beginning of another way, which is left. */
function wander(calculation: Calculation): string {
  const [left, operator, right] = calculation as Exclude<Calculation, number>;
  if (typeof left !== 'number' || typeof right !== 'number' || operator === '-')
    return `${written(calculation, '')} all at once no`;
  const [x, y] = [left, right].map((value) => Math.round(value / 10) * 10) as [number, number];
  return `about ${x}${operator}${y}=${operator === '+' ? x + y : x * y} no`;
}

/** Somebody computes. */
export function workArithmetic(random: Random, { calculation }: ArithmeticProblem, difficulty: number): Search {
  const notes = new Computation(random, careOf(random, difficulty));
  const { care } = notes;
  try {
    if (random.chance(care.wanders)) notes.line(wander(calculation));
    for (let attempt = 0; ; attempt++) {
      if (attempt > 0) notes.begin();
      const value = notes.compute(calculation);
      if (value !== null) {
        const looks = random.chance(care.checks);
        const isBelieved = !looks || notes.confirms(calculation, value);
        if (looks && isBelieved) notes.mark('ok');
        if (isBelieved) return { text: notes.text, answer: `${value}` };
      }
      notes.mark('no');
      if (!random.chance(care.patience)) break;
    }
  } catch (error) {
    if (!(error instanceof Tired)) throw error;
  }
  notes.lines.push(random.pick(['give up', 'too long']));
  return { text: notes.text, answer: null };
}

/** A problem as people put it. */
export function putArithmetic(random: Random, { prompt, calculation }: ArithmeticProblem): string {
  const short = written(calculation, '');
  return random.pick([prompt, prompt, `${short}?`, `${written(calculation)} =`, `How much is ${short}?`]);
}

/** A page: a problem, how it is worked out, and what came of it. */
export function arithmeticPage(random: Random, difficulty: number): string {
  const problem = trainingProblem(arithmetic, random, difficulty);
  const { text, answer } = workArithmetic(random, problem, difficulty);
  const end = answer === null ? '' : ending(random, answer, `${written(problem.calculation, '')}=`);
  return `${putArithmetic(random, problem)}\n${text}${end}`;
}

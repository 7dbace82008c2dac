// Numbers between bounds as rules: ranges of digits, by length and leading digits.
import { GrammarError } from './errors.ts';
import { characters, choice, type Expression, none, repeat, sequence, text } from './rules.ts';

const maxDigits = 15;
/** Whole numbers beyond are not exact in a double. */
const largest = 10 ** maxDigits - 1;

const digits = (from: number, to: number): Expression => characters([[0x30 + from, 0x30 + to]]);
const anyDigits = (count: number): Expression => repeat(digits(0, 9), count, count);

/** Digits of equal length from `low` to `high`. */
function sameLength(low: string, high: string): Expression {
  if (/^0*$/.test(low) && /^9*$/.test(high)) return anyDigits(low.length);
  const [from, to] = [Number(low[0]), Number(high[0])];
  const rest = low.length - 1;
  if (from === to) return sequence(digits(from, from), sameLength(low.slice(1), high.slice(1)));
  return choice(
    sequence(digits(from, from), sameLength(low.slice(1), '9'.repeat(rest))),
    to - from > 1 ? sequence(digits(from + 1, to - 1), anyDigits(rest)) : none,
    sequence(digits(to, to), sameLength('0'.repeat(rest), high.slice(1))),
  );
}

/** Numbers from `low` to `high`, neither of them negative. */
function natural(low: number, high: number): Expression {
  if (low > high) return none;
  const [from, to] = [`${low}`, `${high}`];
  const parts: Expression[] = [];
  for (let length = from.length; length <= to.length; length++) {
    const least = length === from.length ? from : `1${'0'.repeat(length - 1)}`;
    parts.push(sameLength(least, length === to.length ? to : '9'.repeat(length)));
  }
  return choice(...parts);
}

/** Whole numbers of at most 15 digits between two bounds, both possible. */
export function wholeBetween(low: number, high: number): Expression {
  const [from, to] = [Math.max(Math.ceil(low), -largest), Math.min(Math.floor(high), largest)];
  if (from > to) return none;
  const negative = from < 0 ? sequence(text('-'), natural(Math.max(1, -to), -from)) : none;
  return choice(to >= 0 ? natural(Math.max(0, from), to) : none, negative);
}

export interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly isAboveMin: boolean;
  readonly isBelowMax: boolean;
}

/** A fraction above 0. */
const positive = sequence(text('.'), repeat(digits(0, 9), 0, 5), digits(1, 9));

/**
 * Decimal numbers between bounds: whole ones, and those with a fraction whose neighbors are within. Throws GrammarError
 * where none of these lies between.
 */
export function decimalBetween({ min, max, isAboveMin, isBelowMax }: Bounds): Expression {
  const [low, high] = [Math.ceil(min), Math.floor(max)];
  const whole = wholeBetween(isAboveMin ? Math.floor(min) + 1 : low, isBelowMax ? Math.ceil(max) - 1 : high);
  const limit = 10 ** 9;
  const [from, to] = [Math.max(low, -limit), Math.min(high, limit)];
  // n.f lies in [n, n + 1), -n.f in (-n - 1, -n].
  const above = to - 1 >= Math.max(0, from) ? sequence(wholeBetween(Math.max(0, from), to - 1), positive) : none;
  const below =
    from + 1 <= Math.min(0, to) ? sequence(text('-'), wholeBetween(Math.max(0, -to), -from - 1), positive) : none;
  const numbers = choice(whole, above, below);
  if (numbers === none)
    throw new GrammarError('no whole number, nor one with a fraction between two of them, lies between these bounds');
  return numbers;
}

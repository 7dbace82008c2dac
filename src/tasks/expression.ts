// A parser of arithmetic expressions, without eval: whole numbers, + - * /, parentheses, a leading sign.
//
// expression = term (('+' | '-') term)*; term = factor (('*' | '/') factor)*; factor = '-' factor | number |
// '(' expression ')'. Typographic signs (x × · ÷ − :) are read as the plain ones. Contract: never throws, takes time
// proportional to the text, refuses texts beyond 200 characters; values are exact.
import { combine, type Operator, type Rational, rational } from './rational.ts';

export interface Expression {
  readonly value: Rational;
  /** The numbers in the expression, from left to right. */
  readonly numbers: readonly bigint[];
}

/** An expression, or what is wrong with the text. */
export type ParsedExpression = Expression | { readonly problem: string };

const maxLength = 200;
const plainSigns: Readonly<Record<string, string>> = {
  '×': '*',
  '·': '*',
  x: '*',
  '÷': '/',
  ':': '/',
  '−': '-',
  '–': '-',
};

class Unreadable extends Error {}

class Reader {
  readonly numbers: bigint[] = [];
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  parse(): Rational {
    const value = this.#expression();
    if (this.#at < this.#tokens.length) throw new Unreadable(`"${this.#tokens[this.#at]}" is unexpected`);
    return value;
  }

  #take(...accepted: readonly string[]): string | null {
    const token = this.#tokens[this.#at];
    if (token === undefined || !accepted.includes(token)) return null;
    this.#at++;
    return token;
  }

  #chain(operand: () => Rational, ...operators: readonly Operator[]): Rational {
    let value = operand();
    for (let op = this.#take(...operators); op !== null; op = this.#take(...operators)) {
      const next = combine(value, op as Operator, operand());
      if (next === null) throw new Unreadable('it divides by 0');
      value = next;
    }
    return value;
  }

  #expression(): Rational {
    return this.#chain(() => this.#term(), '+', '-');
  }

  #term(): Rational {
    return this.#chain(() => this.#factor(), '*', '/');
  }

  #factor(): Rational {
    if (this.#take('-')) return combine(rational(0) as Rational, '-', this.#factor()) as Rational;
    if (this.#take('(')) {
      const inner = this.#expression();
      if (this.#take(')') === null) throw new Unreadable('a parenthesis is not closed');
      return inner;
    }
    const token = this.#tokens[this.#at];
    if (token === undefined) throw new Unreadable('it ends too early');
    if (!/^\d+$/.test(token)) throw new Unreadable(`"${token}" is not a number`);
    this.#at++;
    this.numbers.push(BigInt(token));
    return rational(BigInt(token)) as Rational;
  }
}

export function readExpression(text: string): ParsedExpression {
  const trimmed = text.trim();
  if (trimmed.length > maxLength)
    return { problem: `it has ${trimmed.length} characters, at most ${maxLength} are read` };
  const tokens = (trimmed.match(/\d+|\S/g) ?? []).map((token) => plainSigns[token] ?? token);
  const reader = new Reader(tokens);
  try {
    return { value: reader.parse(), numbers: reader.numbers };
  } catch (error) {
    if (error instanceof Unreadable) return { problem: error.message };
    throw error;
  }
}

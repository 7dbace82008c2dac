// What somebody writes down who works a problem out: lines of short equations, slips, and slips that are noticed.
//
// For the pages of arithmetic and sequences. A slip that is noticed is written `7+8=14 no 7+8=15` or, where something was
// forgotten, `4+5=9 wait 4+5+1=10`. A line that ends with `no` is given up; after a line `again` nothing before it counts.
// At most one slip of an attempt goes unnoticed, so that no two cancel each other and a result that is right was reached
// by equations that are true.
import type { Random } from './random.ts';

/** How somebody works: probabilities. */
export interface Care {
  /** Of an equation gone wrong. */
  readonly slips: number;
  /** Of noticing it at once. */
  readonly notices: number;
  /** Of a check before a result is believed. */
  readonly checks: number;
  /** Of going on after something did not work out. */
  readonly patience: number;
  /** Of beginning in a way that leads nowhere. */
  readonly wanders: number;
  /** Of stopping in the middle, at each line. */
  readonly tires: number;
}

/** An equation as it is true, and as somebody writes it who forgets a part of it. */
export interface Equation {
  readonly left: string;
  readonly value: number;
  readonly forgetful?: { readonly left: string; readonly value: number };
}

/** Thrown by somebody who has had enough. */
export class Tired extends Error {}

export class Notes {
  readonly lines: string[] = [];
  readonly care: Care;
  readonly #random: Random;
  #hasSlipped = false;

  constructor(random: Random, care: Care) {
    this.#random = random;
    this.care = care;
  }

  /** A new attempt; a word for it, if it is not the first. */
  begin(): void {
    this.#hasSlipped = false;
    if (this.lines.length > 0) this.lines.push('again');
  }

  line(text: string): void {
    this.lines.push(text);
    if (this.#random.chance(this.care.tires)) throw new Tired();
  }

  /** Adds to the last line. */
  mark(word: string): void {
    this.lines.push(`${this.lines.pop() ?? ''} ${word}`);
  }

  get text(): string {
    return this.lines.map((line) => `${line}\n`).join('');
  }

  /** What is written for an equation, and the value that is believed. `allowed` says which wrong values are possible. */
  equation(
    equation: Equation,
    allowed = (wrong: number) => wrong >= Math.min(0, equation.value),
  ): { text: string; value: number } {
    const { left, value } = equation;
    const right = { text: `${left}=${value}`, value };
    if (!this.#random.chance(this.care.slips)) return right;
    const { text, value: wrong, word } = this.#slip(equation, allowed);
    if (this.#hasSlipped || this.#random.chance(this.care.notices))
      return { text: `${text} ${word} ${right.text}`, value };
    this.#hasSlipped = true;
    return { text, value: wrong };
  }

  #slip({ left, value, forgetful }: Equation, allowed: (value: number) => boolean) {
    if (forgetful !== undefined && allowed(forgetful.value) && this.#random.chance(0.5)) {
      const isNumber = /^\d+$/.test(forgetful.left);
      const text = isNumber ? forgetful.left : `${forgetful.left}=${forgetful.value}`;
      return { text, value: forgetful.value, word: 'wait' };
    }
    const wrong = [value - 1, value + 1, value - 10, value + 10].filter(allowed);
    const picked = this.#random.pick(wrong);
    return { text: `${left}=${picked}`, value: picked, word: 'no' };
  }
}

/** The end of a page: what is said, in one of the ways people say it. */
export function ending(random: Random, answer: string, question: string): string {
  return random.pick([`${answer}\n`, `so ${answer}\n`, `${question}${answer}\n`]);
}

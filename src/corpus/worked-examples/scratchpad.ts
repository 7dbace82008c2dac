// The scratchpad of a worked example: lines of short equations, with slips that are corrected and slips that are not.
//
// A corrected slip reads `7+8=14 no 7+8=15` or, where a part was forgotten, `4+5=9 wait 4+5+1=10`. A line that ends
// with `no` is rejected; after a line `again` nothing above counts. At most one slip of an attempt stays uncorrected:
// no two can cancel out, so a correct result was reached by true equations alone.
import type { Random } from '../../math/index.ts';
import type { Equate, Equation, Written } from '../../tasks/index.ts';

/** How a simulated worker behaves. Every field is a probability. */
export interface BehaviorRates {
  /** An equation comes out wrong. */
  readonly error: number;
  /** A wrong equation is corrected at once. */
  readonly correction: number;
  /** A result is checked before it is accepted. */
  readonly check: number;
  /** The worker continues after something failed. */
  readonly patience: number;
  /** The worker gives up after a line. */
  readonly giveUp: number;
}

/** A worked problem. */
export interface Solution {
  /** The scratchpad: lines, each ended by a line feed. */
  readonly text: string;
  /** The final answer; null where the worker gave up. */
  readonly answer: string | null;
}

/** Work as a generator: it yields after each line, where the worker may give up, and returns what it found. */
export type Work<T> = Generator<void, T>;

export const joinLines = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

export class Scratchpad {
  readonly lines: string[] = [];
  readonly random: Random;
  readonly #rates: BehaviorRates;
  #hasError = false;

  constructor(random: Random, rates: BehaviorRates) {
    this.random = random;
    this.#rates = rates;
  }

  write(line: string): void {
    this.lines.push(line);
  }

  /** Adds a word to the last line. */
  append(word: string): void {
    this.lines.push(`${this.lines.pop() ?? ''} ${word}`);
  }

  /** Begins a new attempt. */
  restart(): void {
    this.#hasError = false;
    this.lines.push('again');
  }

  /** Writes equations of written arithmetic. */
  readonly equate: Equate = (equation, isPlausible) => this.equation(equation, isPlausible);

  /** Computes an equation, perhaps wrongly. `isPlausible` says which wrong values may be written. */
  equation(equation: Equation, isPlausible = (wrong: number) => wrong >= Math.min(0, equation.value)): Written {
    const right = { text: `${equation.left}=${equation.value}`, value: equation.value };
    if (!this.random.chance(this.#rates.error)) return right;
    const { word, ...wrong } = this.#slip(equation, isPlausible);
    const isCorrected = this.#hasError || this.random.chance(this.#rates.correction);
    if (isCorrected) return { text: `${wrong.text} ${word} ${right.text}`, value: right.value };
    this.#hasError = true;
    return wrong;
  }

  #slip({ left, value, forgetful }: Equation, isPlausible: (value: number) => boolean): Written & { word: string } {
    if (forgetful !== undefined && isPlausible(forgetful.value) && this.random.chance(0.5)) {
      const isNumber = /^\d+$/.test(forgetful.left);
      const text = isNumber ? forgetful.left : `${forgetful.left}=${forgetful.value}`;
      return { text, value: forgetful.value, word: 'wait' };
    }
    const wrong = this.random.pick([value - 1, value + 1, value - 10, value + 10].filter(isPlausible));
    return { text: `${left}=${wrong}`, value: wrong, word: 'no' };
  }

  /** Runs the work until it ends or the worker gives up, with one of `excuses` as the last line. */
  finish(work: Work<string | null>, excuses: readonly string[]): Solution {
    let step = work.next();
    while (!step.done && !this.random.chance(this.#rates.giveUp)) step = work.next();
    const answer = step.done ? step.value : null;
    if (answer === null) this.lines.push(this.random.pick(excuses));
    return { text: joinLines(this.lines), answer };
  }
}

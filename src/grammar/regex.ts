// Regular expressions as rules: JavaScript's syntax, as JSON Schema has it, without what no context-free grammar has.
//
// Supported: literals, escapes, classes, groups, alternatives, repetitions (lazy ones match the same texts), `.` and
// anchors at the ends of a pattern or of its alternatives. Refused by name: look-around, back-references, \b, \p.
// Narrower than JavaScript's: \s and \S are of ASCII. Wider: `.` matches the separators U+2028 and U+2029.
import { GrammarError } from './errors.ts';
import {
  characters,
  choice,
  complement,
  type Expression,
  intersect,
  type Range,
  repeat,
  sequence,
  text,
} from './rules.ts';

/** A pattern; with both anchors a whole text must match it. */
export interface Pattern {
  readonly alternatives: readonly AnchoredPattern[];
}

export interface AnchoredPattern {
  readonly expression: Expression;
  readonly fromStart: boolean;
  readonly toEnd: boolean;
}

const digits: readonly Range[] = [[0x30, 0x39]];
const words: readonly Range[] = [...digits, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
/** White space of ASCII: the rest is neither \s nor \S here. */
const spaces: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
];
const lineEnds: readonly Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
];

const classes: Readonly<Record<string, readonly Range[]>> = {
  d: digits,
  D: complement(digits),
  w: words,
  W: complement(words),
  s: spaces,
  S: intersect(complement(spaces), [[0, 0x7f]]),
};
const controls: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 };

const maxRepeat = 20_000;
const maxDepth = 200;

class RegexReader {
  readonly #units: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#units = [...pattern];
  }

  read(): Pattern {
    const alternatives: AnchoredPattern[] = [];
    do {
      const fromStart = this.#take('^');
      const expression = this.#sequence();
      alternatives.push({ expression, fromStart, toEnd: this.#take('$') });
    } while (this.#take('|'));
    if (this.#at < this.#units.length) this.#refuse(`${JSON.stringify(this.#peek())} has no place here`);
    return { alternatives };
  }

  #refuse(problem: string): never {
    throw new GrammarError(`the pattern cannot be enforced: ${problem} (at character ${this.#at}); write it otherwise`);
  }

  #peek(ahead = 0): string {
    return this.#units[this.#at + ahead] ?? '';
  }

  #take(unit: string): boolean {
    if (this.#peek() !== unit) return false;
    this.#at++;
    return true;
  }

  #choice(): Expression {
    if (++this.#depth > maxDepth) this.#refuse(`it has more than ${maxDepth} groups in each other`);
    const items = [this.#sequence()];
    while (this.#take('|')) items.push(this.#sequence());
    this.#depth--;
    return choice(...items);
  }

  #sequence(): Expression {
    const items: Expression[] = [];
    while (this.#at < this.#units.length && !['|', ')'].includes(this.#peek())) {
      if (this.#peek() === '$' && ['', '|', ')'].includes(this.#peek(1)) && this.#depth === 0) break;
      items.push(this.#quantified(this.#atom()));
    }
    return sequence(...items);
  }

  #quantified(item: Expression): Expression {
    const bounds = this.#bounds();
    if (bounds === null) return item;
    this.#take('?'); // lazy: the same texts
    return repeat(item, ...bounds);
  }

  #bounds(): [number, number | null] | null {
    if (this.#take('*')) return [0, null];
    if (this.#take('+')) return [1, null];
    if (this.#take('?')) return [0, 1];
    const found = /^\{(\d{1,6})(,(\d{0,6}))?\}/.exec(this.#units.slice(this.#at, this.#at + 16).join(''));
    if (found === null) return null;
    this.#at += found[0].length;
    const min = Number(found[1]);
    const max = found[2] === undefined ? min : found[3] === '' ? null : Number(found[3]);
    if (min > maxRepeat || (max ?? 0) > maxRepeat) this.#refuse(`a repetition is above ${maxRepeat}`);
    if (max !== null && max < min) this.#refuse('a repetition ends before it begins');
    return [min, max];
  }

  #atom(): Expression {
    const unit = this.#units[this.#at++] as string;
    if (unit === '(') return this.#group();
    if (unit === '[') return characters(this.#class());
    if (unit === '.') return characters(complement(lineEnds));
    if (unit === '\\') {
      const escaped = this.#escape();
      return typeof escaped === 'number' ? text(String.fromCodePoint(escaped)) : characters(escaped);
    }
    if (unit === '^' || unit === '$') this.#refuse('an anchor stands inside of it');
    if (unit === '*' || unit === '+' || unit === '?') this.#refuse(`${unit} repeats nothing`);
    return text(unit);
  }

  #group(): Expression {
    if (this.#take('?')) {
      if (this.#take('<')) {
        if (this.#peek() === '=' || this.#peek() === '!') this.#refuse('it looks behind');
        while (this.#at < this.#units.length && this.#peek() !== '>') this.#at++;
        this.#take('>');
      } else if (!this.#take(':')) this.#refuse('it looks ahead, or its group has flags');
    }
    const inside = this.#choice();
    if (!this.#take(')')) this.#refuse('a group does not end');
    return inside;
  }

  #hex(length: number): number {
    const hex = this.#units.slice(this.#at, this.#at + length).join('');
    if (!/^[0-9a-fA-F]+$/.test(hex) || hex.length !== length) this.#refuse(`\\x or \\u needs ${length} hex digits`);
    this.#at += length;
    return Number.parseInt(hex, 16);
  }

  #unicode(): number {
    if (this.#take('{')) {
      const end = this.#units.indexOf('}', this.#at);
      if (end < 0 || end - this.#at > 6) this.#refuse('\\u{ does not end');
      const point = this.#hex(end - this.#at);
      this.#take('}');
      if (point > 0x10ffff) this.#refuse('\\u{ names no character');
      return point;
    }
    const high = this.#hex(4);
    if (high < 0xd800 || high > 0xdfff) return high;
    if (high > 0xdbff || !(this.#take('\\') && this.#take('u'))) this.#refuse('it has half of a surrogate pair');
    return 0x10000 + (high - 0xd800) * 0x400 + (this.#hex(4) - 0xdc00);
  }

  /** Reads what follows a backslash: a code point, or a class. */
  #escape(): number | readonly Range[] {
    const unit = this.#units[this.#at++];
    if (unit === undefined) this.#refuse('it ends with a backslash');
    const ranges = classes[unit];
    if (ranges !== undefined) return ranges;
    if (unit === 'x') return this.#hex(2);
    if (unit === 'u') return this.#unicode();
    if (unit in controls && !(unit === '0' && /\d/.test(this.#peek()))) return controls[unit];
    if (unit === 'c') return (this.#units[this.#at++]?.codePointAt(0) ?? 0) % 32;
    if (/[1-9k]/.test(unit)) this.#refuse('it refers back to a group');
    if (/[a-zA-Z0]/.test(unit)) this.#refuse(`\\${unit} is not supported`);
    return unit.codePointAt(0) as number;
  }

  #class(): readonly Range[] {
    const isNegated = this.#take('^');
    const ranges: Range[] = [];
    const one = (): number | readonly Range[] => {
      const unit = this.#units[this.#at++];
      if (unit === undefined) this.#refuse('a class does not end');
      if (unit !== '\\') return unit.codePointAt(0) as number;
      return this.#take('b') ? 8 : this.#escape();
    };
    while (!this.#take(']')) {
      const from = one();
      if (typeof from !== 'number') {
        ranges.push(...from);
        continue;
      }
      let to: number | readonly Range[] = from;
      if (this.#peek() === '-' && this.#peek(1) !== ']') {
        this.#at++;
        to = one();
      }
      if (typeof to !== 'number' || to < from) this.#refuse('a range of a class is not in order');
      ranges.push([from, to]);
    }
    return isNegated ? complement(ranges) : ranges;
  }
}

/** Reads a pattern. Throws GrammarError for what cannot be enforced. */
export function readPattern(pattern: string): Pattern {
  if (pattern.length > 10_000)
    throw new GrammarError('the pattern has more than 10000 characters: write a shorter one');
  return new RegexReader(pattern).read();
}

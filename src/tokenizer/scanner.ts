// Hand-written scanners for the regexes of known tokenizers, many times as fast as the regex engine.
//
// Contract: each cuts exactly as its regex with behavior Isolated (scanner.test.ts compares them on random texts);
// other patterns go to the regex engine. No scanner looks back or restarts, so time is linear in the text, even for a
// megabyte of one letter or of spaces, where a backtracking engine runs out of stack.
import { cjk, kindAt, letter, mark, newline, numeral, sign, space, wide } from './character-class.ts';
import type { Cut } from './pieces.ts';

/** Returns the end of the match that starts at `i`; `i` if there is none. */
type Match = (units: Uint16Array, i: number, end: number) => number;

/** Makes a piece of each match and of each text between matches. */
function isolated(match: Match): Cut {
  return ({ units }, start, end, out) => {
    let gap = start;
    for (let i = start; i < end; ) {
      const stop = match(units, i, end);
      if (stop === i) {
        i += kindAt(units, i, end) & wide ? 2 : 1;
        continue;
      }
      if (i > gap) out.push(gap, i);
      out.push(i, stop);
      i = stop;
      gap = stop;
    }
    if (gap < end) out.push(gap, end);
  };
}

/** Returns the end of at most `maxLength` characters that have a flag of `kind`. */
function endOfRun(kind: number, units: Uint16Array, i: number, end: number, maxLength = Number.POSITIVE_INFINITY) {
  for (let n = 0; n < maxLength && i < end; n++) {
    const at = kindAt(units, i, end);
    if ((at & kind) === 0) break;
    i += at & wide ? 2 : 1;
  }
  return i;
}

/** Makes pieces of at most `maxLength` characters of one kind, and of the text between them. */
function runs(kind: number, maxLength = Number.POSITIVE_INFINITY): Cut {
  return isolated((units, i, end) => endOfRun(kind, units, i, end, maxLength));
}

/** Returns the end of the characters that have no flag of `kind`. */
function endOfOthers(kind: number, units: Uint16Array, i: number, end: number): number {
  while (i < end) {
    const at = kindAt(units, i, end);
    if ((at & kind) !== 0) break;
    i += at & wide ? 2 : 1;
  }
  return i;
}

/** `\s+(?!\S)|\s+`: the last of several spaces belongs to the next word. */
function blanks(units: Uint16Array, i: number, end: number): number {
  const stop = endOfRun(space, units, i, end);
  return stop < end && stop - i > 1 ? stop - 1 : stop; // white space takes one unit each
}

/** `\s*[\r\n]+|\s+(?!\S)|\s+` */
function blanksToNewline(units: Uint16Array, i: number, end: number): number {
  let last = -1;
  let stop = i;
  for (; stop < end; stop++) {
    const at = kindAt(units, stop, end);
    if ((at & space) === 0) break;
    if (at & newline) last = stop;
  }
  if (last >= 0) return last + 1;
  return stop < end && stop - i > 1 ? stop - 1 : stop;
}

const isAsciiLetter = (unit: number) => (unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x7a;

/** The third pattern of DeepSeek-V3. */
function deepseekV3(units: Uint16Array, i: number, end: number): number {
  const unit = units[i];
  const kind = kindAt(units, i, end);
  const next = i + (kind & wide ? 2 : 1);
  if (kind & sign) {
    if (unit < 0x80 && next < end && isAsciiLetter(units[next])) {
      let stop = next + 1;
      while (stop < end && isAsciiLetter(units[stop])) stop++;
      return stop;
    }
    return endOfRun(newline, units, endOfRun(sign, units, next, end), end);
  }
  if (kind & (letter | mark)) return endOfRun(letter | mark, units, next, end);
  if ((kind & newline) === 0 && next < end) {
    const after = kindAt(units, next, end);
    if (after & (letter | mark)) return endOfRun(letter | mark, units, next, end);
    if (unit === 0x20 && after & sign) return endOfRun(newline, units, endOfRun(sign, units, next, end), end);
  }
  return kind & space ? blanksToNewline(units, i, end) : i;
}

/** `'s|'t|'re|'ve|'m|'ll|'d` at an apostrophe, `fold` 0x20: in any case, 0: in lower case. */
function contraction(units: Uint16Array, i: number, end: number, fold: number): number {
  if (units[i] !== 0x27 || i + 1 >= end) return i;
  const first = String.fromCharCode(units[i + 1] | fold);
  if (first === 's' || first === 't' || first === 'm' || first === 'd') return i + 2;
  if (i + 2 >= end) return i;
  const both = first + String.fromCharCode(units[i + 2] | fold);
  return both === 're' || both === 've' || both === 'll' ? i + 3 : i;
}

/** Llama 3 and Qwen2, which differ in the number of digits per piece. */
function llama3(digits: number): Match {
  return (units, i, end) => {
    const short = contraction(units, i, end, 0x20);
    if (short > i) return short;
    const kind = kindAt(units, i, end);
    const next = i + (kind & wide ? 2 : 1);
    if (kind & letter) return endOfRun(letter, units, next, end);
    if (kind & numeral) return endOfRun(numeral, units, i, end, digits);
    if ((kind & newline) === 0 && next < end && kindAt(units, next, end) & letter)
      return endOfRun(letter, units, next, end);
    const word = units[i] === 0x20 ? next : i;
    const stop = endOfOthers(space | letter | numeral, units, word, end);
    if (stop > word) return endOfRun(newline, units, stop, end);
    return blanksToNewline(units, i, end);
  };
}

/** GPT-2: the regex of ByteLevel. */
function gpt2(units: Uint16Array, i: number, end: number): number {
  const short = contraction(units, i, end, 0);
  if (short > i) return short;
  const word = units[i] === 0x20 && i + 1 < end ? i + 1 : i;
  const kind = kindAt(units, word, end);
  if (kind & letter) return endOfRun(letter, units, word, end);
  if (kind & numeral) return endOfRun(numeral, units, word, end);
  if ((kind & space) === 0) return endOfOthers(space | letter | numeral, units, word, end);
  return blanks(units, i, end);
}

const blanksTail = '|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
/** The end of the patterns of Llama 3 and Qwen2. */
const llamaTail = ` ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*${blanksTail}`;

export const patterns = {
  gpt2: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  llama3: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|${llamaTail}`,
  qwen2: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|${llamaTail}`,
  deepseekV3:
    '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|' +
    ' ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+',
  cjk: '[一-龥぀-ゟ゠-ヿ]+',
  threeDigits: '\\p{N}{1,3}',
  oneDigit: '\\p{N}',
  digits: '\\p{N}+',
  character: '[\\s\\S]',
} as const;

/** Patterns that leave no text between their matches. */
export const coveringPatterns: ReadonlySet<string> = new Set([patterns.llama3, patterns.qwen2, patterns.gpt2]);

/** The scanner of each regex. */
export const scanners: ReadonlyMap<string, Cut> = new Map<string, Cut>([
  [patterns.gpt2, isolated(gpt2)],
  [patterns.llama3, isolated(llama3(3))],
  [patterns.qwen2, isolated(llama3(1))],
  [patterns.deepseekV3, isolated(deepseekV3)],
  [patterns.cjk, runs(cjk)],
  [patterns.threeDigits, runs(numeral, 3)],
  [patterns.oneDigit, runs(numeral, 1)],
  [patterns.digits, runs(numeral)],
  [patterns.character, isolated((units, i, end) => i + (kindAt(units, i, end) & wide ? 2 : 1))],
]);

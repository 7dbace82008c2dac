// Regular expressions of a tokenizer.json that this program does not know: they may never end, so they run under a
// limit. V8's engine backtracks, and (a+)+$ takes 2^n steps on n letters.
import { runWithin, TimeLimitError } from '../untrusted/index.ts';
import { malformed, TokenizerError } from './errors.ts';

/** The time that unknown patterns get for a text: these seconds, and these for each megabyte (2^20 characters). */
const limitMs = { text: 2000, megabyte: 5000 };
const maxComponents = 64;

/** Whether a pattern is one class of characters, perhaps repeated: then the time is proportional to the text. */
export function isOneClass(pattern: string): boolean {
  const isRepeated = /^(?:\\[sSdDnrt]|\\[pP]\{\w+\}|\[(?:[^[\]\\]|\\.)+\]|[^\\[\](){}.*+?^$|])(?:\+|\{1,\d\})?$/su;
  return isRepeated.test(pattern);
}

const oneAtom = String.raw`\[(?:[^\[\]\\]|\\.)+\]|\\[pP]\{\w+\}|\\.|[^\\\[\](){}.*+?^$|]`;
/** An atom, perhaps with a possessive quantifier. Classes are atoms, so what looks like one in a class is none. */
const possessive = new RegExp(`(${oneAtom})(?:([?*+])\\+)?`, 'gsu');
const difference = /\[((?:[^[\]\\]|\\.)+)&&\[\^((?:[^[\]\\]|\\.)+)\]\]/gs;

const swapCase = (char: string) => (char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase());

/** Spells out a pattern without groups in both cases of ASCII. */
function inBothCases(pattern: string): string {
  const parts = /\\[pP]\{\w+\}|\\.|\[((?:[^\]\\]|\\.)*)\]|[A-Za-z]/gs;
  return pattern.replace(parts, (part, inside: string | undefined) => {
    if (inside === undefined) return part.length > 1 ? part : `[${part.toLowerCase()}${part.toUpperCase()}]`;
    const swapped = inside.replace(/\\[pP]\{\w+\}|\\.|[A-Za-z]/gs, (each) => (each.length > 1 ? each : swapCase(each)));
    return `[${inside}${swapped}]`;
  });
}

/**
 * Translates a pattern of Oniguruma, the engine of tokenizer.json, into JavaScript: `\s` and `\d` cover all of Unicode
 * (V8's `\s` has U+FEFF and lacks U+0085); `(?i:...)`, which V8 supports from Node 23 on, is spelled out in ASCII;
 * scripts have their full names; classes without others (`[a&&[^b]]`) and possessive quantifiers become look-aheads.
 */
export function fromOniguruma(pattern: string): string {
  const unicode = { s: 'p{White_Space}', S: 'P{White_Space}', d: 'p{Nd}', D: 'P{Nd}' } as const;
  let atomics = 0;
  return pattern
    .replace(/\\(.)/gs, (whole, char: string) =>
      char in unicode ? `\\${unicode[char as keyof typeof unicode]}` : whole,
    )
    .replace(/\\([pP])\{(Han|Hiragana|Katakana|Hangul|Bopomofo|Latin|Greek|Cyrillic|Arabic|Thai)\}/g, '\\$1{Script=$2}')
    .replace(difference, '(?:(?![$2])[$1])')
    .replace(possessive, (whole, atom: string, times: string | undefined) => {
      if (times === undefined) return whole;
      const name = `atomic${atomics++}`;
      return `(?:(?=(?<${name}>${atom}${times}))\\k<${name}>)`;
    })
    .replace(/\(\?i:((?:[^()\\]|\\.)*)\)/g, (_, inner: string) => `(?:${inBothCases(inner)})`);
}

/** Returns a pattern that matches the text itself. */
export function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

/** Returns what `work` returns. Throws TokenizerError where the patterns take too long on a text or need too much. */
export function withinLimit<T>(source: string, part: string, text: string, work: () => T): T {
  try {
    return runWithin(limitMs.text + (limitMs.megabyte * text.length) / 2 ** 20, work);
  } catch (error) {
    const isLate = error instanceof TimeLimitError;
    if (!isLate && !(error instanceof RangeError && /stack/.test(error.message))) throw error;
    const problem = isLate ? `take too long (${error.message})` : 'run out of stack';
    throw new TokenizerError(
      source,
      `${part}: its patterns ${problem}, on a text of ${text.length} characters`,
      'send a shorter text, or use another tokenizer',
    );
  }
}

/** Throws TokenizerError for a component with too many or too deeply nested parts. `field`: where the parts stand. */
export function checkComponents(json: unknown, source: string, part: string, field: string): void {
  let level = [json];
  let count = 0;
  for (let depth = 0; level.length > 0; depth++) {
    count += level.length;
    if (count > maxComponents || depth > 8)
      throw malformed(source, `${part}: expected at most ${maxComponents} parts, at most 8 deep`);
    level = level.flatMap((each) => {
      const parts = (each as Record<string, unknown> | null)?.[field];
      return Array.isArray(parts) ? parts : [];
    });
  }
}

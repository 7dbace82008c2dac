// The normalizer of a tokenizer.json: what changes a text before it is cut into words.
//
// What a file asks for and this program does not support is refused by name. Patterns that we do not know run under a
// time limit, and no step may make a text grow beyond measure. Source: github.com/huggingface/tokenizers.
import { readCharacterMap } from './character-map.ts';
import { malformed, TokenizerError, unsupported } from './errors.ts';
import { checkComponents, escapePattern, fromOniguruma, isOneClass, withinLimit } from './foreign-patterns.ts';

type JsonObject = Readonly<Record<string, unknown>>;

export type Normalize = (text: string) => string;

/** A normalized text may be this many times as long as the text, and a little more: U+FDFA becomes 18 characters. */
const maxGrowth = 32;

export interface Normalizer {
  readonly normalize: Normalize;
  /** Whether the time is proportional to the text, because all patterns are known. Others have a time limit. */
  readonly isLinear: boolean;
  /** Whether nothing of a text is lost: it is only put behind something, and spaces become another character. */
  readonly isLossless: boolean;
}

/** Throws a text away that grows beyond all measure: nine replacements of a by ten a make a gigabyte. */
function tooLong(source: string): TokenizerError {
  const problem = `normalizer: it makes a text more than ${maxGrowth} times as long`;
  return new TokenizerError(source, problem, 'use another tokenizer');
}

/** Replaces matches one by one, to stop at `maxLength` characters. */
function replaceWithin(text: string, pattern: RegExp, content: string, maxLength: number, source: string): string {
  let [length, from, out] = [0, 0, ''];
  for (const { 0: match, index } of text.matchAll(pattern)) {
    out += text.slice(from, index) + content;
    length += index - from + content.length;
    from = index + match.length;
    if (length + text.length - from > maxLength) throw tooLong(source);
  }
  return from === 0 && out === '' ? text : out + text.slice(from);
}

/** Combining marks in a row. Normal text has 2, and Unicode's stream-safe format 30. */
const maxMarks = 256;

/** Sorting n combining marks takes n^2 steps: 100,000 of them take seconds, in which nothing can interrupt V8. */
function normalizeForm(text: string, form: string, source: string): string {
  for (const { 0: marks } of text.matchAll(/\p{M}+/gu))
    if (marks.length > maxMarks)
      throw new TokenizerError(source, `normalizer: more than ${maxMarks} combining marks in a row`, 'leave some out');
  return text.normalize(form);
}

interface Step extends Omit<Normalizer, 'normalize'> {
  readonly change: (text: string, maxLength: number) => string;
}

function readReplacement({ pattern, content }: JsonObject, source: string): Step {
  const { String: plain, Regex: regex } = (pattern ?? {}) as { String?: unknown; Regex?: unknown };
  if (typeof content !== 'string' || (typeof plain !== 'string' && typeof regex !== 'string'))
    throw malformed(source, 'normalizer Replace: expected a pattern and a content');
  const isLossless = plain === ' ' && content.length === 1;
  if (plain === ' ') return { change: (text) => text.replaceAll(' ', () => content), isLinear: true, isLossless };
  try {
    const compiled = new RegExp(
      typeof plain === 'string' ? escapePattern(plain) : fromOniguruma(regex as string),
      'gu',
    );
    const change: Step['change'] = (text, maxLength) => replaceWithin(text, compiled, content, maxLength, source);
    return { change, isLinear: typeof plain === 'string' || isOneClass(regex as string), isLossless };
  } catch (error) {
    throw unsupported(source, `normalizer Replace: ${(error as Error).message}`);
  }
}

const isWhite = (char: string) => /\p{White_Space}/u.test(char);

/** Removes white space at the ends, without a pattern that would look at every run of it. */
function strip(text: string, isLeft: boolean, isRight: boolean): string {
  let [start, end] = [0, text.length]; // white space takes one unit each
  while (isLeft && start < end && isWhite(text[start])) start++;
  while (isRight && end > start && isWhite(text[end - 1])) end--;
  return text.slice(start, end);
}

/** Lower case character by character: JavaScript's own looks at the neighbors of a sigma, Rust's does not. */
const toLowerCase = (text: string) => text.replace(/\p{Changes_When_Lowercased}/gu, (char) => char.toLowerCase());

const supported = 'NFC, NFD, NFKC, NFKD, Replace, Prepend, Strip, Lowercase, Precompiled or Sequence';

function readSteps(json: unknown, source: string): Step[] {
  if (json === null || json === undefined) return [];
  const step = json as JsonObject;
  const { type, normalizers } = step;
  const linear = (change: Step['change'], isLossless = false): Step[] => [{ change, isLinear: true, isLossless }];
  switch (type) {
    case 'Sequence':
      return ((normalizers ?? []) as unknown[]).flatMap((each) => readSteps(each, source));
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return linear((text) => normalizeForm(text, type, source));
    case 'Replace':
      return [readReplacement(step, source)];
    case 'Prepend': {
      const { prepend } = step;
      if (typeof prepend !== 'string') throw malformed(source, 'normalizer Prepend: expected a text');
      return linear((text) => (text === '' ? text : prepend + text), true);
    }
    case 'Strip':
      return linear((text) => strip(text, step.strip_left === true, step.strip_right === true));
    case 'Lowercase':
      return linear(toLowerCase);
    case 'Precompiled':
      return linear(readCharacterMap(step.precompiled_charsmap, source));
    default:
      throw unsupported(source, `normalizer ${JSON.stringify(type)}: expected ${supported}`);
  }
}

/** Returns a normalizer; null if it changes nothing. Throws TokenizerError. */
export function readNormalizer(json: unknown, source: string): Normalizer | null {
  checkComponents(json, source, 'normalizer', 'normalizers');
  const steps = readSteps(json, source);
  if (steps.length === 0) return null;
  const isLinear = steps.every((each) => each.isLinear);
  const isLossless = steps.every((each) => each.isLossless);
  const normalize: Normalize = (text) => {
    const maxLength = maxGrowth * (text.length + 64);
    return steps.reduce((value, { change }) => {
      const changed = change(value, maxLength);
      if (changed.length > maxLength) throw tooLong(source);
      return changed;
    }, text);
  };
  if (isLinear) return { normalize, isLinear, isLossless };
  return { normalize: (text) => withinLimit(source, 'normalizer', text, () => normalize(text)), isLinear, isLossless };
}

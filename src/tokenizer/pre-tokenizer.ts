// The pre_tokenizer of a tokenizer.json: a function that cuts a text into words.
//
// Words stay text until they are encoded: the byte alphabet is not applied here. Components that are not read here are
// refused by name.
import { malformed, TokenizerError, unsupported } from './errors.ts';
import { checkComponents, escapePattern, fromOniguruma, isOneClass, withinLimit } from './foreign-patterns.ts';
import { cutMetaspace, type Prepare, prepareMetaspace, prepareWords } from './metaspace.ts';
import { type Cut, Pieces } from './pieces.ts';
import { coveringPatterns, patterns, scanners } from './scanner.ts';

export interface PreTokenizer {
  readonly cut: Cut;
  /** Whether the time to cut is proportional to the text, because all patterns are known. Others have a time limit. */
  readonly isLinear: boolean;
  /** What is done to a text between added tokens before it is cut; null: nothing. */
  readonly prepare: Prepare | null;
  /** Whether no character of a text is left out. */
  readonly isLossless: boolean;
}

/** Syntax that JavaScript and Oniguruma read differently. */
const ambiguousSyntax = /\\[wWbB]|\[\[:|&&/;

function compile(pattern: string, source: string): RegExp {
  try {
    const translated = fromOniguruma(pattern);
    const odd = ambiguousSyntax.exec(translated);
    if (odd) throw new SyntaxError(`${odd[0]} is not supported`);
    return new RegExp(translated, 'gu');
  } catch (error) {
    const problem = `the pattern ${JSON.stringify(pattern)} cannot be used (${(error as Error).message})`;
    throw new TokenizerError(source, `pre_tokenizer: ${problem}`, 'report it with the tokenizer.json');
  }
}

/** What becomes of the matches of a pattern; `Inverted`: the text between them is removed. */
type Behavior = 'Isolated' | 'Removed' | 'Inverted' | 'MergedWithPrevious' | 'MergedWithNext' | 'Contiguous';

/** Returns a cut at the matches of a pattern. An empty match cuts, too. */
export function cutByRegex(pattern: string, source: string, behavior: Behavior = 'Isolated'): Cut {
  const regex = compile(pattern, source);
  return ({ text }, start, end, out) => {
    const part = text.slice(start, end); // look-ahead must end with the piece
    const ranges: Range[] = [];
    let gap = 0;
    for (const { 0: match, index } of part.matchAll(regex)) {
      if (index > gap) ranges.push({ from: gap, to: index, isMatch: false });
      gap = index + match.length;
      if (match !== '') ranges.push({ from: index, to: gap, isMatch: true });
    }
    if (gap < part.length) ranges.push({ from: gap, to: part.length, isMatch: false });
    for (const { from, to } of joined(ranges, behavior)) out.push(start + from, start + to);
  };
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly isMatch: boolean;
}

/** Drops or joins the ranges of a text, which follow each other. */
function joined(ranges: readonly Range[], behavior: Behavior): readonly Range[] {
  if (behavior === 'Isolated') return ranges;
  if (behavior === 'Removed') return ranges.filter(({ isMatch }) => !isMatch);
  if (behavior === 'Inverted') return ranges.filter(({ isMatch }) => isMatch);
  const out: Range[] = [];
  for (const range of ranges) {
    const last = out.at(-1);
    const isJoined =
      behavior === 'Contiguous'
        ? last?.isMatch === range.isMatch
        : behavior === 'MergedWithPrevious'
          ? last?.isMatch === false && range.isMatch
          : last?.isMatch === true && !range.isMatch;
    if (last && isJoined) out[out.length - 1] = { ...range, from: last.from };
    else out.push(range);
  }
  return out;
}

const uncut: Cut = (_, start, end, out) => {
  if (end > start) out.push(start, end);
};

/** Applies each cut to the pieces of the previous one. */
function inSequence(cuts: readonly Cut[]): Cut {
  const [first, ...others] = cuts.filter((cut) => cut !== uncut);
  if (first === undefined) return uncut;
  if (others.length === 0) return first;
  const between = others.map(() => new Pieces());
  return (text, start, end, out) => {
    first(text, start, end, between[0]);
    others.forEach((cut, i) => {
      const pieces = between[i];
      const { bounds, count } = pieces;
      const next = between[i + 1] ?? out;
      for (let at = 0; at < 2 * count; at += 2) cut(text, bounds[at], bounds[at + 1], next);
      pieces.clear();
    });
  };
}

interface Component {
  readonly type?: unknown;
  readonly [field: string]: unknown;
}

interface ReadCut {
  readonly cut: Cut;
  readonly isLinear: boolean;
}

function readBehavior({ behavior, invert }: Component, source: string): Behavior {
  const known = ['Isolated', 'Removed', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const;
  const found = known.find((name) => name === behavior);
  if (found === undefined || (invert && found !== 'Removed' && found !== 'Isolated'))
    throw unsupported(
      source,
      `pre_tokenizer Split: expected behavior ${known.join(', ')}, received ${JSON.stringify(behavior)}` +
        (invert ? ', inverted' : ''),
    );
  return invert && found === 'Removed' ? 'Inverted' : found;
}

function readSplit(component: Component, source: string): ReadCut {
  const { pattern } = component as { pattern?: { Regex?: string; String?: string } };
  const text = pattern?.Regex ?? (typeof pattern?.String === 'string' ? escapePattern(pattern.String) : undefined);
  if (typeof text !== 'string')
    throw malformed(source, `pre_tokenizer Split: expected a pattern, received ${JSON.stringify(pattern)}`);
  const behavior = readBehavior(component, source);
  const isWhole = behavior === 'Isolated' || (behavior === 'Inverted' && coveringPatterns.has(text));
  const scanner = isWhole ? scanners.get(text) : undefined;
  if (scanner !== undefined) return { cut: scanner, isLinear: true };
  const isPlain = pattern?.Regex === undefined;
  return { cut: cutByRegex(text, source, behavior), isLinear: isPlain || isOneClass(text) };
}

function refuseComponent(type: unknown, source: string): never {
  const expected = 'Sequence, Split, Digits, Punctuation, WhitespaceSplit, Metaspace or ByteLevel';
  throw unsupported(source, `pre_tokenizer ${JSON.stringify(type)}: expected ${expected}`);
}

function readCut(component: Component, source: string): ReadCut {
  const known = (cut: Cut | undefined) => ({ cut: cut as Cut, isLinear: true });
  switch (component?.type) {
    case 'Sequence': {
      if (!Array.isArray(component.pretokenizers)) refuseComponent('Sequence without a list of pretokenizers', source);
      const steps = (component.pretokenizers as Component[]).map((step) => readCut(step, source));
      return { cut: inSequence(steps.map(({ cut }) => cut)), isLinear: steps.every(({ isLinear }) => isLinear) };
    }
    case 'Split':
      return readSplit(component, source);
    case 'Digits':
      return known(scanners.get(component.individual_digits ? patterns.oneDigit : patterns.digits));
    case 'Punctuation': {
      const behavior = readBehavior({ behavior: 'Isolated', ...component }, source);
      return known(cutByRegex('[!-\\/:-@\\[-`{-~\\p{P}]', source, behavior));
    }
    case 'WhitespaceSplit':
      return known(cutByRegex('\\s', source, 'Removed'));
    case 'ByteLevel':
      return known((component.use_regex ?? true) ? scanners.get(patterns.gpt2) : uncut);
    case 'Metaspace':
      return known(cutMetaspace(component, source));
    default:
      return refuseComponent(component?.type, source);
  }
}

/** Returns the components of a pre_tokenizer in order. */
function flattenComponents(component: Component): Component[] {
  const { pretokenizers } = component;
  return component.type === 'Sequence' && Array.isArray(pretokenizers)
    ? pretokenizers.flatMap(flattenComponents)
    : [component];
}

/** Reads what is done to a text before it is cut: by the first component, or by Metaspace after WhitespaceSplit. */
function readPreparation(steps: readonly Component[], source: string): Prepare | null {
  const at = steps.findIndex(
    ({ type, add_prefix_space: prefix }) => type === 'Metaspace' || (type === 'ByteLevel' && prefix),
  );
  if (at < 0) return null;
  const step = steps[at];
  if (step.type === 'ByteLevel') {
    if (at > 0) throw unsupported(source, 'pre_tokenizer ByteLevel: add_prefix_space after another component');
    return (text) => (text.startsWith(' ') ? text : ` ${text}`);
  }
  if (at === 0) return prepareMetaspace(step, source);
  if (at > 1 || steps[0].type !== 'WhitespaceSplit')
    throw unsupported(source, 'pre_tokenizer Metaspace: after another component than WhitespaceSplit');
  return prepareWords(step, source);
}

/** Reads a pre_tokenizer. Throws TokenizerError for an unknown component. */
export function readPreTokenizer(json: unknown, source: string): PreTokenizer {
  if (json === null || json === undefined) return { cut: uncut, isLinear: true, prepare: null, isLossless: true };
  const component = json as Component;
  checkComponents(json, source, 'pre_tokenizer', 'pretokenizers');
  const { cut: unlimited, isLinear } = readCut(component, source);
  const cut: Cut = isLinear
    ? unlimited
    : (...range) => withinLimit(source, 'pre_tokenizer', range[0].text, () => unlimited(...range));
  const steps = flattenComponents(component);
  const isLossless = !steps.some(({ type, behavior }) => type === 'WhitespaceSplit' || behavior === 'Removed');
  return { cut, isLinear, prepare: readPreparation(steps, source), isLossless };
}

/** Whether a pre_tokenizer has a component of this type. */
export function hasComponent(json: unknown, type: string): boolean {
  if (typeof json !== 'object' || json === null) return false;
  return flattenComponents(json as Component).some((step) => step?.type === type);
}

/** Returns a pre_tokenizer: splits in sequence, then bytes. */
export function sequence(regexes: readonly string[]): object {
  const splits = regexes.map((Regex) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false }));
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  return { type: 'Sequence', pretokenizers: [...splits, bytes] };
}

/** Pre-tokenizers for new vocabularies by name, as tokenizer.json writes them. */
export const preTokenizers = {
  'deepseek-v3': { json: sequence([patterns.threeDigits, patterns.cjk, patterns.deepseekV3]) },
  'llama-3': { json: sequence([patterns.llama3]) },
  qwen2: { json: sequence([patterns.qwen2]) },
  'gpt-2': { json: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true } },
} as const;

export type PreTokenizerName = keyof typeof preTokenizers;

/** Whether two pre-tokenizers have the same components: those that matter, with the fields that matter. */
export function hasSameCuts(a: unknown, b: unknown): boolean {
  const meaning = (json: unknown) =>
    JSON.stringify(
      flattenComponents((json ?? {}) as Component)
        .filter(({ type, use_regex: own }) => type !== 'ByteLevel' || own !== false)
        .map(({ type, pattern, behavior, individual_digits: single, add_prefix_space: prefix }) => {
          const isWhole = behavior === 'Removed' && coveringPatterns.has((pattern as { Regex?: string })?.Regex ?? '');
          return { type, pattern, behavior: isWhole ? 'Isolated' : behavior, single, prefix: prefix === true };
        }),
    );
  return meaning(a) === meaning(b);
}

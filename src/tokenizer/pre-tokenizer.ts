// The pre_tokenizer of a tokenizer.json: a function that cuts a text into words.
//
// Supported: Sequence, Split (behaviors Isolated and Removed), Digits, ByteLevel (its own regex, and the prefix space).
// Words stay text until they are encoded: the byte alphabet is not applied here. Other components are refused by name.
import { malformed, TokenizerError, unsupported } from './errors.ts';
import { checkComponents, escapePattern, isOneClass, withinLimit } from './foreign-patterns.ts';
import { type Cut, Pieces } from './pieces.ts';
import { patterns, scanners } from './scanner.ts';

export interface PreTokenizer {
  readonly cut: Cut;
  /** Whether the time to cut is proportional to the text, because all patterns are known. Others have a time limit. */
  readonly isLinear: boolean;
  /** ByteLevel's add_prefix_space: a text gets a leading space if it has none. */
  readonly addPrefixSpace: boolean;
}

/**
 * Translates a pattern of Oniguruma, the engine of tokenizer.json, into JavaScript: `\s` and `\d` cover all of Unicode
 * (V8's `\s` has U+FEFF and lacks U+0085), and `(?i:...)`, which V8 supports from Node 23 on, is spelled out in ASCII.
 */
function fromOniguruma(pattern: string): string {
  const unicode = { s: 'p{White_Space}', S: 'P{White_Space}', d: 'p{Nd}', D: 'P{Nd}' } as const;
  return pattern
    .replace(/\\(.)/gs, (whole, char: string) =>
      char in unicode ? `\\${unicode[char as keyof typeof unicode]}` : whole,
    )
    .replace(/\(\?i:((?:[^()\\]|\\.)*)\)/g, (_, inner: string) => {
      const either = inner.replace(/(?<!\\)[A-Za-z]/g, (c) => `[${c.toLowerCase()}${c.toUpperCase()}]`);
      return `(?:${either})`;
    });
}

/** Syntax that JavaScript and Oniguruma read differently. */
const ambiguousSyntax = /\\[wWbB]|\[\[:|&&/;

/** Returns a cut into matches and the text between them. With `keep` false, matches are left out. */
export function cutByRegex(pattern: string, source: string, keep = true): Cut {
  let regex: RegExp;
  try {
    const odd = ambiguousSyntax.exec(pattern);
    if (odd) throw new SyntaxError(`${odd[0]} is not supported`);
    regex = new RegExp(fromOniguruma(pattern), 'gu');
  } catch (error) {
    const problem = `the pattern ${JSON.stringify(pattern)} cannot be used (${(error as Error).message})`;
    throw new TokenizerError(source, `pre_tokenizer: ${problem}`, 'report it with the tokenizer.json');
  }
  return ({ text }, start, end, out) => {
    const part = text.slice(start, end); // look-ahead must end with the piece
    let gap = 0;
    for (const { 0: match, index } of part.matchAll(regex)) {
      if (match === '') continue;
      if (index > gap) out.push(start + gap, start + index);
      gap = index + match.length;
      if (keep) out.push(start + index, start + gap);
    }
    if (gap < part.length) out.push(start + gap, end);
  };
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

function readSplit(component: Component, source: string): ReadCut {
  const { pattern, behavior, invert } = component as { pattern?: { Regex?: string; String?: string } } & Component;
  const text = pattern?.Regex ?? (typeof pattern?.String === 'string' ? escapePattern(pattern.String) : undefined);
  if (typeof text !== 'string')
    throw malformed(source, `pre_tokenizer Split: expected a pattern, received ${JSON.stringify(pattern)}`);
  if (behavior !== 'Isolated' && !(behavior === 'Removed' && !invert))
    throw unsupported(
      source,
      `pre_tokenizer Split: expected behavior Isolated or Removed, received ${JSON.stringify(behavior)}` +
        (invert ? ', inverted' : ''),
    );
  const isKept = behavior === 'Isolated';
  const scanner = isKept ? scanners.get(text) : undefined;
  if (scanner !== undefined) return { cut: scanner, isLinear: true };
  const isPlain = pattern?.Regex === undefined;
  return { cut: cutByRegex(text, source, isKept), isLinear: isPlain || isOneClass(text) };
}

function refuseComponent(type: unknown, source: string): never {
  throw unsupported(source, `pre_tokenizer ${JSON.stringify(type)}: expected Sequence, Split, Digits or ByteLevel`);
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
    case 'ByteLevel':
      return known((component.use_regex ?? true) ? scanners.get(patterns.gpt2) : uncut);
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

/** Reads a pre_tokenizer. Throws TokenizerError for an unknown component. */
export function readPreTokenizer(json: unknown, source: string): PreTokenizer {
  if (json === null || json === undefined) return { cut: uncut, isLinear: true, addPrefixSpace: false };
  const component = json as Component;
  checkComponents(json, source, 'pre_tokenizer', 'pretokenizers');
  const { cut: unlimited, isLinear } = readCut(component, source);
  const cut: Cut = isLinear
    ? unlimited
    : (...range) => withinLimit(source, 'pre_tokenizer', range[0].text, () => unlimited(...range));
  const prefixed = flattenComponents(component).findIndex((step) => step.type === 'ByteLevel' && step.add_prefix_space);
  if (prefixed > 0) throw unsupported(source, 'pre_tokenizer ByteLevel: add_prefix_space after another component');
  return { cut, isLinear, addPrefixSpace: prefixed === 0 };
}

/** Returns a pre_tokenizer: splits in sequence, then bytes. */
export function sequence(regexes: readonly string[]): object {
  const splits = regexes.map((Regex) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false }));
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  return { type: 'Sequence', pretokenizers: [...splits, bytes] };
}

/** Pre-tokenizers by name, as tokenizer.json writes them. `gguf` is their name in llama.cpp. */
export const preTokenizers = {
  'deepseek-v3': {
    gguf: 'deepseek-v3',
    json: sequence([patterns.threeDigits, patterns.cjk, patterns.deepseekV3]),
  },
  'llama-3': { gguf: 'llama-bpe', json: sequence([patterns.llama3]) },
  qwen2: { gguf: 'qwen2', json: sequence([patterns.qwen2]) },
  'gpt-2': {
    gguf: 'gpt-2',
    json: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  },
} as const;

export type PreTokenizerName = keyof typeof preTokenizers;

/** Finds the name of the known pre-tokenizer that cuts in the same way; null for others. */
export function preTokenizerName(json: unknown): PreTokenizerName | null {
  const meaning = (component: unknown) =>
    JSON.stringify(
      flattenComponents(component as Component)
        .filter(({ type, use_regex: own }) => type !== 'ByteLevel' || own !== false)
        .map(({ type, pattern, behavior, individual_digits: single }) => ({ type, pattern, behavior, single })),
    );
  if (typeof json !== 'object' || json === null) return null;
  const names = Object.keys(preTokenizers) as PreTokenizerName[];
  return names.find((name) => meaning(preTokenizers[name].json) === meaning(json)) ?? null;
}

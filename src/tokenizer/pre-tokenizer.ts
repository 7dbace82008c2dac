// Where words end: tokenizer.json's pre_tokenizer as a function from text to pieces.
//
// Supported: Sequence, Split (behaviors Isolated and Removed), Digits, ByteLevel (its own regex, and the prefix space).
// The byte alphabet itself is not applied: words stay text until they are encoded. Anything else is refused by name.
import { TokenizerError } from './errors.ts';

export type Split = (pieces: string[]) => string[];

/** GPT-2's words, which ByteLevel uses unless told otherwise. */
const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** `(?i:...)` written out, because V8 knows it only from Node 23 on: letters of either case. */
function expandCase(pattern: string): string {
  return pattern.replace(/\(\?i:((?:[^()\\]|\\.)*)\)/g, (_, inner: string) => {
    const either = inner.replace(/(?<!\\)[A-Za-z]/g, (c) => `[${c.toLowerCase()}${c.toUpperCase()}]`);
    return `(?:${either})`;
  });
}

function compile(pattern: string, source: string): RegExp {
  try {
    return new RegExp(expandCase(pattern), 'gu');
  } catch (error) {
    const problem = `pre_tokenizer: the pattern ${JSON.stringify(pattern)} cannot be used (${(error as Error).message})`;
    throw new TokenizerError(source, problem, 'report it with the tokenizer.json');
  }
}

/** Matches, and what lies between them, each a piece; with `keep` false the matches are left out. */
function isolate(regex: RegExp, keep: boolean): Split {
  return (pieces) => {
    const out: string[] = [];
    for (const piece of pieces) {
      regex.lastIndex = 0;
      let end = 0;
      for (let match = regex.exec(piece); match !== null; match = regex.exec(piece)) {
        const text = match[0];
        if (match.index > end) out.push(piece.slice(end, match.index));
        if (text === '') {
          regex.lastIndex++;
          end = match.index;
          continue;
        }
        end = regex.lastIndex;
        if (keep) out.push(text);
      }
      if (end < piece.length) out.push(end === 0 ? piece : piece.slice(end));
    }
    return out;
  };
}

interface Component {
  readonly type?: unknown;
  readonly [field: string]: unknown;
}

function split(component: Component, source: string): Split {
  const { pattern, behavior, invert } = component as { pattern?: { Regex?: string; String?: string } } & Component;
  const text = pattern?.Regex ?? pattern?.String?.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  if (typeof text !== 'string')
    throw new TokenizerError(
      source,
      `pre_tokenizer Split: expected a pattern, received ${JSON.stringify(pattern)}`,
      'check the file',
    );
  if (behavior !== 'Isolated' && !(behavior === 'Removed' && !invert))
    throw new TokenizerError(
      source,
      `pre_tokenizer Split: behavior ${JSON.stringify(behavior)}${invert ? ', inverted' : ''}, expected Isolated or Removed`,
      'such tokenizers are not supported yet',
    );
  return isolate(compile(text, source), behavior === 'Isolated');
}

function byteLevel({ add_prefix_space: prefix, use_regex: useRegex = true }: Component, source: string): Split {
  const words = useRegex ? isolate(compile(gpt2, source), true) : (pieces: string[]) => pieces;
  if (!prefix) return words;
  return (pieces) => words(pieces.map((piece) => (piece.startsWith(' ') ? piece : ` ${piece}`)));
}

/** The function that a pre_tokenizer describes. Throws TokenizerError for components it does not know. */
export function preTokenizerOf(component: unknown, source: string): Split {
  if (component === null || component === undefined) return (pieces) => pieces;
  const known = component as Component;
  switch (known.type) {
    case 'Sequence': {
      const steps = (known.pretokenizers as unknown[]).map((step) => preTokenizerOf(step, source));
      return (pieces) => steps.reduce((parts, step) => step(parts), pieces);
    }
    case 'Split':
      return split(known, source);
    case 'Digits':
      return isolate(known.individual_digits ? /\p{N}/gu : /\p{N}+/gu, true);
    case 'ByteLevel':
      return byteLevel(known, source);
    default:
      throw new TokenizerError(
        source,
        `pre_tokenizer ${JSON.stringify(known.type)}: expected Sequence, Split, Digits or ByteLevel`,
        'only byte-level BPE tokenizers are supported',
      );
  }
}

/** Pre-tokenizers by name, as tokenizer.json writes them: for training vocabularies of one's own. */
export const preTokenizers = {
  'deepseek-v3': sequence([
    '\\p{N}{1,3}',
    '[一-龥぀-ゟ゠-ヿ]+',
    '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+',
  ]),
  'llama-3': sequence([
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  ]),
  qwen2: sequence([
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  ]),
  characters: sequence([]),
} as const;

export type PreTokenizerName = keyof typeof preTokenizers;

function sequence(patterns: readonly string[]): object {
  const splits = patterns.map((Regex) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false }));
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  return { type: 'Sequence', pretokenizers: [...splits, bytes] };
}

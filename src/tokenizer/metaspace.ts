// Metaspace, the white space of SentencePiece: spaces become a character of their own (`▁`), and a text gets one in
// front.
//
// `prepend_scheme` says where: `always` on each text between added tokens, `first` where the whole text begins, or
// `never`. With `split` (the default) each such character begins a word. Source: github.com/huggingface/tokenizers.
import { malformed } from './errors.ts';
import type { Cut } from './pieces.ts';

/** Changes a text; `isStart`: whether the whole text begins with it. */
export type Prepare = (text: string, isStart: boolean) => string;

interface Metaspace {
  readonly replacement: string;
  readonly scheme: 'always' | 'first' | 'never';
  readonly split: boolean;
}

/** Reads a pre-tokenizer or decoder of type Metaspace. Throws TokenizerError. */
export function readMetaspace(json: Readonly<Record<string, unknown>>, source: string): Metaspace {
  const { replacement = '▁', prepend_scheme: given, add_prefix_space: prefix = true, split = true } = json;
  const scheme = given ?? (prefix === false ? 'never' : 'always');
  if (typeof replacement !== 'string' || replacement.length !== 1)
    throw malformed(
      source,
      `Metaspace: expected a replacement of one character, received ${JSON.stringify(replacement)}`,
    );
  if (scheme !== 'always' && scheme !== 'first' && scheme !== 'never')
    throw malformed(
      source,
      `Metaspace: expected prepend_scheme always, first or never, received ${JSON.stringify(given)}`,
    );
  return { replacement, scheme, split: split !== false };
}

export function prepareMetaspace(json: Readonly<Record<string, unknown>>, source: string): Prepare {
  const { replacement, scheme } = readMetaspace(json, source);
  return (text, isStart) => {
    const replaced = text.replaceAll(' ', replacement);
    const isPrefixed = scheme === 'always' || (scheme === 'first' && isStart);
    return isPrefixed && !replaced.startsWith(replacement) ? replacement + replaced : replaced;
  };
}

/** Returns what WhitespaceSplit and then Metaspace do: each word with the replacement in front. */
export function prepareWords(json: Readonly<Record<string, unknown>>, source: string): Prepare {
  const { replacement, scheme, split } = readMetaspace(json, source);
  if (scheme !== 'always' || !split)
    throw malformed(source, 'Metaspace after WhitespaceSplit: expected prepend_scheme always, and split');
  const before = (word: string) => (word.startsWith(replacement) ? word : replacement + word);
  return (text) =>
    text
      .split(/\p{White_Space}+/u)
      .filter((word) => word !== '')
      .map(before)
      .join('');
}

/** Returns the cut of Metaspace, after its text is prepared. */
export function cutMetaspace(json: Readonly<Record<string, unknown>>, source: string): Cut {
  const { replacement, split } = readMetaspace(json, source);
  const unit = replacement.charCodeAt(0);
  return ({ units }, start, end, out) => {
    let from = start;
    for (let i = start + 1; split && i < end; i++)
      if (units[i] === unit) {
        out.push(from, i);
        from = i;
      }
    if (end > from) out.push(from, end);
  };
}

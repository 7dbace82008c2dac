// A character tokenizer, one id each: for models so small that a trained vocabulary would be most of them.
//
// It is an ordinary tokenizer.json: every character is a word (Split), words are looked up whole (ignore_merges), and
// there are no merges. Characters outside the alphabet are refused by this encoder (Hugging Face's drops them), or
// replaced by a normalizer that every reader applies.
import { toByteAlphabet } from './bytes.ts';
import { TokenizerError } from './errors.ts';
import { sequence } from './pre-tokenizer.ts';
import { patterns } from './scanner.ts';
import type { TokenizerJson } from './tokenizer-json.ts';
import { type SpecialToken, specialTokenTexts, tokenizerJson } from './train.ts';

export interface CharacterOptions {
  /** They get the first ids. @default none */
  readonly specialTokens?: readonly SpecialToken[];
  /**
   * What happens to characters outside the alphabet: `refuse` the text, `replace` them by U+FFFD, which is then a
   * token, or `drop` them. @default refuse
   */
  readonly unknown?: 'refuse' | 'replace' | 'drop';
}

const replacement = '\ufffd';

/** Returns a class of all other characters, as JavaScript's and Oniguruma's regexes write it. */
function complementClass(characters: readonly string[]): string {
  const escaped = characters.map((char) =>
    /[^0-9A-Za-z]/.test(char) && char < '\x7f' ? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}` : char,
  );
  return `[^${escaped.join('')}]`;
}

/** Returns the tokenizer.json of the characters in `alphabet`, by code point. Throws TokenizerError. */
export function characterTokenizer(alphabet: string, options: CharacterOptions = {}): TokenizerJson {
  const { specialTokens = [], unknown = 'refuse' } = options;
  const given = new Set(alphabet);
  if (unknown === 'replace') given.add(replacement);
  const characters = [...given].sort((a, b) => (a.codePointAt(0) as number) - (b.codePointAt(0) as number));
  if (characters.length === 0)
    throw new TokenizerError('characterTokenizer', 'the alphabet is empty', 'name the characters of the task');
  const broken = characters.find((char) => /\p{Cs}/u.test(char));
  if (broken !== undefined)
    throw new TokenizerError('characterTokenizer', `${JSON.stringify(broken)} is half a character`, 'remove it');
  const spelled = characters.map(toByteAlphabet);
  const vocab = [...specialTokenTexts(specialTokens, spelled), ...spelled];
  const normalizer = {
    type: 'Replace',
    pattern: { Regex: complementClass(characters) },
    content: unknown === 'replace' ? replacement : '',
  };
  return tokenizerJson(vocab, specialTokens, {
    ...(unknown !== 'refuse' && { normalizer }),
    preTokenizer: sequence([patterns.character]),
  });
}

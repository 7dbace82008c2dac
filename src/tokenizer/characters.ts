// A tokenizer of characters, one id each: for recipes so small that a trained vocabulary would be most of the model.
//
// It is an ordinary tokenizer.json: every character is a word (Split), words are looked up whole (ignore_merges), and
// there are no merges. Characters that are not in the alphabet are refused by this program's encoder (Hugging Face's
// leave them out), or replaced by a normalizer that every reader obeys.
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
   * Characters that are not in the alphabet: `refuse` them when a text is encoded, `replace` them by U+FFFD, which
   * becomes a token of its own, or `drop` them. @default refuse
   */
  readonly unknown?: 'refuse' | 'replace' | 'drop';
}

const replacement = '\ufffd';

/** A class of all characters but these, for JavaScript's regexes and for Oniguruma's. */
function complementClass(characters: readonly string[]): string {
  const escaped = characters.map((char) =>
    /[^0-9A-Za-z]/.test(char) && char < '\x7f' ? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}` : char,
  );
  return `[^${escaped.join('')}]`;
}

/** The tokenizer.json of the characters in `alphabet`, in order of their code points. Throws TokenizerError. */
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

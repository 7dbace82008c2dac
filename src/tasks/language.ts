// Language consistency: the share of a thought's words that are in the language of its problem. Source: DeepSeek-R1,
// 2.3.2, which rewards the share of words in the target language.
//
// A word is what stands between blanks. It is in the language of the problem if its letters are of scripts that the
// problem uses (Latin where it has no letter), its digits are ASCII digits or such as the problem has, and nothing in
// it is broken (U+FFFD, control characters, unassigned or private ones). Where the problem writes no number in words,
// a number word is outside too: "seven" in the thought about 3 + 4 is another notation than the problem's. Contract:
// never throws; time proportional to the texts.
import { numberWords } from './number-words.ts';

const scripts = [
  ...['Latin', 'Cyrillic', 'Greek', 'Han', 'Hiragana', 'Katakana', 'Hangul', 'Arabic', 'Hebrew', 'Devanagari'],
  ...['Bengali', 'Tamil', 'Thai', 'Georgian', 'Armenian'],
].map((name) => ({ name, pattern: new RegExp(`\\p{Script=${name}}`, 'u') }));

const letter = /\p{L}/u;
const foreignDigit = /(?![0-9])\p{Nd}/u;
const broken = /[\p{C}\uFFFD]/u;

const toWordList = (text: string) => text.toLowerCase().match(/\p{L}+/gu) ?? [];

/** What of a problem's language decides about a word. */
interface Language {
  readonly hasNumberWords: boolean;
  readonly hasForeignDigits: boolean;
  /** The letters that its words may have. */
  readonly letters: readonly RegExp[];
}

function readLanguage(problem: string): Language {
  const letters = scripts.filter(({ name, pattern }) => name === 'Latin' || pattern.test(problem));
  const usesLatin = /\p{Script=Latin}/u.test(problem) || !letter.test(problem);
  return {
    hasNumberWords: toWordList(problem).some((word) => numberWords.has(word)),
    hasForeignDigits: foreignDigit.test(problem),
    letters: letters.filter(({ name }) => name !== 'Latin' || usesLatin).map(({ pattern }) => pattern),
  };
}

function isInside(word: string, { hasNumberWords, hasForeignDigits, letters }: Language): boolean {
  if (broken.test(word)) return false;
  if (!hasForeignDigits && foreignDigit.test(word)) return false;
  for (const character of word)
    if (letter.test(character) && !letters.some((pattern) => pattern.test(character))) return false;
  return hasNumberWords || !toWordList(word).some((part) => numberWords.has(part));
}

/** Returns the share of the words of a text that are in the language of a problem; 0 for a text without words. */
export function languageConsistency(problem: string, text: string): number {
  const words = text.match(/\S+/g) ?? [];
  if (words.length === 0) return 0;
  const language = readLanguage(problem);
  return words.filter((word) => isInside(word, language)).length / words.length;
}

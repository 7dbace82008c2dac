// Hand-written scanners against the regexes they stand for. npm test -- scanner
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { cutByRegex, hasSameCuts, preTokenizers, readPreTokenizer } from './pre-tokenizer.ts';
import { scanners } from './scanner.ts';
import { splitText, texts } from './test-texts.ts';

/** Characters that the patterns treat differently, so that every pair and triple of kinds meets. */
const kinds = [
  ' ',
  '\t',
  '\n',
  '\r',
  'a',
  'S',
  'é',
  '\u0301',
  '1',
  '½',
  '𝟙',
  '!',
  '$',
  "'",
  '字',
  '・',
  'ー',
  '\u3099',
];
const more = [
  '𝒳',
  '👍',
  '\u200d',
  '\u0000',
  '\ud800',
  '\udc00',
  '\u00a0',
  '\ufeff',
  '\u0085',
  'l',
  'L',
  '_',
  '龦',
  '\u2028',
];
const dense = fc.array(fc.constantFrom(...kinds, ...more), { maxLength: 12 }).map((parts) => parts.join(''));

describe('scanners', () => {
  for (const [pattern, scan] of scanners)
    test(`the pieces of /${pattern.slice(0, 40)}${pattern.length > 40 ? '...' : ''}/`, () => {
      const regex = cutByRegex(pattern, 'test');
      const same = (text: string) =>
        assert.deepEqual(splitText(scan, text), splitText(regex, text), JSON.stringify(text));
      fc.assert(fc.property(dense, same), { numRuns: process.env.MINKE_LONG ? 6000 : 2000, seed: 11 });
      fc.assert(fc.property(texts, same), { numRuns: 1500, seed: 12 });
    });

  test('every character of the basic plane, alone and between letters', () => {
    for (const [pattern, scan] of scanners) {
      const regex = cutByRegex(pattern, 'test');
      for (let from = 0; from < 0x10000; from += 512) {
        const text = Array.from({ length: 512 }, (_, i) => `${String.fromCharCode(from + i)} x`).join('');
        assert.deepEqual(splitText(scan, text), splitText(regex, text), `${pattern} from U+${from.toString(16)}`);
      }
    }
  });
});

describe('pre-tokenizers', () => {
  test('words of Llama 3, Qwen2 and GPT-2', () => {
    const words = (name: 'llama-3' | 'qwen2' | 'gpt-2') =>
      splitText(readPreTokenizer(preTokenizers[name].json, name).cut, "I'LL don't 2025");
    assert.deepEqual(words('llama-3'), ['I', "'LL", ' don', "'t", ' ', '202', '5']);
    assert.deepEqual(words('qwen2'), ['I', "'LL", ' don', "'t", ' ', '2', '0', '2', '5']);
    assert.deepEqual(words('gpt-2'), ['I', "'", 'LL', ' don', "'t", ' 2025']);
  });

  test('words of DeepSeek-V3: digits and CJK are borders that look-ahead does not pass', () => {
    const { cut } = readPreTokenizer(preTokenizers['deepseek-v3'].json, 'v3');
    assert.deepEqual(splitText(cut, 'a  1234 你好 b.\n\n  c'), [
      'a',
      '  ',
      '123',
      '4',
      ' ',
      '你好',
      ' b',
      '.\n\n',
      ' ',
      ' c',
    ]);
  });

  test('nothing is lost at a border', () => {
    for (const { json } of Object.values(preTokenizers))
      fc.assert(
        fc.property(texts, (text) => assert.equal(splitText(readPreTokenizer(json, '').cut, text).join(''), text)),
        { numRuns: 300, seed: 13 },
      );
  });

  test('Split with a plain text, Removed, and a pattern of its own', () => {
    const split = (fields: object) => splitText(readPreTokenizer({ type: 'Split', ...fields }, '').cut, 'a.b-c');
    assert.deepEqual(split({ pattern: { String: '.' }, behavior: 'Isolated' }), ['a', '.', 'b-c']);
    assert.deepEqual(split({ pattern: { Regex: '[.-]' }, behavior: 'Removed' }), ['a', 'b', 'c']);
    assert.deepEqual(split({ pattern: { Regex: '\\\\s|\\S-' }, behavior: 'Isolated' }), ['a.', 'b-', 'c']);
    assert.deepEqual(split({ pattern: { Regex: '(?i:B)-' }, behavior: 'Isolated' }), ['a.', 'b-', 'c']);
  });

  test('what cuts alike', () => {
    const { qwen2 } = preTokenizers;
    assert.ok(hasSameCuts(qwen2.json, structuredClone(qwen2.json)));
    assert.ok(
      hasSameCuts({ type: 'Sequence', pretokenizers: [preTokenizers['gpt-2'].json] }, preTokenizers['gpt-2'].json),
    );
    for (const other of [{ type: 'Digits', individual_digits: true }, preTokenizers['llama-3'].json, null])
      assert.ok(!hasSameCuts(qwen2.json, other));
    const prefixed = { type: 'ByteLevel', add_prefix_space: true, use_regex: true };
    assert.ok(!hasSameCuts(preTokenizers['gpt-2'].json, prefixed));
  });
});

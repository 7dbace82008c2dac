// Trained vocabularies and those of characters, against definitions and @huggingface/tokenizers. npm test -- train
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { byteChars } from './bytes.ts';
import { type CharacterOptions, characterTokenizer } from './characters.ts';
import { type PreTokenizerName, preTokenizers, readPreTokenizer } from './pre-tokenizer.ts';
import { hfIds, splitText, texts, toHuggingFace, wellFormed } from './test-texts.ts';
import { Tokenizer } from './tokenizer.ts';
import { type TrainOptions, trainTokenizer } from './train.ts';

const readMerges = (texts: readonly string[], options: TrainOptions) =>
  (trainTokenizer(texts, options).model as { merges: string[] }).merges;

/** Training by counting everything again for every merge. */
function mergesByDefinition(texts: readonly string[], count: number, name: PreTokenizerName): string[] {
  const { cut } = readPreTokenizer(preTokenizers[name].json, '');
  const utf8 = new TextEncoder();
  let words = texts
    .flatMap((text) => splitText(cut, text))
    .map((word) => Array.from(utf8.encode(word), (b) => byteChars[b]));
  const tokens = [...byteChars].sort();
  const merges: string[] = [];
  while (tokens.length < 256 + count) {
    const ids = new Map(tokens.map((token, id) => [token, id]));
    const counts = new Map<string, number>();
    for (const word of words)
      for (let i = 0; i + 1 < word.length; i++)
        counts.set(`${word[i]} ${word[i + 1]}`, (counts.get(`${word[i]} ${word[i + 1]}`) ?? 0) + 1);
    const order = (pair: string) => pair.split(' ').map((token) => ids.get(token) as number);
    const [best] = [...counts].sort(([a, n], [b, m]) => {
      const [[a0, a1], [b0, b1]] = [order(a), order(b)];
      return m - n || a0 - b0 || a1 - b1;
    });
    if (best === undefined) break;
    merges.push(best[0]);
    const [left, right] = best[0].split(' ');
    if (!ids.has(left + right)) tokens.push(left + right);
    words = words.map((word) => {
      const out: string[] = [];
      for (let i = 0; i < word.length; i++)
        out.push(word[i] === left && word[i + 1] === right ? left + word[++i] : word[i]);
      return out;
    });
  }
  return merges;
}

const corpus = ['the cat sat on the mat', 'the dog ate the cat’s hat', 'aaaa aaa aaaa', '1 + 1 = 2; 12 + 12 = 24'];

describe('training', () => {
  test('the merges of a trainer that counts everything again', () => {
    assert.deepEqual(readMerges(corpus, { vocabSize: 256 + 40 }), mergesByDefinition(corpus, 40, 'deepseek-v3'));
    const small = fc.array(fc.oneof(texts, fc.string({ unit: fc.constantFrom('a', 'b', ' '), maxLength: 40 })));
    fc.assert(
      fc.property(small, fc.nat(30), (some, count) => {
        const merges = readMerges(some, { vocabSize: 256 + count, preTokenizer: 'gpt-2' });
        assert.deepEqual(merges, mergesByDefinition(some, count, 'gpt-2'));
      }),
      { numRuns: 200, seed: 21 },
    );
  });

  test('the same in any run; read by @huggingface/tokenizers with the same ids', () => {
    for (const preTokenizer of ['deepseek-v3', 'llama-3', 'qwen2'] as const) {
      const special = ['<pad>', { content: '<think>', special: false }, '<eos>'];
      const options = { vocabSize: 330, specialTokens: special, preTokenizer };
      const trained = trainTokenizer(corpus, options);
      assert.deepEqual(trained, trainTokenizer(corpus, options));
      const [ours, other] = [new Tokenizer(trained), toHuggingFace(JSON.parse(JSON.stringify(trained)))];
      assert.ok(ours.vocabSize > 280 && ours.vocabSize <= 330);
      assert.equal(ours.tokenToId('<eos>'), 2);
      assert.equal(ours.decode([0, 1, 2], { skipSpecialTokens: true }), '<think>');
      fc.assert(
        fc.property(texts, (text) => {
          const ids = ours.encode(`${text}<eos><think>`);
          assert.deepEqual([...ids], hfIds(other, `${text}<eos><think>`));
          assert.equal(ours.decode(ids), wellFormed(`${text}<eos><think>`));
        }),
        { numRuns: 300, seed: 22 },
      );
    }
  });

  test('no merge spells a special token', () => {
    const trained = trainTokenizer(['<eos> <eos> <eos>'], { vocabSize: 300, specialTokens: ['eos'] });
    assert.ok((trained.model as { merges: string[] }).merges.every((merge) => merge.replace(' ', '') !== 'eos'));
  });

  test('a long word without a border gives all merges', () => {
    const letters = Array.from({ length: 300_000 }, (_, i) => 'abcdefgh'[Math.floor(Math.abs(Math.sin(i) * 8e4)) % 8]);
    assert.equal(readMerges([letters.join('')], { vocabSize: 256 + 2000 }).length, 2000);
  });

  test('refused: impossible sizes, unknown pre-tokenizers, special tokens that are none', () => {
    assert.throws(() => trainTokenizer(corpus, { vocabSize: 100 }), /vocabSize 100: expected a whole number from 256/);
    assert.throws(() => trainTokenizer(corpus, { vocabSize: 257.5 }), /vocabSize 257\.5/);
    const odd = { vocabSize: 300, preTokenizer: 'toString' as PreTokenizerName };
    assert.throws(() => trainTokenizer(corpus, odd), /preTokenizer "toString": expected one of deepseek-v3/);
    for (const specialTokens of [[''], ['<a>', '<a>'], ['a']])
      assert.throws(() => trainTokenizer(corpus, { vocabSize: 300, specialTokens }), /\[specialTokens\] /);
  });
});

describe('a tokenizer of characters', () => {
  const alphabet = '0123456789+-*/=()[]^&\\ \nabcéß字👍';
  const both = (options: CharacterOptions) => {
    const made = characterTokenizer(alphabet, options);
    return [new Tokenizer(made), toHuggingFace(JSON.parse(JSON.stringify(made)))] as const;
  };

  test('one id each after the special tokens, in order of code points', () => {
    const [ours] = both({ specialTokens: ['<eos>', '<pad>'] });
    assert.equal(ours.vocabSize, 2 + [...alphabet].length);
    assert.deepEqual([...ours.encode('\n ('.concat('<eos>'))], [2, 3, 5, 0]);
    assert.equal(ours.encode('a字👍é'.repeat(3)).length, 12);
    assert.equal(ours.decode(ours.encode(alphabet)), alphabet);
  });

  test('other characters are refused, replaced or dropped; @huggingface/tokenizers reads the same', () => {
    const mixed = fc
      .array(fc.oneof(fc.constantFrom(...alphabet, '<eos>'), texts), { maxLength: 6 })
      .map((parts) => wellFormed(parts.join('')));
    for (const unknown of ['replace', 'drop'] as const) {
      const [ours, other] = both({ specialTokens: ['<eos>'], unknown });
      fc.assert(
        fc.property(mixed, (text) => {
          const ids = ours.encode(text);
          assert.deepEqual([...ids], hfIds(other, text));
          const kept = text
            .split('<eos>')
            .map((part) =>
              [...part].map((char) => (alphabet.includes(char) ? char : unknown === 'drop' ? '' : '\ufffd')).join(''),
            );
          assert.equal(ours.decode(ids), kept.join('<eos>'));
        }),
        { numRuns: 500, seed: 23 },
      );
    }
    const [ours] = both({});
    assert.throws(() => ours.encode('a?'), /"\?": no token for byte 0x3f; use a vocabulary with all 256 bytes/);
  });

  test('refused: nothing, half a character, a special token that is a character', () => {
    assert.throws(() => characterTokenizer(''), /the alphabet is empty/);
    assert.throws(() => characterTokenizer('a\ud800'), /is half a character/);
    assert.throws(() => characterTokenizer('ab', { specialTokens: ['b'] }), /"b" is empty, repeated/);
  });
});

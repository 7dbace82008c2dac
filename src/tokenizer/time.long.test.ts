// Long words without a border take seconds to encode and to train on: merges over the whole word would take minutes.
// npm run check:long
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readV3 } from './test-texts.ts';
import { Tokenizer } from './tokenizer.ts';
import { trainTokenizer } from './train.ts';

function assertWithinSeconds(seconds: number, run: () => void): void {
  const start = performance.now();
  run();
  const took = (performance.now() - start) / 1000;
  assert.ok(took < seconds, `took ${took.toFixed(1)} s`);
}

for (const letter of ['a', ' ', '\n', '!', 'é', '字'])
  test(`a megabyte of ${JSON.stringify(letter)} is encoded`, () => {
    const v3 = new Tokenizer(readV3('tokenizer.json'));
    assertWithinSeconds(20, () => v3.encode(letter.repeat(2 ** 20)));
  });

test('a word of 300,000 letters is learned from', () => {
  const letters = Array.from({ length: 300_000 }, (_, i) => 'abcdefgh'[Math.floor(Math.abs(Math.sin(i) * 8e4)) % 8]);
  assertWithinSeconds(20, () => trainTokenizer([letters.join('')], { vocabSize: 256 + 2000 }));
});

test('200,000 added tokens are loaded and found', () => {
  const added = Array.from({ length: 200_000 }, (_, i) => ({ id: 300 + i, content: `<extra_${i}>`, special: true }));
  const json = { ...trainTokenizer(['to be'], { vocabSize: 256 }), added_tokens: added };
  assertWithinSeconds(4, () => {
    const tokenizer = new Tokenizer(json);
    assert.deepEqual([...tokenizer.encode('<extra_199999><extra_0>')], [200_299, 300]);
    assert.equal(tokenizer.findAddedTokens('<extra_17> to <extra_170>').length, 2);
  });
});

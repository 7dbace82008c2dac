// Language consistency: the share of words, by hand. npm test -- language
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { languageConsistency } from './language.ts';

test('the share of words in the language of the problem', () => {
  const sum = 'What is 3 + 4?';
  for (const [problem, text, share] of [
    [sum, '3+4=7 check: 7-4=3 ok', 1],
    [sum, '3+4=7 семь', 1 / 2],
    [sum, 'three plus 4 is seven', 3 / 5],
    [sum, 'forty-seven', 0],
    [sum, '3 + 4 = ٧', 4 / 5],
    [sum, 'a�b 7', 1 / 2],
    ['What is three plus 4?', 'three plus 4 is seven', 1],
    ['Сколько будет 3 + 4?', '3+4=7 да so', 2 / 3],
    ['3 + 4 =', 'so 7', 1],
    [sum, ' \n ', 0],
    ['', 'weight often tend', 1],
  ] as const)
    assert.equal(languageConsistency(problem, text), share, text);
});

test('any text has a share, in time proportional to it', () => {
  const text = '\u0000\uD800 \u{10FFFF} 𝟟 é ÿ'.repeat(20_000);
  const share = languageConsistency('x', text);
  assert.ok(share >= 0 && share <= 1);
});

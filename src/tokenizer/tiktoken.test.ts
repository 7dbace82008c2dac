// tiktoken.model: its tokens by rank, the pattern by the name of its code. npm test -- tiktoken
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTiktoken } from './tiktoken.ts';
import { Tokenizer } from './tokenizer.ts';

const bytes = Array.from({ length: 256 }, (_, byte) => Buffer.of(byte));
const words = ['ab', 'ba', 'aba', ' a', '字', 'wxyz'].map((word) => Buffer.from(word));
const file = [...bytes, ...words].map((token, rank) => `${token.toString('base64')} ${rank}\n`).join('');
const config = {
  auto_map: { AutoTokenizer: ['tokenization_moonshot.TikTokenTokenizer', null] },
  added_tokens_decoder: { 262: { content: '<|im_end|>', special: true }, 264: { content: '<think>', special: false } },
};

test('ranks decide which merge is first; words that are tokens stay whole', () => {
  const tokenizer = new Tokenizer(readTiktoken(file, config, 'tiktoken.model'));
  const ids = (text: string) => [...tokenizer.encode(text)];
  assert.deepEqual(ids('aba'), [258]);
  assert.deepEqual(ids('bab'), [98, 256]); // ab before ba
  assert.deepEqual(ids('wxyz'), [261]); // no merge makes it
  assert.deepEqual(ids('字a<|im_end|>'), [260, 97, 262]); // Han characters and Latin ones are cut apart
  assert.equal(tokenizer.decode(ids(' ab é<think>')), ' ab é<think>');
  assert.ok(tokenizer.isSpecial(262) && !tokenizer.isSpecial(264) && !tokenizer.has(263));
});

test('what is refused', () => {
  const other = { auto_map: { AutoTokenizer: ['tokenization_other.Tokenizer', null] } };
  assert.throws(
    () => readTiktoken(file, other, 'tiktoken.model'),
    /known are tokenization_moonshot and tokenization_kimi, .*"tokenization_other\.Tokenizer"; convert it to/,
  );
  for (const bad of ['YQ== 0\nYQ== 0\n', 'YQ== 5\n', 'a b c\n', 'YQ==\n'])
    assert.throws(() => readTiktoken(bad, config, 'tiktoken.model'), /line \d: expected a token in base64 and a rank/);
});

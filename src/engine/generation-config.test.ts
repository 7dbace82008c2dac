// Sampling defaults of generation_config.json; a tokenizer that does not belong. npm test -- generation-config
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { characterTokenizer, type LoadedTokenizer, Tokenizer, trainTokenizer } from '../tokenizer/index.ts';
import { readSamplingDefaults } from './generation-config.ts';
import { resolveOptions } from './sampling-options.ts';
import { expectTokenizerBelongs, testTokenizer } from './self-test.ts';

const path = 'model/generation_config.json';

test('fields that change answers are used; what a request says comes first', () => {
  const qwen = { do_sample: true, temperature: 0.7, top_p: 0.8, top_k: 20, repetition_penalty: 1.05, min_p: 0.1 };
  const defaults = readSamplingDefaults(
    { ...qwen, eos_token_id: [1, 2], transformers_version: '5.0', num_beams: 1 },
    path,
  );
  assert.deepEqual(defaults, { temperature: 0.7, topP: 0.8, topK: 20, repetitionPenalty: 1.05, minP: 0.1 });
  const resolved = resolveOptions({ topK: 5 }, { vocabSize: 100, room: 10, defaults });
  assert.deepEqual(
    [resolved.temperature, resolved.topP, resolved.topK, resolved.minP, resolved.repetitionPenalty],
    [0.7, 0.8, 5, 0.1, 1.05],
  );
  assert.deepEqual(readSamplingDefaults({ do_sample: false, temperature: 0.6 }, path), { temperature: 0 });
  assert.deepEqual(readSamplingDefaults({ temperature: null, bad_words_ids: [], guidance_scale: 1 }, path), {});
});

test('other fields are refused by name where they would change answers; unknown ones are said aloud', () => {
  for (const [field, value, expected] of [
    ['num_beams', 4, /num_beams: expected 1, received 4; correct the field, or remove it/],
    ['no_repeat_ngram_size', 3, /no_repeat_ngram_size: expected 0/],
    ['suppress_tokens', [7], /suppress_tokens: expected nothing, because it is not supported, received \[7\]/],
    ['temperature', -1, /temperature: expected a number from 0, received -1/],
    ['top_p', 0, /top_p: expected a number above 0/],
    ['top_k', '50', /top_k: expected a whole number from 0, received "50"/],
  ] as const)
    assert.throws(() => readSamplingDefaults({ [field]: value }, path), expected);
  const heard: string[] = [];
  assert.deepEqual(
    readSamplingDefaults({ toString: 1 }, path, (text) => heard.push(text)),
    {},
  );
  assert.deepEqual(heard, [`${path}: toString is not known here, and has no effect`]);
});

const loaded = (tokenizer: Tokenizer, eosIds: number[] = []): LoadedTokenizer => ({
  tokenizer,
  specialTokens: {},
  bosId: null,
  padId: null,
  eosIds,
  chatTemplate: null,
});

test('a tokenizer of another model is refused; added tokens without rows are allowed', async () => {
  const bytes = new Tokenizer(trainTokenizer(['to be'], { vocabSize: 256 }));
  assert.throws(() => expectTokenizerBelongs(loaded(bytes), 255), /has 256 tokens, but the model has rows for 255/);
  assert.throws(
    () => expectTokenizerBelongs(loaded(bytes, [256]), 300),
    /no token has id 256, which ends a generation/,
  );
  const image = { id: 256, content: '<image>', special: true };
  expectTokenizerBelongs(loaded(new Tokenizer({ ...bytes.json, added_tokens: [image] })), 256);
  const [tokens, template] = await testTokenizer(loaded(bytes), 300);
  assert.equal(tokens, 'tokenizer: 256 tokens for 300 rows; a text comes back from its tokens; nothing ends an answer');
  assert.match(template, /^chat template: none, DeepSeek-V2's is used: "User: Hi\\n\\nAssistant:"$/);
  const letters = new Tokenizer(characterTokenizer('Hi: UserAstan\n'));
  assert.match((await testTokenizer(loaded(letters), 20))[0], /it lacks characters of the text that was tried/);
});

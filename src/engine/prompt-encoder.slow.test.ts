// Prompts of any length, tokenizers and templates of strangers: the same ids wherever they are encoded, and refusals in
// words instead of a process that hangs or ends. npm test -- prompt-encoder
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import {
  ChatTemplate,
  type LoadedTokenizer,
  Tokenizer,
  TokenizerError,
  type TokenizerJson,
} from '../tokenizer/index.ts';
import { chatPrompt } from './chat-prompt.ts';
import { RefusedError } from './generation.ts';
import { PromptEncoder } from './prompt-encoder.ts';
import { encodePieces, fillInPieces } from './prompt-text.ts';
import { testTokenizer } from './test-tokenizer.ts';

const own = testTokenizer();
const evil = `${'a'.repeat(40)}${'\u0323\u0301'.repeat(150)}!`;
const encoders: PromptEncoder[] = [];
after(() => {
  for (const encoder of encoders) encoder.close();
});

function encoderFor(loaded: LoadedTokenizer): PromptEncoder {
  const encoder = new PromptEncoder(loaded);
  encoders.push(encoder);
  return encoder;
}

function withJson(fields: TokenizerJson): LoadedTokenizer {
  return { ...own, tokenizer: new Tokenizer({ ...own.tokenizer.json, ...fields }, '/home/me/tokenizer.json') };
}

function withTemplate(text: string): LoadedTokenizer {
  return { ...own, chatTemplate: new ChatTemplate(text, own.specialTokens, '/home/me/tokenizer_config.json') };
}

const split = (Regex: string) => ({
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
      { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
    ],
  },
});
const replace = (pattern: object, content: string, times = 1) => ({
  normalizer: {
    type: 'Sequence',
    normalizers: Array.from({ length: times }, () => ({ type: 'Replace', pattern, content })),
  },
});

describe('a prompt has the same ids wherever it is encoded', () => {
  const encoder = encoderFor(own);
  const long = 'the quick brown fox says 123 字 <｜User｜>\n'.repeat(1000);
  const texts = ['', 'to be', long, `${long}\ud800`];

  test('texts', async () => {
    for (const text of texts)
      for (const options of [{ plain: true }, { addSpecialTokens: true }]) {
        const expected = own.tokenizer.encode(text.replace('\ud800', '\ufffd'), options);
        assert.deepEqual(await encoder.text(text, options), expected, `${text.length}`);
      }
  });

  test('conversations', async () => {
    for (const content of texts) {
      const messages = [
        { role: 'user', content },
        { role: 'assistant', content: 'ok' },
        { role: 'user', content: '?' },
      ];
      assert.deepEqual(await encoder.chat(messages), chatPrompt(own, messages), `${content.length}`);
    }
  });

  test('what stands around a gap', async () => {
    const expected = encodePieces(own.tokenizer, fillInPieces(own, long, 'to be'));
    assert.deepEqual(await encoder.fillIn(long, 'to be'), expected);
  });

  test('patterns and templates that nobody knows', async () => {
    const strange = withJson(split('[a-z]{2}|\\d+(?=z)'));
    assert.equal(strange.tokenizer.isLinear, false);
    assert.deepEqual(await encoderFor(strange).text('abcde 12z'), strange.tokenizer.encode('abcde 12z'));
    const template = withTemplate('{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}<think>');
    const messages = [{ role: 'user', content: 'to be' }];
    assert.deepEqual(await encoderFor(template).chat(messages), chatPrompt(template, messages));
  });
});

describe('a prompt that cannot fit is refused before it is encoded', () => {
  const encoder = encoderFor(own);
  const [contextLength, token] = [64, '<｜tool▁outputs▁begin｜>'];
  const isTooLong = (error: unknown) => error instanceof RefusedError && error.kind === 'too-long';

  test('the bound is that of the longest token', async () => {
    const text = (count: number) => encoder.text(token.repeat(count), {}, { contextLength });
    assert.equal((await text(63)).length, 63);
    await assert.rejects(text(64), isTooLong);
    await assert.rejects(
      encoder.text('a'.repeat(2 ** 22), {}, { contextLength }),
      /4194304 bytes are at least \d+ tokens/,
    );
    await assert.rejects(
      encoder.chat([{ role: 'user', content: 'a'.repeat(2 ** 22) }], {}, { contextLength }),
      isTooLong,
    );
  });

  test('a text that a template drops does not count', async () => {
    const last = encoderFor(withTemplate('{{ messages[-1].content }}'));
    const messages = [
      { role: 'user', content: 'a'.repeat(2 ** 20) },
      { role: 'user', content: 'to be' },
    ];
    assert.deepEqual((await last.chat(messages, {}, { contextLength })).ids, own.tokenizer.encode('to be'));
  });

  test('a text that a normalizer shortens is encoded', async () => {
    const short = encoderFor(withJson(replace({ String: 'a' }, '')));
    assert.equal((await short.text(`${'a'.repeat(10_000)}b`, {}, { contextLength })).length, 1);
  });
});

describe('hostile files', { concurrency: true }, () => {
  const tokenizers: readonly (readonly [name: string, fields: TokenizerJson, message: RegExp])[] = [
    [
      'a pattern',
      split('(a+)+$'),
      /\[tokenizer\.json\] pre_tokenizer: its patterns take too long \(.*2\.0 s\).*; send/,
    ],
    ['a normalizer', replace({ Regex: '(a+)+$' }, 'b'), /\[tokenizer\.json\] normalizer: its patterns take too long/],
    ['combining marks', { normalizer: { type: 'NFC' } }, /normalizer: more than 256 combining marks in a row; leave/],
    [
      'nine replacements',
      replace({ String: 'a' }, 'a'.repeat(10), 9),
      /normalizer: it makes a text more than 32 times/,
    ],
  ];
  for (const [name, fields, message] of tokenizers)
    test(`${name}: refused in words, and the next prompt is encoded`, async () => {
      const loaded = withJson(fields);
      const encoder = encoderFor(loaded);
      await assert.rejects(encoder.text(evil), { name: 'RefusedError', kind: 'invalid', message });
      await assert.rejects(encoder.chat([{ role: 'user', content: evil }]), message);
      assert.deepEqual(await encoder.text('to be'), loaded.tokenizer.encode('to be'));
      if (name !== 'a normalizer') assert.throws(() => loaded.tokenizer.encode(evil), TokenizerError);
    });

  const growing = (value: string, step: string) =>
    `{% set ns = namespace(x=${value}) %}{% for i in range(60) %}{% set ns.x = ${step} %}{% endfor %}{{ ns.x }}`;
  const templates: readonly (readonly [name: string, template: string, message: RegExp])[] = [
    ['a loop of a billion', '{% for i in range(1000000000) %}x{% endfor %}', /range of more than 100000/],
    ['loops in loops', '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}', /too long/],
    ['a text that doubles', growing("'ab'", 'ns.x ~ ns.x'), /refused the messages \(Invalid string length\)|too|took/],
    ['a list that doubles', growing('[1]', 'ns.x + ns.x'), /too|took/],
    ['a tree that doubles', growing('[1]', '[ns.x, ns.x]').replace('{{ ns.x', '{{ ns.x | tojson'), /too|took/],
    [
      'far too much text',
      '{% for i in range(9999) %}{{ messages[0].content * 9 }}{% endfor %}',
      /refused|more than|too|took/,
    ],
  ];
  for (const [name, template, message] of templates)
    test(`a template with ${name}: refused in words`, async () => {
      const encoder = encoderFor(withTemplate(template));
      const asked = encoder.chat([{ role: 'user', content: 'to be '.repeat(100) }]);
      await assert.rejects(asked, { name: 'RefusedError', kind: 'invalid', message });
      assert.deepEqual(await encoder.text('to be'), own.tokenizer.encode('to be'));
    });
});

test('who leaves while the prompt waits is not waited for', async () => {
  const encoder = encoderFor(withJson(split('(a+)+$')));
  const [running, waiting] = [encoder.text(evil), new AbortController()];
  const left = encoder.text('to be', {}, { signal: waiting.signal });
  waiting.abort(new Error('left'));
  await assert.rejects(left, /left/);
  await assert.rejects(running, RefusedError);
});

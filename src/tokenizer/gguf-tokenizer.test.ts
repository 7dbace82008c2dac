// The tokenizer in a GGUF file: what is written is read back, SentencePiece by its scores, special tokens, refusals.
// npm test -- gguf-tokenizer
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LoadedTokenizer } from './folder.ts';
import { ggufTokenizerKeys } from './gguf-keys.ts';
import { ggufPreTokenizers } from './gguf-pre-tokenizers.ts';
import { hasGgufTokenizer, loadGgufTokenizer } from './gguf-tokenizer.ts';
import { readPreTokenizer, sequence } from './pre-tokenizer.ts';
import { splitText } from './test-texts.ts';
import { Tokenizer } from './tokenizer.ts';
import { trainTokenizer } from './train.ts';

/** Returns metadata as a reader of GGUF gives it. */
function metadata(keys: Readonly<Record<string, unknown>>): Map<string, unknown> {
  return new Map(
    Object.entries(keys).map(([key, value]) => [key.includes('.') ? key : `tokenizer.ggml.${key}`, value]),
  );
}

const pieces: readonly (readonly [token: string, type: number, score: number])[] = [
  ['<unk>', 2, 0],
  ['<s>', 3, 0],
  ['</s>', 3, 0],
  ...Array.from({ length: 256 }, (_, byte): [string, number, number] => [
    `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
    6,
    0,
  ]),
  ['▁a', 1, -1],
  ['ab', 1, 0],
  ['▁ab', 1, -2],
  ['▁', 1, -3],
  ['a', 1, -4],
  ['b', 1, -5],
  ['<|im_end|>', 1, -6],
  ['<hole>', 4, 0],
];
const llama = {
  model: 'llama',
  tokens: pieces.map(([token]) => token),
  token_type: Int32Array.from(pieces, ([, type]) => type),
  scores: Float32Array.from(pieces, ([, , score]) => score),
};
const load = (changed: object = {}) => loadGgufTokenizer(metadata({ ...llama, ...changed }), 'model.gguf');
const named = (tokens: ArrayLike<number>) => Array.from(tokens, (id) => pieces[id][0]);

describe('SentencePiece', () => {
  test('the highest score merges first; a space in front; bytes for other characters', () => {
    const { tokenizer } = load();
    assert.deepEqual(named(tokenizer.encode('ab')), ['▁ab']); // ab (0) before ▁a (-1), then ▁ab
    assert.deepEqual(named(tokenizer.encode('aa é')), ['▁a', 'a', '▁', '<0xC3>', '<0xA9>']);
    assert.deepEqual(named(tokenizer.encode('a<hole>a')), ['▁a', '<hole>', '▁a']);
    assert.equal(tokenizer.decode(tokenizer.encode('aa é')), 'aa é');
    assert.equal(tokenizer.decode(tokenizer.encode('a'), { continues: true }), ' a');
    assert.deepEqual(named(load({ add_space_prefix: false }).tokenizer.encode('ab')), ['ab']);
  });

  test('special tokens, whether the file names them or not; a turn ends where models end one', () => {
    const { specialTokens, bosId, eosIds, tokenizer, chatTemplate } = load();
    assert.deepEqual(specialTokens, { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' });
    assert.deepEqual([bosId, chatTemplate], [1, null]);
    assert.deepEqual(named(eosIds), ['</s>', '<|im_end|>']);
    assert.ok(tokenizer.isSpecial(tokenizer.tokenToId('<|im_end|>') as number));
    assert.deepEqual(named(tokenizer.encode('a', { addSpecialTokens: true })), ['<s>', '▁a']);
    const other = load({ add_bos_token: false, add_eos_token: true, eos_token_id: 1, eot_token_id: 266 });
    assert.deepEqual(named(other.tokenizer.encode('a', { addSpecialTokens: true })), ['▁a', '<s>']);
    assert.deepEqual(named(other.eosIds), ['<s>', '</s>', '<|im_end|>', '<hole>']);
  });

  test('tokens for filling in, and the chat template', () => {
    const fim = { fim_pre_token_id: 259, fim_suf_token_id: 260, fim_mid_token_id: 266 };
    const { fillInTokens, chatTemplate } = load({ ...fim, 'tokenizer.chat_template': '{{ bos_token }}!' });
    assert.deepEqual(fillInTokens, ['▁a', 'ab', '<hole>']);
    assert.equal(chatTemplate?.render([]), '<s>!');
  });
});

describe('SentencePiece that is written', () => {
  const written = (loaded: LoadedTokenizer) => {
    const keys = Object.entries(ggufTokenizerKeys(loaded, 270)).map(([key, { type, value }]): [string, unknown] => {
      if (type === 'i32') return [key, Int32Array.from(value as number[])];
      return [key, type === 'f32' ? Float32Array.from(value as number[]) : value];
    });
    return loadGgufTokenizer(new Map(keys), 'again.gguf');
  };

  test('is read back: cuts, special tokens, types, with a space in front or without', () => {
    for (const add_space_prefix of [true, false]) {
      const loaded = load({ add_space_prefix, 'tokenizer.chat_template': '{{ bos_token }}!' });
      const again = written(loaded);
      for (const text of ['ab', 'aab abab', ' a  é\n', 'a<hole>b</s> b<|im_end|>a', 'bbaab'])
        assert.deepEqual(again.tokenizer.encode(text), loaded.tokenizer.encode(text), text);
      assert.deepEqual(again.specialTokens, loaded.specialTokens);
      assert.deepEqual([again.eosIds, again.bosId], [loaded.eosIds, loaded.bosId]);
      assert.equal(again.chatTemplate?.render([]), '<s>!');
      assert.ok(!again.tokenizer.has(268));
    }
  });

  test('is refused where scores cannot say it', () => {
    const loaded = load();
    const { json } = loaded.tokenizer;
    const changed = (change: object) => ({ ...loaded, tokenizer: new Tokenizer({ ...json, ...change }) });
    const model = json.model as { merges: [string, string][] };
    const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: false };
    const refused: [change: object, message: RegExp][] = [
      [{ model: { ...model, merges: model.merges.slice(1) } }, /model.merges lacks "a b": GGUF cannot say it; keep/],
      [{ normalizer: { type: 'NFC' } }, /normalizer NFC: GGUF cannot say it/],
      [{ normalizer: null, pre_tokenizer: metaspace }, /Metaspace with prepend_scheme "first" and split false/],
    ];
    for (const [change, message] of refused) assert.throws(() => ggufTokenizerKeys(changed(change), 270), message);
  });
});

test('Unigram: the best sum of scores, unknown characters as bytes', () => {
  const { tokenizer } = load({ model: 't5', eos_token_id: 2 });
  assert.deepEqual(named(tokenizer.encode('ab', { addSpecialTokens: true })), ['▁ab', '</s>']);
  assert.deepEqual(named(tokenizer.encode('  a   é ')), ['▁a', '▁', '<0xC3>', '<0xA9>']);
});

describe('byte-level BPE', () => {
  const specialTokens = ['<s>', '</s>', { content: '<think>', special: false }];
  const trained = (preTokenizer: 'qwen2' | 'llama-3' | 'deepseek-v3' | 'gpt-2') =>
    trainTokenizer(['to be, or not to be: that is 12345'], { vocabSize: 300, specialTokens, preTokenizer });

  test('what is written is read back: ids, names, template', () => {
    for (const [name, expected] of [
      ['qwen2', 'deepseek-r1-qwen'], // without NFC
      ['llama-3', 'dbrx'], // without whole words
      ['deepseek-v3', 'deepseek-v3'],
      ['gpt-2', 'gpt-2'],
    ] as const) {
      const tokenizer = new Tokenizer(trained(name));
      const keys = ggufTokenizerKeys(
        {
          tokenizer,
          specialTokens: { bos_token: '<s>', eos_token: '</s>' },
          bosId: 0,
          padId: null,
          eosIds: [1, 2],
          chatTemplate: null,
        },
        310,
      );
      assert.equal(keys['tokenizer.ggml.pre'].value, expected);
      const values = Object.entries(keys).map(([key, { type, value }]): [string, unknown] => [
        key,
        type === 'i32' ? Int32Array.from(value as number[]) : value,
      ]);
      const read = loadGgufTokenizer(new Map(values), 'model.gguf');
      const text = '<s>to be or  not 12345<think>\n';
      assert.deepEqual(read.tokenizer.encode(text), tokenizer.encode(text));
      assert.deepEqual([read.eosIds, read.bosId], [[1, 2], 0]);
      assert.deepEqual(read.specialTokens, { bos_token: '<s>', eos_token: '</s>' });
      assert.ok(!read.tokenizer.has(305) && !read.tokenizer.isSpecial(2));
    }
  });

  test('every pre-tokenizer of the table compiles, and loses nothing of a text', () => {
    const text = "Don't 12345 ÀBC字字ひら\r\n\n  x+=1; \u0301 ภาษา  ";
    for (const { names, json } of ggufPreTokenizers)
      assert.equal(splitText(readPreTokenizer(json, names[0]).cut, text).join(''), text, names[0]);
    const cut = (name: string, given: string) => {
      const row = ggufPreTokenizers.find(({ names }) => names.includes(name));
      return splitText(readPreTokenizer(row?.json, name).cut, given);
    };
    assert.deepEqual(cut('smollm', "a 12's"), ['a', ' ', '1', '2', "'s"]);
    assert.deepEqual(cut('gpt-4o', "HelloWorld ABc don't 1234"), ['Hello', 'World', ' ABc', " don't", ' ', '123', '4']);
    assert.deepEqual(cut('kimi-k2', 'ab字字cd'), ['ab', '字字', 'cd']);
    assert.deepEqual(cut('afmoe', '1234567'), ['1', '234', '567']);
    assert.deepEqual(cut('superbpe', '1234567'), ['1', '234', '567']);
    assert.deepEqual(cut('bailingmoe', 'a\n\nb'), ['a', '\n\n', 'b']);
  });

  test('a way to cut that GGUF has no name for is refused', () => {
    const json = { ...trained('gpt-2'), pre_tokenizer: sequence(['[aeiou]']) };
    const loaded = { specialTokens: {}, bosId: null, padId: null, eosIds: [], chatTemplate: null };
    assert.throws(
      () => ggufTokenizerKeys({ ...loaded, tokenizer: new Tokenizer(json) }, 400),
      /no tokenizer of GGUF cuts texts in this way; keep the model in safetensors/,
    );
    assert.throws(
      () => ggufTokenizerKeys({ ...loaded, tokenizer: new Tokenizer(trained('gpt-2')) }, 10),
      /tokens do not fit into 10; use a larger size/,
    );
  });
});

test('what is refused says what to do', () => {
  const refused: [changed: object, message: RegExp][] = [
    [{ model: 'bert' }, /tokenizer\.ggml\.model: WordPiece \(bert\) is a tokenizer of encoders/],
    [
      { model: 'rwkv' },
      /expected gpt2, llama, gemma4 or t5, received "rwkv"; give the tokenizer\.json of the model: --t/,
    ],
    [{ model: 'gpt2' }, /tokenizer\.ggml\.pre: is missing/],
    [
      { model: 'gpt2', pre: 'no-such' },
      /pre: expected one of deepseek-v3, .*received "no-such"; give the tokenizer\.json/,
    ],
    [{ tokens: [] }, /expected at least one token/],
    [{ scores: new Float32Array(3) }, /scores: expected 267 numbers/],
    [{ tokens: [...llama.tokens.slice(0, -2), 'b', '<hole>'] }, /tokens 264 and 265 are both "b"/],
    [{ bos_token_id: 5000 }, /bos_token_id: expected an id of a token, received 5000/],
    [{ precompiled_charsmap: new Uint8Array(8) }, /a SentencePiece tokenizer that normalizes texts/],
    [{ scores: new Float32Array(267) }, /scores: tokens .* have the same score/],
  ];
  for (const [changed, message] of refused) assert.throws(() => load(changed), message);
  assert.ok(!hasGgufTokenizer(metadata({ model: 'none' })));
  assert.ok(!hasGgufTokenizer(new Map()));
  assert.ok(hasGgufTokenizer(metadata(llama)));
});

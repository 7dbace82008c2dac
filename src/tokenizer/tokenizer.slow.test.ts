// The real V3 vocabulary against @huggingface/tokenizers; long texts; streaming; refusals. npm test -- tokenizer
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { TokenizerError } from './errors.ts';
import { preTokenizers } from './pre-tokenizer.ts';
import { hfIds, readV3, texts, toHuggingFace, wellFormed } from './test-texts.ts';
import { Tokenizer } from './tokenizer.ts';
import type { TokenizerJson } from './tokenizer-json.ts';

const json: TokenizerJson = readV3('tokenizer.json');
const v3 = new Tokenizer(json);
const theirs = toHuggingFace(json);
const vocab = Object.entries((json.model as { vocab: Record<string, number> }).vocab);
const tokens = Object.fromEntries(vocab.map(([token, id]) => [id, token]));

/** Byte-pair encoding as its definition has it: look for the lowest rank everywhere, merge, look again. */
function encodeByDefinition(text: string): number[] {
  const { merges } = json.model as { merges: string[] };
  const ranks = new Map(merges.map((merge, rank) => [merge, rank]));
  let parts = [...new TextEncoder().encode(text)].map((byte) => tokens[byteIds[byte]]);
  for (;;) {
    const pairs = parts.slice(1).map((part, i) => ranks.get(`${parts[i]} ${part}`) ?? Number.POSITIVE_INFINITY);
    const best = Math.min(...pairs);
    if (best === Number.POSITIVE_INFINITY) return parts.map((part) => v3.tokenToId(part) as number);
    const at = pairs.indexOf(best);
    parts = [...parts.slice(0, at), parts[at] + parts[at + 1], ...parts.slice(at + 2)];
  }
}

const byteIds = Array.from({ length: 256 }, (_, byte) => {
  for (let id = 0; ; id++) if (v3.vocabSize > id && hasOnly(id, byte)) return id;
});

function hasOnly(id: number, byte: number): boolean {
  try {
    const bytes = v3.tokenBytes(id);
    return bytes.length === 1 && bytes[0] === byte;
  } catch {
    return false; // a gap
  }
}

describe('the vocabulary of DeepSeek-V3', () => {
  test('random strings: the ids of @huggingface/tokenizers, and back to the text', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const ids = v3.encode(text);
        assert.deepEqual([...ids], hfIds(theirs, text));
        assert.equal(v3.decode(ids), wellFormed(text));
      }),
      { numRuns: process.env.MINKE_LONG ? 10_000 : 1000, seed: 1 },
    );
  });

  test('added tokens taken as text', () => {
    const bare = toHuggingFace({ ...json, added_tokens: [] });
    fc.assert(
      fc.property(texts, (text) => assert.deepEqual([...v3.encode(text, { plain: true })], hfIds(bare, text))),
      { numRuns: 500, seed: 2 },
    );
  });

  test('sizes and special tokens', () => {
    assert.equal(v3.tokenToId('<｜begin▁of▁sentence｜>'), 0);
    assert.equal(v3.tokenToId('<｜User｜>'), 128803);
    assert.equal(v3.tokenToId('no such token'), undefined);
    assert.ok(v3.isSpecial(0));
    assert.ok(v3.vocabSize > 128000 && v3.vocabSize <= 129280);
    assert.deepEqual([...v3.encode('<｜User｜>')], [128803]);
    assert.equal(v3.decode([0, ...v3.encode('a')], { skipSpecialTokens: true }), 'a');
  });
});

describe('long words', () => {
  test('short and long words merge as the definition says', () => {
    const word = 'thequickbrownfoxjumpsoverthelazydog'.repeat(4);
    for (const part of [word.slice(0, 63), word.slice(0, 65), word, 'a'.repeat(131), 'äöü'.repeat(33), '字'.repeat(47)])
      assert.deepEqual([...v3.encode(part)], encodeByDefinition(part));
  });

  test('256 KB of one letter repeat the ids of a thousand', () => {
    for (const letter of ['a', ' ', '\n', '!', 'é', '字']) {
      const long = letter.repeat(2 ** 18);
      const ids = v3.encode(long);
      // Merging pairs from the left gives whole blocks of the longest token, and the rest at the end.
      const short = v3.encode(letter.repeat(1024));
      assert.deepEqual([...ids.subarray(0, short.length >> 1)], [...short.subarray(0, short.length >> 1)]);
      assert.equal(v3.decode(ids), long);
    }
  });

  test('many added tokens and blanks beside them take time in proportion', () => {
    const model = { type: 'BPE', vocab: { a: 0 }, merges: [] };
    const strip = { content: '<x>', id: 1, special: true, normalized: false, lstrip: true, rstrip: true };
    const tokenizer = new Tokenizer({ model, added_tokens: [strip] });
    const text = ' <x> '.repeat(200_000);
    assert.deepEqual(new Set(tokenizer.encode(text)), new Set([1]));
    assert.equal(tokenizer.encode(text).length, 200_000);
    assert.deepEqual([...tokenizer.encode('a \n<x>\t a<x>', { plain: false }).slice(0, 2)], [0, 1]);
  });
});

describe('decoding', () => {
  test('streaming gives the same text, and never half a character', () => {
    fc.assert(
      fc.property(texts, fc.boolean(), (text, skipSpecialTokens) => {
        const ids = v3.encode(text);
        const stream = v3.stream({ skipSpecialTokens });
        const parts = [...Array.from(ids, (id) => stream.push(id)), stream.end()];
        assert.equal(parts.join(''), v3.decode(ids, { skipSpecialTokens }));
        // Half a character would be a surrogate without its other half.
        for (const part of parts) assert.equal(part, wellFormed(part));
      }),
      { numRuns: 1500, seed: 3 },
    );
  });

  test('any ids at all: streamed as decoded at once, characters cut by a special token become U+FFFD', () => {
    const someIds = fc.array(fc.oneof(fc.nat(127_999), fc.constantFrom(...byteIds, 0, 1, 128803)), { maxLength: 30 });
    fc.assert(
      fc.property(someIds, (ids) => {
        const stream = v3.stream();
        assert.equal(ids.map((id) => stream.push(id)).join('') + stream.end(), v3.decode(ids));
      }),
      { numRuns: 1500, seed: 4 },
    );
    const [first, second] = [byteIds[0xc3], byteIds[0xa9]]; // é
    assert.equal(v3.decode([first, second]), 'é');
    assert.equal(v3.decode([first, 1, second]), '\ufffd<｜end▁of▁sentence｜>\ufffd');
    assert.equal(v3.decode([first, 1, second], { skipSpecialTokens: true }), 'é');
    assert.equal(v3.stream().push(byteIds[0xf0]), '');
    assert.equal(v3.decode([byteIds[0xf0]]), '\ufffd');
  });

  test('ids that are no token are refused', () => {
    for (const id of [10 ** 7, -1, 1.5, Number.NaN]) assert.throws(() => v3.decode([id]), /no token has id/);
  });
});

describe('what a tokenizer.json may say', () => {
  const bytes = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
  const base = { ...json, added_tokens: [] as object[] };
  const same = (changed: TokenizerJson, runs = 300, kind = texts) => {
    const [ours, other] = [new Tokenizer(changed), toHuggingFace(changed)];
    fc.assert(
      fc.property(kind, (text) => assert.deepEqual([...ours.encode(text)], hfIds(other, text))),
      { numRuns: runs, seed: 5 },
    );
  };

  test('the pre-tokenizers of Llama 3, Qwen2 (with NFC) and GPT-2', () => {
    same({ ...base, pre_tokenizer: preTokenizers['llama-3'].json });
    same({ ...base, pre_tokenizer: preTokenizers.qwen2.json, normalizer: { type: 'NFC' } });
    // Inside ByteLevel @huggingface/tokenizers takes JavaScript's \s; the original takes Unicode's, as we do.
    const plain = texts.map((text) => text.replace(/[\u0085\ufeff]/g, ''));
    same({ ...base, pre_tokenizer: preTokenizers['gpt-2'].json }, 300, plain);
  });

  test('merges as pairs of texts; whole words first', () => {
    const model = json.model as { merges: string[] };
    same({ ...json, model: { ...model, merges: model.merges.map((merge) => merge.split(' ')) } }, 100);
    const rare = { ...model, merges: model.merges.slice(0, 1000), ignore_merges: true };
    same({ ...json, model: rare });
    assert.deepEqual([...new Tokenizer({ ...json, model: rare }).encode(' people')], [v3.tokenToId('Ġpeople')]);
  });

  test('Digits, a prefix space, an unknown token', () => {
    // @huggingface/tokenizers knows ASCII digits only here; the original isolates all of \p{N}, as we do.
    const digits = { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, bytes] };
    const ascii = texts.map((text) => text.replace(/(?![0-9])\p{N}/gu, ''));
    same({ ...base, pre_tokenizer: digits }, 300, ascii);
    const prefixed = new Tokenizer({ ...json, pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } });
    assert.deepEqual([...prefixed.encode('the')], [...v3.encode(' the')]);
    const model = { type: 'BPE', vocab: { a: 0, '?': 1 }, merges: [], unk_token: '?' };
    assert.deepEqual([...new Tokenizer({ model, pre_tokenizer: bytes }).encode('abé')], [0, 1, 1, 1]);
  });

  test('tokens that the post-processor adds, when asked for', () => {
    const single = [{ SpecialToken: { id: 'B' } }, { Sequence: { id: 'A' } }, { SpecialToken: { id: 'E' } }];
    const special_tokens = { B: { id: 'B', ids: [0] }, E: { id: 'E', ids: [1] } };
    const template = { type: 'TemplateProcessing', single, special_tokens };
    const framed = new Tokenizer({ ...json, post_processor: { type: 'Sequence', processors: [bytes, template] } });
    assert.deepEqual([...framed.encode('a', { addSpecialTokens: true })], [0, ...v3.encode('a'), 1]);
    assert.deepEqual([...framed.encode('a')], [...v3.encode('a')]);
  });

  test('added tokens: the longest, in normalised text or in the given one', () => {
    const vocab = Object.fromEntries(['a', 'b', '<', '>', 'Ã', '©'].map((token, id) => [token, id]));
    const token = (id: number, content: string, normalized: boolean) => ({ id, content, normalized, special: false });
    const added_tokens = [
      token(10, '<a', false),
      token(11, '<a>', false),
      token(12, 'é', true),
      token(13, 'e\u0301b', false),
    ];
    const model = { type: 'BPE', vocab, merges: [] };
    const tokenizer = new Tokenizer({ model, added_tokens, normalizer: { type: 'NFC' }, pre_tokenizer: bytes });
    assert.deepEqual([...tokenizer.encode('<a><a<e\u0301a')], [11, 10, 2, 12, 0]);
    assert.deepEqual([...tokenizer.encode('e\u0301b')], [13]);
    assert.equal(tokenizer.decode([12, 4, 5]), 'éé');
  });
});

describe('files that are refused', () => {
  const bpe = { type: 'BPE', vocab: { a: 0 }, merges: [] };
  const bad: [what: string, json: unknown, message: RegExp][] = [
    ['no object', 3, /expected a JSON object/],
    ['another model', { model: { type: 'WordPiece' } }, /model: expected type BPE or Unigram, received "WordPiece"/],
    ['no vocabulary', { model: { type: 'BPE' } }, /model\.vocab: expected an object of ids/],
    ['an id that is none', { model: { ...bpe, vocab: { a: -1 } } }, /model\.vocab\["a"\]: expected an id/],
    ['an absurd id', { model: { ...bpe, vocab: { a: 2 ** 40 } } }, /model\.vocab\["a"\]: expected an id from 0/],
    ['no merges', { model: { ...bpe, merges: 'a b' } }, /model\.merges: expected a list/],
    ['text without its decoder', { model: { ...bpe, byte_fallback: true } }, /decoder: expected one for text/],
    [
      'text and bytes',
      { model: { ...bpe, byte_fallback: true }, pre_tokenizer: { type: 'ByteLevel' }, decoder: { type: 'Fuse' } },
      /pre_tokenizer ByteLevel: the decoder or the model is for text/,
    ],
    ['dropout', { model: { ...bpe, dropout: 0.1 } }, /dropout is not supported/],
    ['an unknown token that is none', { model: { ...bpe, unk_token: 'x' } }, /unk_token "x" is not in the vocab/],
    ['a merge of nothing', { model: { ...bpe, merges: ['a b'] } }, /merges\[0\] "a b": its tokens are not all in/],
    ['a merge that is none', { model: { ...bpe, merges: [7] } }, /merges\[0\] 7: its tokens are not all in/],
    ['another normaliser', { model: bpe, normalizer: { type: 'BertNormalizer' } }, /normalizer "BertNormalizer"/],
    ['half a normaliser', { model: bpe, normalizer: { type: 'Replace', content: 1 } }, /normalizer Replace: expected/],
    [
      'another pre-tokenizer',
      { model: bpe, pre_tokenizer: { type: 'UnicodeScripts' } },
      /pre_tokenizer "UnicodeScripts"/,
    ],
    [
      'a late prefix space',
      {
        model: bpe,
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [{ type: 'Digits' }, { type: 'ByteLevel', add_prefix_space: true }],
        },
      },
      /add_prefix_space after another component/,
    ],
    [
      'another split',
      { model: bpe, pre_tokenizer: { type: 'Split', pattern: { Regex: 'a' }, behavior: 'Merged' } },
      /received "Merged"/,
    ],
    [
      'a pattern that is none',
      { model: bpe, pre_tokenizer: { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated' } },
      /the pattern "\(" cannot be used/,
    ],
    [
      'a pattern with another meaning',
      { model: bpe, pre_tokenizer: { type: 'Split', pattern: { Regex: '\\w+' }, behavior: 'Isolated' } },
      /cannot be used \(\\w is not supported\)/,
    ],
    ['added tokens that are no list', { model: bpe, added_tokens: {} }, /added_tokens: expected a list/],
    [
      'an added token without id',
      { model: bpe, added_tokens: [{ content: 'x' }] },
      /added_tokens\[0\]: expected an id/,
    ],
    ['single words', { model: bpe, added_tokens: [{ id: 1, content: 'x', single_word: true }] }, /single_word is not/],
    ['another post-processor', { model: bpe, post_processor: { type: 'RobertaProcessing' } }, /"RobertaProcessing"/],
    [
      'a template without ids',
      {
        model: bpe,
        post_processor: { type: 'TemplateProcessing', single: [{ SpecialToken: { id: 'B' } }, { Sequence: {} }] },
      },
      /no ids for "B" in special_tokens/,
    ],
    ['another decoder', { model: bpe, decoder: { type: 'WordPiece' } }, /decoder "WordPiece": expected ByteLevel/],
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

  test('a byte without a token is refused when it is met', () => {
    const tokenizer = new Tokenizer({ model: bpe });
    assert.throws(() => tokenizer.encode('ab'), /"ab": no token for byte 0x62; use a vocabulary with all 256 bytes/);
    assert.deepEqual([...tokenizer.encode('aa')], [0, 0]);
  });
});

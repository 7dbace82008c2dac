// The tokenizer in a GGUF file: its vocabulary as a tokenizer.json, special tokens, ends of generation, chat template.
//
// `gpt2` is byte-level BPE with a pre-tokenizer that has a name; `llama` is SentencePiece, BPE by scores over text with
// byte fallback; `t5` is Unigram. Others are refused by name. As in llama.cpp, tokens that end a generation are those
// that the file names and those with a known text, and text between special tokens begins with a space where the file
// does not say otherwise. A key that is not read and may change the result is refused. Source: docs/gguf.md of
// ggml-org/ggml; src/llama-vocab.cpp of ggml-org/llama.cpp.

import { ChatTemplate } from './chat-template.ts';
import { deriveMerges } from './derive-merges.ts';
import { affixesJson, type LoadedTokenizer } from './folder.ts';
import { findGgufPreTokenizer, type GgufPreTokenizer, ggufPreTokenizers } from './gguf-pre-tokenizers.ts';
import { findEndIds, findFillIn, findSpecialIds } from './gguf-special-tokens.ts';
import {
  type GgufMetadata,
  type GgufVocabulary,
  Keys,
  prefix,
  readVocabulary,
  tokenTypes,
  toVocab,
} from './gguf-vocabulary.ts';
import { Tokenizer } from './tokenizer.ts';
import type { TokenizerJson } from './tokenizer-json.ts';

/** Phi-3's special tokens take the white space behind them; GGUF has no key for that, llama.cpp goes by the name. */
function isStripped(metadata: GgufMetadata, token: string): boolean {
  const isPhi = /phi-?3/i.test(String(metadata.get('general.name') ?? ''));
  return isPhi && !['<unk>', '<s>', '<|endoftext|>'].includes(token);
}

function addedTokens(metadata: GgufMetadata, { tokens, types }: GgufVocabulary): object[] {
  const { unknown, control, added } = tokenTypes;
  return tokens.flatMap((content, id) => {
    const type = types[id];
    if (type !== unknown && type !== control && type !== added) return [];
    const rstrip = type !== added && isStripped(metadata, content);
    return [{ id, content, single_word: false, lstrip: false, rstrip, normalized: false, special: type !== added }];
  });
}

/** Returns the bare parts of a tokenizer.json, and whether prompts begin with BOS and end with EOS by default. */
interface VocabularyParts {
  readonly json: TokenizerJson;
  readonly addBos: boolean;
  readonly addEos: boolean;
}

const replaceSpaces = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };

const textDecoder = (leadingSpace: boolean) => ({
  type: 'Sequence',
  decoders: [
    { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(leadingSpace ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
  ],
});

function findPreTokenizer(keys: Keys): GgufPreTokenizer {
  const name = keys.text('pre');
  if (name === undefined) return keys.refuse('pre', 'is missing, so how texts are cut into words is unknown');
  const found = findGgufPreTokenizer(name);
  if (found !== undefined) return found;
  const names = ggufPreTokenizers.flatMap((row) => row.names).join(', ');
  return keys.refuse('pre', `expected one of ${names}, received ${JSON.stringify(name)}`);
}

function readBytePairs(vocabulary: GgufVocabulary, row: GgufPreTokenizer): VocabularyParts {
  const { keys, tokens, types } = vocabulary;
  const { json, ignoreMerges = false, addBos = false, normalizer = null, isText = false } = row;
  const { normal, added, byte } = tokenTypes;
  const vocab = toVocab(vocabulary, [normal, added, byte]);
  const hasMerges = keys.find('merges') !== undefined || !row.names.includes('kimi-k2');
  const merges = hasMerges
    ? keys.texts('merges').map(splitMerge)
    : deriveMerges(tokens.filter((_, id) => types[id] === normal));
  const model = {
    type: 'BPE',
    ...(isText && { unk_token: vocabulary.tokens[types.indexOf(tokenTypes.unknown)] ?? null, byte_fallback: true }),
    ignore_merges: ignoreMerges,
    vocab,
    merges,
  };
  return {
    json: {
      normalizer: isText ? replaceSpaces : normalizer,
      pre_tokenizer: json,
      decoder: isText ? textDecoder(false) : { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true },
      model,
    },
    addBos,
    addEos: false,
  };
}

/** Splits `a b`, whose left part may begin with a space. */
function splitMerge(text: string): [string, string] {
  const border = text.indexOf(' ', 1);
  return [text.slice(0, border), text.slice(border + 1)];
}

/** Returns the normal tokens by score. Equal scores of two that are made by merges would leave open which is first. */
function inOrderOfScores(vocabulary: GgufVocabulary): string[] {
  const { keys, tokens, types } = vocabulary;
  const scores = keys.numbers('scores', tokens.length) ?? keys.refuse('scores', 'is missing');
  const normal = tokens.flatMap((_, id) => (types[id] === tokenTypes.normal ? [id] : []));
  if (normal.some((id) => !Number.isFinite(scores[id]))) keys.refuse('scores', 'expected finite numbers');
  normal.sort((a, b) => scores[b] - scores[a] || a - b);
  const isLong = (id: number) => tokens[id].length > 1;
  const at = normal.findIndex(
    (id, i) => i > 0 && scores[id] === scores[normal[i - 1]] && isLong(id) && isLong(normal[i - 1]),
  );
  if (at > 0)
    keys.refuse(
      'scores',
      `tokens ${normal[at - 1]} and ${normal[at]} have the same score, so which merges first is open`,
    );
  return normal.map((id) => tokens[id]);
}

/** Returns the id of the unknown token: `unknown_token_id`, or the token of that type. */
function unknownToken({ keys, tokens, types }: GgufVocabulary): string | null {
  const id = keys.find('unknown_token_id');
  return tokens[typeof id === 'number' ? id : types.indexOf(tokenTypes.unknown)] ?? null;
}

function readSentencePiece(vocabulary: GgufVocabulary): VocabularyParts {
  const { keys, tokens, types } = vocabulary;
  const { normal, byte, unknown } = tokenTypes;
  if (keys.flag('remove_extra_whitespaces', false) || keys.find('precompiled_charsmap') !== undefined)
    keys.refuse('precompiled_charsmap', 'a SentencePiece tokenizer that normalizes texts is not supported');
  const hasPrefix = keys.flag('add_space_prefix', true);
  const unk = unknownToken(vocabulary);
  const unkIds = unk === null ? [] : [types.indexOf(unknown), tokens.indexOf(unk)];
  const vocab = toVocab(vocabulary, [normal, byte]);
  for (const id of unkIds) if (id >= 0) vocab[tokens[id]] = id;
  const normalizers = [...(hasPrefix ? [{ type: 'Prepend', prepend: '▁' }] : []), replaceSpaces];
  return {
    json: {
      normalizer: { type: 'Sequence', normalizers },
      pre_tokenizer: null,
      decoder: textDecoder(hasPrefix),
      model: {
        type: 'BPE',
        unk_token: unk,
        fuse_unk: true,
        byte_fallback: true,
        ignore_merges: false,
        vocab,
        merges: deriveMerges(inOrderOfScores(vocabulary)),
      },
    },
    addBos: true,
    addEos: false,
  };
}

function readUnigram(vocabulary: GgufVocabulary): VocabularyParts {
  const { keys, tokens, types } = vocabulary;
  const scores = keys.numbers('scores', tokens.length) ?? keys.refuse('scores', 'is missing');
  const map = keys.find('precompiled_charsmap');
  if (map !== undefined && !ArrayBuffer.isView(map)) keys.refuse('precompiled_charsmap', 'expected bytes');
  const { buffer, byteOffset, byteLength } = (map ?? new Uint8Array()) as Uint8Array;
  const precompiled_charsmap = Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('base64');
  const isTrimmed = keys.flag('remove_extra_whitespaces', true);
  const hasPrefix = keys.flag('add_space_prefix', true);
  const trim = [
    { type: 'Strip', strip_left: true, strip_right: true },
    { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
  ];
  const unk = unknownToken(vocabulary);
  // The others are never chosen, but their ids must stay.
  const { normal, byte } = tokenTypes;
  const isChosen = (id: number) => types[id] === normal || types[id] === byte || tokens[id] === unk;
  const space = { type: 'Metaspace', replacement: '▁', prepend_scheme: hasPrefix ? 'always' : 'never', split: true };
  return {
    json: {
      normalizer: {
        type: 'Sequence',
        normalizers: [{ type: 'Precompiled', precompiled_charsmap }, ...(isTrimmed ? trim : [])],
      },
      pre_tokenizer: space,
      decoder: space,
      model: {
        type: 'Unigram',
        unk_id: unk === null ? null : tokens.indexOf(unk),
        vocab: tokens.map((token, id) => (isChosen(id) ? [token, scores[id]] : [`\u0000${id}`, 0])),
        byte_fallback: types.includes(tokenTypes.byte),
      },
    },
    addBos: false,
    addEos: true,
  };
}

function readParts(vocabulary: GgufVocabulary): VocabularyParts {
  const { keys } = vocabulary;
  const model = keys.text('model');
  switch (model) {
    case 'gpt2':
      return readBytePairs(vocabulary, findPreTokenizer(keys));
    case 'gemma4':
      return readBytePairs(vocabulary, findGgufPreTokenizer('gemma4') as GgufPreTokenizer);
    case 'llama':
      return readSentencePiece(vocabulary);
    case 't5':
      return readUnigram(vocabulary);
    case 'bert':
      return keys.refuse('model', 'WordPiece (bert) is a tokenizer of encoders', 'name a model that generates text');
    default:
      return keys.refuse('model', `expected gpt2, llama, gemma4 or t5, received ${JSON.stringify(model)}`);
  }
}

/** Whether a GGUF file has a tokenizer. */
export function hasGgufTokenizer(metadata: GgufMetadata): boolean {
  const model = metadata.get(`${prefix}model`);
  return model !== undefined && model !== 'none' && model !== 'no_vocab';
}

/** Reads the tokenizer of a GGUF file. Throws TokenizerError naming file, key and remedy. */
export function loadGgufTokenizer(metadata: GgufMetadata, source: string): LoadedTokenizer {
  const keys = new Keys(metadata, source);
  const vocabulary = readVocabulary(keys);
  const parts = readParts(vocabulary);
  const ids = findSpecialIds(vocabulary);
  const affix = (flag: string, name: string, otherwise: boolean) => {
    if (!keys.flag(flag, otherwise)) return [];
    const id = ids.get(name) ?? keys.refuse(flag, `is true, but the file names no ${name}`, 'fetch the file again');
    return [{ id, text: vocabulary.tokens[id] }];
  };
  const [before, after] = [
    affix('add_bos_token', 'bos_token', parts.addBos),
    affix('add_eos_token', 'eos_token', parts.addEos),
  ];
  const json = {
    version: '1.0',
    truncation: null,
    padding: null,
    ...parts.json,
    added_tokens: addedTokens(metadata, vocabulary),
    post_processor: affixesJson(before, after),
  };
  const specialTokens = Object.fromEntries([...ids].map(([name, id]) => [name, vocabulary.tokens[id]]));
  const template = metadata.get('tokenizer.chat_template');
  const fillInTokens = findFillIn(vocabulary);
  return {
    tokenizer: new Tokenizer(json, source),
    specialTokens,
    bosId: ids.get('bos_token') ?? null,
    padId: ids.get('pad_token') ?? null,
    eosIds: findEndIds(vocabulary, ids.get('eos_token')),
    chatTemplate:
      typeof template === 'string' ? new ChatTemplate(template, specialTokens, `${source}, chat_template`) : null,
    ...(fillInTokens && { fillInTokens }),
  };
}

// A tokenizer as the keys of a GGUF file, as llama.cpp reads them: vocabulary, special tokens, chat template.
//
// The pre-tokenizer of byte-level BPE gets the name under which llama.cpp does the same; a tokenizer that cuts in a way
// without a name is refused, because the file would be read wrongly. SentencePiece: gguf-sentencepiece.ts; what is
// written is read back, and must cut sample texts in the same way.
import { TokenizerError } from './errors.ts';
import type { LoadedTokenizer } from './folder.ts';
import { ggufPreTokenizers } from './gguf-pre-tokenizers.ts';
import { hasSpacePrefix, isSentencePiece, scoreTokens } from './gguf-sentencepiece.ts';
import { loadGgufTokenizer } from './gguf-tokenizer.ts';
import { tokenTypes } from './gguf-vocabulary.ts';
import { hasSameCuts } from './pre-tokenizer.ts';
import type { Tokenizer } from './tokenizer.ts';
import { readAffixes } from './tokenizer-json.ts';

/** A value with its type in GGUF. */
export interface GgufKey {
  readonly type: 'u32' | 'i32' | 'f32' | 'bool' | 'string';
  readonly value: number | boolean | string | readonly number[] | readonly string[];
}

/** Returns the name of the pre-tokenizer. Throws TokenizerError if llama.cpp has none that cuts so. */
function findName({ json, source }: Tokenizer): string {
  const rows = ggufPreTokenizers.filter((row) => !row.isText && hasSameCuts(row.json, json.pre_tokenizer));
  const { ignore_merges: whole = false } = json.model as { ignore_merges?: boolean };
  const normalizer = (json.normalizer as { type?: string } | null)?.type;
  const fits = (row: (typeof rows)[number]) =>
    Number((row.ignoreMerges ?? false) === whole) * 2 +
    Number((row.normalizer as { type?: string } | undefined)?.type === normalizer);
  const best = [...rows].sort((a, b) => fits(b) - fits(a))[0];
  if (best !== undefined) return best.names[0];
  throw new TokenizerError(
    source,
    'pre_tokenizer: no tokenizer of GGUF cuts texts in this way',
    'keep the model in safetensors',
  );
}

interface TokenLists {
  readonly tokens: readonly string[];
  readonly types: readonly number[];
}

/** Lists `size` tokens by id, with a placeholder for each unused id. */
function listTokens({ json, addedTokens, source, vocabSize }: Tokenizer, size: number): TokenLists {
  if (size < vocabSize)
    throw new TokenizerError(source, `${vocabSize} tokens do not fit into ${size}`, 'use a larger size');
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
  const types = new Array<number>(size).fill(tokenTypes.unused);
  const { vocab } = json.model as { vocab: Record<string, number> };
  for (const token in vocab) {
    tokens[vocab[token]] = token;
    types[vocab[token]] = tokenTypes.normal;
  }
  for (const { content, id, special } of addedTokens) {
    tokens[id] = content;
    types[id] = special ? tokenTypes.control : tokenTypes.added;
  }
  return { tokens, types };
}

const texts = (value: readonly string[]): GgufKey => ({ type: 'string', value });
const text = (value: string): GgufKey => ({ type: 'string', value });
const flag = (value: boolean): GgufKey => ({ type: 'bool', value });
const u32 = (value: number): GgufKey => ({ type: 'u32', value });

function bytePairKeys(tokenizer: Tokenizer, { tokens, types }: TokenLists): Record<string, GgufKey> {
  const { merges } = tokenizer.json.model as { merges: (string | string[])[] };
  return {
    model: text('gpt2'),
    pre: text(findName(tokenizer)),
    tokens: texts(tokens),
    token_type: { type: 'i32', value: types },
    merges: texts(merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')))),
  };
}

function sentencePieceKeys({ json, source }: Tokenizer, { tokens, types }: TokenLists): Record<string, GgufKey> {
  const scored = scoreTokens(json, tokens, types, source);
  return {
    model: text('llama'),
    pre: text('default'),
    tokens: texts(tokens),
    token_type: { type: 'i32', value: scored.types },
    scores: { type: 'f32', value: scored.scores },
    add_space_prefix: flag(hasSpacePrefix(json, source)),
  };
}

/** Texts in which tokenizers differ: spaces, lines, digits, characters without a token. */
const samples = ['Hello, world! ', '  two  spaces\n\n\tand 12,345.67', "It's naïve 你好 👍🏽\u0301", '<s>x</s> y'];

/** Throws TokenizerError unless what was written cuts texts as the tokenizer does. */
function expectSameCuts({ tokenizer }: LoadedTokenizer, keys: Readonly<Record<string, GgufKey>>): void {
  const typed = Object.entries(keys).map(([key, { type, value }]): [string, unknown] => {
    const numbers = type === 'i32' ? Int32Array : type === 'f32' ? Float32Array : null;
    return [key, numbers && Array.isArray(value) ? numbers.from(value as number[]) : value];
  });
  const again = loadGgufTokenizer(new Map(typed), tokenizer.source).tokenizer;
  const added = tokenizer.addedTokens.map(({ content }) => `a ${content} b${content}`).slice(0, 64);
  const other = [...samples, ...added].find((sample) => `${again.encode(sample)}` !== `${tokenizer.encode(sample)}`);
  if (other === undefined) return;
  const problem = `llama.cpp would cut ${JSON.stringify(other)} in another way`;
  throw new TokenizerError(tokenizer.source, problem, 'keep the model in safetensors');
}

/** Returns the keys of a tokenizer for a model with a vocabulary of `size` tokens. Throws TokenizerError. */
export function ggufTokenizerKeys(loaded: LoadedTokenizer, size: number): Record<string, GgufKey> {
  const { tokenizer, specialTokens, eosIds, chatTemplate } = loaded;
  const { model, post_processor, decoder } = tokenizer.json as Record<string, { type?: string }>;
  const hasScores = isSentencePiece(tokenizer.json);
  if (!hasScores && (model.type === 'Unigram' || (decoder && decoder.type !== 'ByteLevel')))
    throw new TokenizerError(
      tokenizer.source,
      'only BPE, byte-level or with byte fallback, can be written to GGUF',
      'keep the model in safetensors',
    );
  const lists = listTokens(tokenizer, size);
  const { before, after } = readAffixes(post_processor, tokenizer.source);
  const keys: Record<string, GgufKey> = {
    ...(hasScores ? sentencePieceKeys(tokenizer, lists) : bytePairKeys(tokenizer, lists)),
    add_bos_token: flag(before.length > 0),
    add_eos_token: flag(after.length > 0),
  };
  for (const [key, name] of [
    ['bos_token_id', 'bos_token'],
    ['unknown_token_id', 'unk_token'],
    ['padding_token_id', 'pad_token'],
  ] as const) {
    const id = tokenizer.tokenToId(specialTokens[name] ?? '');
    if (id !== undefined) keys[key] = u32(id);
  }
  const [eos, ...others] = eosIds;
  const named = tokenizer.tokenToId(specialTokens.eos_token ?? '') ?? eos;
  if (named !== undefined) keys.eos_token_id = u32(named);
  const turn = [eos, ...others].find((id) => id !== undefined && id !== named);
  if (turn !== undefined) keys.eot_token_id = u32(turn);
  const all = Object.entries(keys).map(([key, value]) => [`tokenizer.ggml.${key}`, value] as const);
  const template = chatTemplate && text(chatTemplate.text);
  const written = Object.fromEntries(template ? [...all, ['tokenizer.chat_template', template] as const] : all);
  if (hasScores) expectSameCuts(loaded, written);
  return written;
}

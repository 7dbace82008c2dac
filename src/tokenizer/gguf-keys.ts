// A tokenizer as the keys of a GGUF file, as llama.cpp reads them: vocabulary, special tokens, chat template.
//
// The pre-tokenizer gets the name under which llama.cpp does the same; a tokenizer that cuts in a way without a name is
// refused, because the file would be read wrongly.
import { TokenizerError } from './errors.ts';
import type { LoadedTokenizer } from './folder.ts';
import { ggufPreTokenizers } from './gguf-pre-tokenizers.ts';
import { tokenTypes } from './gguf-vocabulary.ts';
import { hasSameCuts } from './pre-tokenizer.ts';
import type { Tokenizer } from './tokenizer.ts';
import { readAffixes } from './tokenizer-json.ts';

/** A value with its type in GGUF. */
export interface GgufKey {
  readonly type: 'u32' | 'i32' | 'bool' | 'string';
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

/** Returns the keys of a tokenizer for a model with a vocabulary of `size` tokens. Throws TokenizerError. */
export function ggufTokenizerKeys(loaded: LoadedTokenizer, size: number): Record<string, GgufKey> {
  const { tokenizer, specialTokens, eosIds, chatTemplate } = loaded;
  const { model, post_processor, decoder } = tokenizer.json as Record<string, { type?: string; merges?: unknown }>;
  if (model.type === 'Unigram' || (decoder && decoder.type !== 'ByteLevel'))
    throw new TokenizerError(
      tokenizer.source,
      'only byte-level BPE can be written to GGUF',
      'keep the model in safetensors',
    );
  const { tokens, types } = listTokens(tokenizer, size);
  const { before, after } = readAffixes(post_processor, tokenizer.source);
  const u32 = (value: number): GgufKey => ({ type: 'u32', value });
  const flag = (value: boolean): GgufKey => ({ type: 'bool', value });
  const keys: Record<string, GgufKey> = {
    model: { type: 'string', value: 'gpt2' },
    pre: { type: 'string', value: findName(tokenizer) },
    tokens: { type: 'string', value: tokens },
    token_type: { type: 'i32', value: types },
    merges: {
      type: 'string',
      value: (model.merges as (string | string[])[]).map((merge) =>
        typeof merge === 'string' ? merge : merge.join(' '),
      ),
    },
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
  const template: GgufKey | null = chatTemplate && { type: 'string', value: chatTemplate.text };
  return Object.fromEntries(template ? [...all, ['tokenizer.chat_template', template] as const] : all);
}

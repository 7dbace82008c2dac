// The tokenizer of a tokenizer.json with byte-level BPE (DeepSeek, Llama 3, Qwen2): text to ids and back.
//
// Contract: encode equals Hugging Face's tokenizers; decode is its inverse for valid Unicode that the normalizer leaves
// unchanged. What a file asks for and this program does not support is refused by name, never skipped. Texts are UTF-16
// code units in typed arrays: no string is made for a word. Left out: other models than byte-level BPE, offsets, pairs
// of texts.
import { type AddedToken, type AddedTokenMatch, AddedTokens, readAddedTokens } from './added-tokens.ts';
import { BytePairEncoder, IdBuffer } from './bpe.ts';
import { TokenizerError } from './errors.ts';
import { Pieces, UnitBuffer, type UnitText } from './pieces.ts';
import { type PreTokenizer, preTokenizerName, preTokenizers, readPreTokenizer } from './pre-tokenizer.ts';
import {
  type Affixes,
  checkDecoder,
  type Normalizer,
  readAffixes,
  readModel,
  readNormalizer,
  type TokenBytes,
  type TokenizerJson,
  toTokenBytes,
} from './tokenizer-json.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface EncodeOptions {
  /** Adds the tokens of the post-processor, such as begin-of-sequence. @default false */
  readonly addSpecialTokens?: boolean;
  /** Reads added tokens in the text as plain text: for untrusted input. @default false */
  readonly plain?: boolean;
}

export interface DecodeOptions {
  /** Leaves out special tokens. @default false */
  readonly skipSpecialTokens?: boolean;
}

export type TokenKind = 'normal' | 'control' | 'added' | 'unused';

/** A vocabulary as plain lists, as GGUF and other formats store it. */
export interface VocabularyDescription {
  /** The pre-tokenizer's name in llama.cpp; null if it has none. */
  readonly preTokenizer: string | null;
  /** Tokens by id, in the byte alphabet; added tokens as text. */
  readonly tokens: readonly string[];
  readonly kinds: readonly TokenKind[];
  readonly merges: readonly string[];
}

/** Added tokens up to this length are found in time proportional to the text, whatever it is. */
const maxLinearToken = 64;

const noTokens = new AddedTokens([]);

export class Tokenizer {
  /** The largest id plus one. */
  readonly vocabSize: number;
  readonly addedTokens: readonly AddedToken[];
  /** The tokenizer.json that it was made from. */
  readonly json: TokenizerJson;
  /** The file, for errors. */
  readonly source: string;
  readonly #normalizer: Normalizer | null;
  readonly #allAdded: AddedTokens;
  readonly #added: AddedTokens;
  readonly #addedNormalized: AddedTokens;
  readonly #preTokenizer: PreTokenizer;
  readonly #encoder: BytePairEncoder;
  readonly #affixes: Affixes;
  readonly #vocab: Vocabulary;
  readonly #addedIds: ReadonlyMap<string, number>;
  readonly #bytes: TokenBytes;
  /** The bytes of the longest token. */
  readonly #longestToken: number;
  readonly #special: ReadonlySet<number>;
  readonly #givenText = new UnitBuffer();
  readonly #normalizedText = new UnitBuffer();
  readonly #pieces = new Pieces();
  readonly #ids = new IdBuffer();

  /** `json`: the contents of a tokenizer.json, named `source` in errors. Throws TokenizerError. */
  constructor(json: TokenizerJson, source = 'tokenizer.json') {
    if (typeof json !== 'object' || json === null)
      throw new TokenizerError(source, 'expected a JSON object', 'pass the contents of a tokenizer.json');
    this.json = json;
    this.source = source;
    const { vocab, ignoreMerges, ...model } = readModel(json.model, source);
    this.addedTokens = readAddedTokens(json.added_tokens, source);
    this.#normalizer = readNormalizer(json.normalizer, source);
    this.#preTokenizer = readPreTokenizer(json.pre_tokenizer, source);
    this.#affixes = readAffixes(json.post_processor, source);
    checkDecoder(json.decoder, source);
    this.#allAdded = new AddedTokens(this.addedTokens);
    const some = (tokens: AddedToken[]) =>
      tokens.length === this.addedTokens.length ? this.#allAdded : new AddedTokens(tokens);
    this.#added = some(this.addedTokens.filter((token) => !token.normalized));
    this.#addedNormalized = some(this.addedTokens.filter((token) => token.normalized));
    const added = new Set(this.addedTokens.map(({ id }) => id));
    this.#encoder = new BytePairEncoder({ ...model, wholeWords: ignoreMerges ? vocab : null, added, source });
    this.#vocab = vocab;
    this.#addedIds = new Map(this.addedTokens.map(({ content, id }) => [content, id]));
    this.vocabSize = this.addedTokens.reduce((most, { id }) => Math.max(most, id), vocab.maxId) + 1;
    this.#bytes = toTokenBytes(this.vocabSize, vocab, this.addedTokens);
    const { starts } = this.#bytes;
    this.#longestToken = starts.reduce((max, end, id) => Math.max(max, id > 0 ? end - starts[id - 1] : 0), 1);
    this.#special = new Set(this.addedTokens.filter(({ special }) => special).map(({ id }) => id));
  }

  /** Returns the ids of a text. Throws TokenizerError if the vocabulary has no token for one of its bytes. */
  encode(text: string, { addSpecialTokens = false, plain = false }: EncodeOptions = {}): Int32Array {
    const ids = this.#ids;
    ids.length = 0;
    if (addSpecialTokens) for (const id of this.#affixes.before) ids.push(id);
    const given = this.#givenText.fill(text);
    for (const { start, end, token } of (plain ? noTokens : this.#added).split(given.units, 0, text.length))
      if (token !== null) ids.push(token.id);
      else if (this.#normalizer === null) this.#encodeNormalized(given, start, end, plain);
      else {
        const changed = this.#normalizedText.fill(this.#normalizer.normalize(text.slice(start, end)));
        this.#encodeNormalized(changed, 0, changed.text.length, plain);
      }
    if (addSpecialTokens) for (const id of this.#affixes.after) ids.push(id);
    return ids.take();
  }

  #encodeNormalized(text: UnitText, from: number, to: number, plain: boolean): void {
    for (const { start, end, token } of (plain ? noTokens : this.#addedNormalized).split(text.units, from, to))
      if (token !== null) this.#ids.push(token.id);
      else if (this.#preTokenizer.addPrefixSpace && text.units[start] !== 0x20) {
        const prefixed = new UnitBuffer().fill(` ${text.text.slice(start, end)}`);
        this.#encodeWords(prefixed, 0, prefixed.text.length);
      } else this.#encodeWords(text, start, end);
  }

  #encodeWords(text: UnitText, start: number, end: number): void {
    const pieces = this.#pieces;
    pieces.clear();
    this.#preTokenizer.cut(text, start, end, pieces);
    const { bounds, count } = pieces;
    for (let at = 0; at < 2 * count; at += 2) this.#encoder.encode(text.units, bounds[at], bounds[at + 1], this.#ids);
  }

  /**
   * Whether the time to encode a text is proportional to its length: all patterns of the file are known, and added
   * tokens are short.
   */
  get isLinear(): boolean {
    const isShort = this.#allAdded.maxLength <= maxLinearToken;
    return isShort && this.#preTokenizer.isLinear && (this.#normalizer?.isLinear ?? true);
  }

  /**
   * Returns the fewest tokens that a text of this number of UTF-8 bytes can have: no token has more bytes than the
   * longest. 0 where a text can lose bytes, in a normalizer or as white space beside added tokens.
   */
  minTokens(bytes: number): number {
    const isLossless = this.#normalizer === null && !this.addedTokens.some(({ lstrip, rstrip }) => lstrip || rstrip);
    return isLossless ? Math.ceil(bytes / this.#longestToken) : 0;
  }

  /** Finds the added tokens in a text, special or not: at each place the longest. */
  findAddedTokens(text: string): AddedTokenMatch[] {
    const { units } = this.#givenText.fill(text);
    const found: AddedTokenMatch[] = [];
    for (let at = 0; ; ) {
      const next = this.#allAdded.next(units, at, text.length);
      if (next === null) return found;
      found.push(next);
      at = next.start + next.token.content.length;
    }
  }

  /** Returns the id of a token in the byte alphabet, or of an added token. */
  tokenToId(token: string): number | undefined {
    return this.#addedIds.get(token) ?? this.#vocab.tokenToId(token);
  }

  isSpecial(id: number): boolean {
    return this.#special.has(id);
  }

  /** Returns whether a token has this id. Vocabularies have gaps, and models can have more outputs than tokens. */
  has(id: number): boolean {
    return this.#bytes.starts[id] < this.#bytes.starts[id + 1];
  }

  /** Returns the bytes of a token; do not change them. Throws TokenizerError for ids outside the vocabulary. */
  tokenBytes(id: number): Uint8Array {
    const { bytes, starts } = this.#bytes;
    const [start, end] = [starts[id], starts[id + 1]];
    if (start === undefined || end === undefined || start === end)
      throw new TokenizerError(this.source, `no token has id ${id}`, `ids are 0 to ${this.vocabSize - 1}, with gaps`);
    return bytes.subarray(start, end);
  }

  /** Returns the vocabulary as other formats store it: `size` tokens, with a placeholder for each unused id. */
  describe(size: number = this.vocabSize): VocabularyDescription {
    if (size < this.vocabSize)
      throw new TokenizerError(this.source, `${this.vocabSize} tokens do not fit into ${size}`, 'use a larger size');
    const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
    const kinds = new Array<TokenKind>(size).fill('unused');
    const { vocab, merges } = this.json.model as { vocab: Record<string, number>; merges: (string | string[])[] };
    for (const token in vocab) {
      tokens[vocab[token]] = token;
      kinds[vocab[token]] = 'normal';
    }
    for (const { content, id, special } of this.addedTokens) {
      tokens[id] = content;
      kinds[id] = special ? 'control' : 'added';
    }
    const name = preTokenizerName(this.json.pre_tokenizer);
    return {
      preTokenizer: name && preTokenizers[name].gguf,
      tokens,
      kinds,
      merges: merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' '))),
    };
  }

  /** Returns the text of ids. Bytes that form no character become U+FFFD. */
  decode(ids: Iterable<number>, { skipSpecialTokens = false }: DecodeOptions = {}): string {
    const tokens: Uint8Array[] = [];
    let length = 0;
    for (const id of ids) {
      if (skipSpecialTokens && this.#special.has(id)) continue;
      const bytes = this.tokenBytes(id);
      tokens.push(bytes);
      length += bytes.length;
    }
    const all = new Uint8Array(length);
    let at = 0;
    for (const bytes of tokens) {
      all.set(bytes, at);
      at += bytes.length;
    }
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(all);
  }

  /** Returns a decoder that takes ids one by one. */
  stream({ skipSpecialTokens = false }: DecodeOptions = {}): TokenStream {
    return new TokenStream(this, skipSpecialTokens);
  }
}

/** Decodes tokens one by one: a character is returned when all of its bytes have arrived. */
export class TokenStream {
  readonly #tokenizer: Tokenizer;
  readonly #skipSpecial: boolean;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(tokenizer: Tokenizer, skipSpecial: boolean) {
    this.#tokenizer = tokenizer;
    this.#skipSpecial = skipSpecial;
  }

  /** Returns the text that is complete with this token, perhaps none. */
  push(id: number): string {
    if (this.#skipSpecial && this.#tokenizer.isSpecial(id)) return '';
    return this.#utf8.decode(this.#tokenizer.tokenBytes(id), { stream: true });
  }

  /** Returns the rest: U+FFFD for an incomplete character. Afterwards the stream can be used again. */
  end(): string {
    return this.#utf8.decode();
  }
}

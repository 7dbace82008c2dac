// A tokenizer.json of byte-level BPE (DeepSeek, Llama 3, Qwen2): text to ids and back.
//
// Contract: encode equals Hugging Face's tokenizers; decode is its inverse for every text that is valid Unicode and that
// the normalizer leaves alone. What a file asks for and this program does not do is refused by name, never skipped.
// Texts are worked on as UTF-16 code units in typed arrays: no string is made for a word. Left out: other models than
// byte-level BPE, offsets, pairs of texts.
import { type AddedToken, AddedTokens, readAddedTokens } from './added-tokens.ts';
import { BytePairEncoder, IdBuffer } from './bpe.ts';
import { TokenizerError } from './errors.ts';
import { Pieces, UnitBuffer, type UnitText } from './pieces.ts';
import { type PreTokenizer, preTokenizerName, preTokenizers, readPreTokenizer } from './pre-tokenizer.ts';
import {
  type Affixes,
  checkDecoder,
  type Normalize,
  readAffixes,
  readModel,
  readNormalizer,
  type TokenBytes,
  type TokenizerJson,
  toTokenBytes,
} from './tokenizer-json.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface EncodeOptions {
  /** Adds what the post-processor adds, as a begin-of-sequence token. @default false */
  readonly addSpecialTokens?: boolean;
  /** Added tokens in the text are taken as text: for input that is not trusted. @default false */
  readonly plain?: boolean;
}

export interface DecodeOptions {
  /** Leaves out tokens that are special. @default false */
  readonly skipSpecialTokens?: boolean;
}

export type TokenKind = 'normal' | 'control' | 'added' | 'unused';

/** A vocabulary as plain lists, which is how GGUF and other formats hold it. */
export interface VocabularyDescription {
  /** llama.cpp's name of the pre-tokenizer; null for one that it does not know. */
  readonly preTokenizer: string | null;
  /** By id, in the byte alphabet; added tokens as text. */
  readonly tokens: readonly string[];
  readonly kinds: readonly TokenKind[];
  readonly merges: readonly string[];
}

const noTokens = new AddedTokens([]);

export class Tokenizer {
  /** Largest id plus one. */
  readonly vocabSize: number;
  readonly addedTokens: readonly AddedToken[];
  /** What it was made from. */
  readonly json: TokenizerJson;
  readonly #source: string;
  readonly #normalize: Normalize | null;
  readonly #raw: AddedTokens;
  readonly #normalized: AddedTokens;
  readonly #preTokenizer: PreTokenizer;
  readonly #encoder: BytePairEncoder;
  readonly #affixes: Affixes;
  readonly #vocab: Vocabulary;
  readonly #added: ReadonlyMap<string, number>;
  readonly #bytes: TokenBytes;
  readonly #special: ReadonlySet<number>;
  readonly #given = new UnitBuffer();
  readonly #changed = new UnitBuffer();
  readonly #pieces = new Pieces();
  readonly #ids = new IdBuffer();

  /** From the object of a tokenizer.json; `source` names it in errors. Throws TokenizerError. */
  constructor(json: TokenizerJson, source = 'tokenizer.json') {
    if (typeof json !== 'object' || json === null)
      throw new TokenizerError(source, 'expected a JSON object', 'pass the contents of a tokenizer.json');
    this.json = json;
    this.#source = source;
    const { vocab, ignoreMerges, ...model } = readModel(json.model, source);
    this.addedTokens = readAddedTokens(json.added_tokens, source);
    this.#normalize = readNormalizer(json.normalizer, source);
    this.#preTokenizer = readPreTokenizer(json.pre_tokenizer, source);
    this.#affixes = readAffixes(json.post_processor, source);
    checkDecoder(json.decoder, source);
    this.#raw = new AddedTokens(this.addedTokens.filter((token) => !token.normalized));
    this.#normalized = new AddedTokens(this.addedTokens.filter((token) => token.normalized));
    const added = new Set(this.addedTokens.map(({ id }) => id));
    this.#encoder = new BytePairEncoder({ ...model, wholeWords: ignoreMerges ? vocab : null, added, source });
    this.#vocab = vocab;
    this.#added = new Map(this.addedTokens.map(({ content, id }) => [content, id]));
    this.vocabSize = this.addedTokens.reduce((most, { id }) => Math.max(most, id), vocab.maxId) + 1;
    this.#bytes = toTokenBytes(this.vocabSize, vocab, this.addedTokens);
    this.#special = new Set(this.addedTokens.filter(({ special }) => special).map(({ id }) => id));
  }

  /** Ids of a text. Throws TokenizerError when the vocabulary has no token for one of its bytes. */
  encode(text: string, { addSpecialTokens = false, plain = false }: EncodeOptions = {}): Int32Array {
    const ids = this.#ids;
    ids.length = 0;
    if (addSpecialTokens) for (const id of this.#affixes.before) ids.push(id);
    const given = this.#given.fill(text);
    for (const { start, end, token } of (plain ? noTokens : this.#raw).split(given.units, 0, text.length))
      if (token !== null) ids.push(token.id);
      else if (this.#normalize === null) this.#encodeNormalized(given, start, end, plain);
      else {
        const changed = this.#changed.fill(this.#normalize(text.slice(start, end)));
        this.#encodeNormalized(changed, 0, changed.text.length, plain);
      }
    if (addSpecialTokens) for (const id of this.#affixes.after) ids.push(id);
    return ids.take();
  }

  #encodeNormalized(text: UnitText, from: number, to: number, plain: boolean): void {
    for (const { start, end, token } of (plain ? noTokens : this.#normalized).split(text.units, from, to))
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

  /** The id of a token as the vocabulary spells it (byte alphabet), or of an added token. */
  tokenToId(token: string): number | undefined {
    return this.#added.get(token) ?? this.#vocab.tokenToId(token);
  }

  isSpecial(id: number): boolean {
    return this.#special.has(id);
  }

  /** Whether a token has this id: vocabularies have gaps, and models more outputs than their vocabulary has tokens. */
  has(id: number): boolean {
    return this.#bytes.starts[id] < this.#bytes.starts[id + 1];
  }

  /** The bytes of a token, not to be changed. Throws TokenizerError for ids that are not in the vocabulary. */
  tokenBytes(id: number): Uint8Array {
    const { bytes, starts } = this.#bytes;
    const [start, end] = [starts[id], starts[id + 1]];
    if (start === undefined || end === undefined || start === end)
      throw new TokenizerError(this.#source, `no token has id ${id}`, `ids are 0 to ${this.vocabSize - 1}, with gaps`);
    return bytes.subarray(start, end);
  }

  /** The vocabulary as other formats write it: of `size` tokens, ids without one filled up by name. */
  describe(size: number = this.vocabSize): VocabularyDescription {
    if (size < this.vocabSize)
      throw new TokenizerError(this.#source, `${this.vocabSize} tokens do not fit into ${size}`, 'use a larger size');
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

  /** The text of ids. Bytes that make no character become U+FFFD. */
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

  /** Decodes ids as they come, whole characters only. */
  stream({ skipSpecialTokens = false }: DecodeOptions = {}): TokenStream {
    return new TokenStream(this, skipSpecialTokens);
  }
}

/** Text of tokens as they come: a character is given out once all of its bytes are there. */
export class TokenStream {
  readonly #tokenizer: Tokenizer;
  readonly #skipSpecial: boolean;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(tokenizer: Tokenizer, skipSpecial: boolean) {
    this.#tokenizer = tokenizer;
    this.#skipSpecial = skipSpecial;
  }

  /** The text that became complete with this token; often some, sometimes none. */
  push(id: number): string {
    if (this.#skipSpecial && this.#tokenizer.isSpecial(id)) return '';
    return this.#utf8.decode(this.#tokenizer.tokenBytes(id), { stream: true });
  }

  /** What is left: U+FFFD for a character that never became whole. Afterwards the stream can begin again. */
  end(): string {
    return this.#utf8.decode();
  }
}

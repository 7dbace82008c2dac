// The tokenizer of a tokenizer.json: text to ids and back. Other files become a tokenizer.json first.
//
// Contract: encode equals Hugging Face's tokenizers; decode is its inverse for valid Unicode that the normalizer leaves
// unchanged. What a file asks for and this program does not support is refused by name, never skipped. Texts are UTF-16
// code units in typed arrays: no string is made for a word. Left out: offsets, pairs of texts.
import { type AddedToken, type AddedTokenMatch, AddedTokens, readAddedTokens } from './added-tokens.ts';
import { IdBuffer } from './bpe.ts';
import { type Decoder, type LeadingSpace, readDecoder, type TokenBytes, toTokenBytes } from './decoder.ts';
import { TokenizerError, unsupported } from './errors.ts';
import { readModel, type TokenizerModel } from './model-json.ts';
import { type Normalizer, readNormalizer } from './normalizer.ts';
import { Pieces, UnitBuffer, type UnitText } from './pieces.ts';
import { hasComponent, type PreTokenizer, readPreTokenizer } from './pre-tokenizer.ts';
import { type Affixes, readAffixes, type TokenizerJson } from './tokenizer-json.ts';

export interface EncodeOptions {
  /** Adds the tokens of the post-processor, such as begin-of-sequence. @default false */
  readonly addSpecialTokens?: boolean;
  /** Reads added tokens in the text as plain text: for untrusted input. @default false */
  readonly plain?: boolean;
  /** Whether the text follows other tokens: no space is put where a whole text would get one. @default false */
  readonly continues?: boolean;
}

export interface DecodeOptions {
  /** Leaves out special tokens. @default false */
  readonly skipSpecialTokens?: boolean;
  /** Whether the ids follow others: the space that encoding puts in front of a text stays. @default false */
  readonly continues?: boolean;
}

/** Added tokens up to this length are found in time proportional to the text, whatever it is. */
const maxLinearToken = 64;

const noTokens = new AddedTokens([]);

/** Whether an added token is only white space, which is no other token in a text of a stranger, either. */
const isWhiteSpace = ({ content, special }: AddedToken) => !special && /^[\p{White_Space}▁]+$/u.test(content);

interface SegmentOptions {
  readonly plain: boolean;
  /** Whether the whole text begins here. */
  readonly isStart: boolean;
}

/** Whether the tokens of a file's model are text, not in the byte alphabet. Throws TokenizerError if it says both. */
function isModelOfText(json: TokenizerJson, decoder: Decoder, source: string): boolean {
  const model = (json.model ?? {}) as TokenizerJson;
  const isText =
    decoder.isText ||
    model.byte_fallback === true ||
    model.type === 'Unigram' ||
    Array.isArray(model.vocab) ||
    hasComponent(json.pre_tokenizer, 'Metaspace');
  if (isText && hasComponent(json.pre_tokenizer, 'ByteLevel'))
    throw unsupported(source, 'pre_tokenizer ByteLevel: the decoder or the model is for text, not for bytes');
  if (isText && !decoder.isText)
    throw unsupported(source, 'decoder: expected one for text, such as Metaspace, for a vocabulary of text');
  return isText;
}

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
  /** Those that are found in the text of a stranger, too. */
  readonly #plain: AddedTokens;
  readonly #preTokenizer: PreTokenizer;
  readonly #model: TokenizerModel;
  readonly #affixes: Affixes;
  readonly #decoder: Decoder;
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
    this.addedTokens = readAddedTokens(json.added_tokens, source);
    this.#normalizer = readNormalizer(json.normalizer, source);
    this.#preTokenizer = readPreTokenizer(json.pre_tokenizer, source);
    this.#affixes = readAffixes(json.post_processor, source);
    this.#decoder = readDecoder(json.decoder, source);
    const added = new Set(this.addedTokens.map(({ id }) => id));
    const isText = isModelOfText(json, this.#decoder, source);
    this.#model = readModel(json.model, { isText, added, source });
    const { vocab } = this.#model;
    this.#allAdded = new AddedTokens(this.addedTokens);
    const some = (tokens: AddedToken[]) =>
      tokens.length === this.addedTokens.length ? this.#allAdded : new AddedTokens(tokens);
    this.#added = some(this.addedTokens.filter((token) => !token.normalized));
    this.#addedNormalized = some(this.addedTokens.filter((token) => token.normalized));
    this.#plain = new AddedTokens(this.addedTokens.filter(isWhiteSpace));
    this.#addedIds = new Map(this.addedTokens.map(({ content, id }) => [content, id]));
    this.vocabSize = this.addedTokens.reduce((most, { id }) => Math.max(most, id), vocab.maxId) + 1;
    this.#bytes = toTokenBytes(this.vocabSize, vocab, this.addedTokens, this.#decoder);
    const { starts } = this.#bytes;
    this.#longestToken = starts.reduce((max, end, id) => Math.max(max, id > 0 ? end - starts[id - 1] : 0), 1);
    this.#special = new Set(this.addedTokens.filter(({ special }) => special).map(({ id }) => id));
  }

  /** Returns the ids of a text. Throws TokenizerError if the vocabulary has no token for a part of it. */
  encode(text: string, options: EncodeOptions = {}): Int32Array {
    const { addSpecialTokens = false, plain = false, continues = false } = options;
    const ids = this.#ids;
    ids.length = 0;
    if (addSpecialTokens) for (const id of this.#affixes.before) ids.push(id);
    const given = this.#givenText.fill(text);
    for (const { start, end, token } of (plain ? this.#plain : this.#added).split(given.units, 0, text.length)) {
      const isStart = start === 0 && !continues;
      if (token !== null) ids.push(token.id);
      else if (this.#normalizer === null) this.#encodeNormalized(given, start, end, { plain, isStart });
      else {
        const changed = this.#normalizedText.fill(this.#normalizer.normalize(text.slice(start, end)));
        this.#encodeNormalized(changed, 0, changed.text.length, { plain, isStart });
      }
    }
    if (addSpecialTokens) for (const id of this.#affixes.after) ids.push(id);
    return ids.take();
  }

  #encodeNormalized(text: UnitText, from: number, to: number, { plain, isStart }: SegmentOptions): void {
    const { prepare } = this.#preTokenizer;
    for (const { start, end, token } of (plain ? noTokens : this.#addedNormalized).split(text.units, from, to))
      if (token !== null) this.#ids.push(token.id);
      else if (prepare === null) this.#encodeWords(text, start, end);
      else {
        const prepared = new UnitBuffer().fill(prepare(text.text.slice(start, end), isStart && start === from));
        this.#encodeWords(prepared, 0, prepared.text.length);
      }
  }

  #encodeWords(text: UnitText, start: number, end: number): void {
    const pieces = this.#pieces;
    pieces.clear();
    this.#preTokenizer.cut(text, start, end, pieces);
    const { bounds, count } = pieces;
    const { encoder } = this.#model;
    for (let at = 0; at < 2 * count; at += 2) encoder.encode(text.units, bounds[at], bounds[at + 1], this.#ids);
  }

  /**
   * Whether the time to encode a text is proportional to its length: all patterns of the file are known, and tokens are
   * short.
   */
  get isLinear(): boolean {
    const isShort = this.#allAdded.maxLength <= maxLinearToken && this.#model.isLinear;
    return isShort && this.#preTokenizer.isLinear && (this.#normalizer?.isLinear ?? true);
  }

  /**
   * Returns the fewest tokens that a text of this number of UTF-8 bytes can have: no token has more bytes than the
   * longest. 0 where a text can lose bytes: in a normalizer, in unknown tokens, or as white space beside added tokens.
   */
  minTokens(bytes: number): number {
    const isLossless =
      this.#model.isLossless &&
      this.#preTokenizer.isLossless &&
      (this.#normalizer?.isLossless ?? true) &&
      !this.addedTokens.some(({ lstrip, rstrip }) => lstrip || rstrip);
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

  /** Returns the id of a token as the file writes it, or of an added token. */
  tokenToId(token: string): number | undefined {
    return this.#addedIds.get(token) ?? this.#model.vocab.tokenToId(token);
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

  /** The bytes that the first tokens of a text lose at their beginning. */
  get leadingSpace(): LeadingSpace {
    return this.#decoder.leadingSpace;
  }

  /** Returns the text of ids. Bytes that form no character become U+FFFD. */
  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    const stream = this.stream(options);
    const parts: Uint8Array[] = [];
    for (const id of ids) parts.push(stream.bytes(id));
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(parts));
  }

  /** Returns a decoder that takes ids one by one. */
  stream({ skipSpecialTokens = false, continues = false }: DecodeOptions = {}): TokenStream {
    return new TokenStream(this, skipSpecialTokens, continues);
  }
}

/** Decodes tokens one by one: a character is returned when all of its bytes have arrived. */
export class TokenStream {
  readonly #tokenizer: Tokenizer;
  readonly #skipSpecial: boolean;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  /** What the next token loses at its beginning. */
  #leadingSpace: LeadingSpace;

  constructor(tokenizer: Tokenizer, skipSpecial: boolean, continues: boolean) {
    this.#tokenizer = tokenizer;
    this.#skipSpecial = skipSpecial;
    this.#leadingSpace = continues ? 'kept' : tokenizer.leadingSpace;
  }

  /** Returns the text that is complete with this token, perhaps none. */
  push(id: number): string {
    return this.#utf8.decode(this.bytes(id), { stream: true });
  }

  /** Returns the bytes that the next token adds to the text, perhaps none; do not change them. */
  bytes(id: number): Uint8Array {
    if (this.#skipSpecial && this.#tokenizer.isSpecial(id)) return new Uint8Array();
    const bytes = this.#tokenizer.tokenBytes(id);
    if (this.#leadingSpace === 'kept') return bytes;
    const isOne = this.#leadingSpace === 'one';
    this.#leadingSpace = 'kept';
    if (isOne) return bytes.subarray(bytes[0] === 0x20 ? 1 : 0);
    const first = bytes.findIndex((byte) => byte !== 0x20);
    return bytes.subarray(first < 0 ? bytes.length : first);
  }

  /** Returns the rest: U+FFFD for an incomplete character. Afterwards the stream can be used again. */
  end(): string {
    return this.#utf8.decode();
  }
}

// A tokenizer.json of byte-level BPE (DeepSeek, Llama 3, Qwen2): text to ids and back.
//
// Contract: encode equals Hugging Face's tokenizers; decode is its inverse for every text that is valid Unicode. What a
// file asks for and this program does not do is refused by name, never skipped. Source: the format of
// github.com/huggingface/tokenizers. Left out: other models (Unigram, WordPiece), offsets, truncation and padding.
import { type AddedToken, AddedTokens, addedTokensOf } from './added-tokens.ts';
import { BytePairEncoder, type Merge } from './bpe.ts';
import { bytesOf, charOfByte } from './bytes.ts';
import { TokenizerError } from './errors.ts';
import { preTokenizerOf, type Split } from './pre-tokenizer.ts';

/** The object of a tokenizer.json. */
export type TokenizerJson = Readonly<Record<string, unknown>>;

export interface EncodeOptions {
  /** Adds what the post-processor adds, as a begin-of-sequence token. @default false */
  readonly addSpecialTokens?: boolean;
  /** Special tokens in the text are taken as text: for input that is not trusted. @default false */
  readonly plain?: boolean;
}

export type TokenKind = 'normal' | 'control' | 'added' | 'unused';

export interface VocabularyDescription {
  /** By id, in the byte alphabet; added tokens as text. */
  readonly tokens: readonly string[];
  readonly kinds: readonly TokenKind[];
  readonly merges: readonly string[];
}

type Normalizer = (text: string) => string;

function normalizerOf(json: unknown, source: string): Normalizer {
  if (json === null || json === undefined) return (text) => text;
  const { type, normalizers } = json as { type?: string; normalizers?: unknown[] };
  if (type === 'Sequence') {
    const steps = (normalizers ?? []).map((step) => normalizerOf(step, source));
    return (text) => steps.reduce((value, step) => step(value), text);
  }
  if (type === 'NFC' || type === 'NFD' || type === 'NFKC' || type === 'NFKD') return (text) => text.normalize(type);
  throw new TokenizerError(
    source,
    `normalizer ${JSON.stringify(type)}: expected NFC, NFD, NFKC, NFKD or Sequence`,
    'such tokenizers are not supported',
  );
}

/** Special tokens that a TemplateProcessing puts before and after one sequence. */
function templateOf(json: unknown, source: string): { before: number[]; after: number[] } {
  const { type, processors, single, special_tokens: special } = (json ?? {}) as Record<string, unknown>;
  const nothing = { before: [], after: [] };
  if (type === undefined || type === 'ByteLevel') return nothing;
  if (type === 'Sequence')
    return (
      (processors as unknown[])
        .map((step) => templateOf(step, source))
        .find((t) => t.before.length + t.after.length > 0) ?? nothing
    );
  if (type !== 'TemplateProcessing')
    throw new TokenizerError(
      source,
      `post_processor ${JSON.stringify(type)}: expected ByteLevel, TemplateProcessing or Sequence`,
      'such tokenizers are not supported',
    );
  const steps = single as { Sequence?: object; SpecialToken?: { id: string } }[];
  const at = steps.findIndex((step) => step.Sequence);
  const ids = (part: typeof steps) =>
    part.flatMap((step) => (special as Record<string, { ids: number[] }>)[step.SpecialToken?.id ?? '']?.ids ?? []);
  return { before: ids(steps.slice(0, at)), after: ids(steps.slice(at + 1)) };
}

interface Model {
  readonly vocab: ReadonlyMap<string, number>;
  readonly merges: readonly Merge[];
  readonly ignoreMerges: boolean;
}

function modelOf(json: unknown, source: string): Model {
  const {
    type = 'BPE',
    vocab,
    merges,
    ignore_merges: ignoreMerges = false,
    ...rest
  } = (json ?? {}) as Record<string, unknown>;
  const refuse = (problem: string): never => {
    throw new TokenizerError(source, `model: ${problem}`, 'only byte-level BPE tokenizers are supported');
  };
  if (type !== 'BPE') refuse(`expected type BPE, received ${JSON.stringify(type)}`);
  if (rest.byte_fallback || rest.continuing_subword_prefix || rest.end_of_word_suffix)
    refuse('byte_fallback, prefixes and suffixes are not byte-level');
  if (typeof vocab !== 'object' || vocab === null || !Array.isArray(merges)) refuse('expected a vocab and merges');
  const ids = new Map(Object.entries(vocab as Record<string, number>));
  const pairs = (merges as unknown[]).map((merge, i): Merge => {
    const [a, b] = typeof merge === 'string' ? merge.split(' ') : (merge as string[]);
    const [left, right, merged] = [ids.get(a as string), ids.get(b as string), ids.get(`${a}${b}`)];
    if (left === undefined || right === undefined || merged === undefined)
      return refuse(`merges[${i}] ${JSON.stringify(merge)}: its tokens are not all in the vocab`);
    return { left, right, merged };
  });
  return { vocab: ids, merges: pairs, ignoreMerges: ignoreMerges === true };
}

export class Tokenizer {
  /** Largest id plus one. */
  readonly vocabSize: number;
  readonly addedTokens: readonly AddedToken[];
  /** What it was made from. */
  readonly json: TokenizerJson;
  readonly #normalize: Normalizer;
  readonly #raw: AddedTokens;
  readonly #normalized: AddedTokens;
  readonly #untouched: AddedTokens;
  readonly #split: Split;
  readonly #encoder: BytePairEncoder;
  readonly #template: { before: number[]; after: number[] };
  readonly #ids: ReadonlyMap<string, number>;
  /** Bytes of each token. */
  readonly #bytes: (Uint8Array | undefined)[];
  readonly #special: ReadonlySet<number>;
  readonly #source: string;

  /** From the object of a tokenizer.json; `source` names it in errors. Throws TokenizerError. */
  constructor(json: TokenizerJson, source = 'tokenizer.json') {
    if (typeof json !== 'object' || json === null)
      throw new TokenizerError(source, 'expected a JSON object', 'pass the contents of a tokenizer.json');
    this.json = json;
    this.#source = source;
    const { vocab, merges, ignoreMerges } = modelOf(json.model, source);
    this.addedTokens = addedTokensOf(json.added_tokens, source);
    this.#normalize = normalizerOf(json.normalizer, source);
    this.#split = preTokenizerOf(json.pre_tokenizer, source);
    this.#template = templateOf(json.post_processor, source);
    this.#raw = new AddedTokens(this.addedTokens.filter((token) => !token.normalized));
    this.#normalized = new AddedTokens(this.addedTokens.filter((token) => token.normalized));
    this.#untouched = new AddedTokens([]);
    const idOfByte = Int32Array.from(charOfByte, (char) => vocab.get(char) ?? -1);
    this.#encoder = new BytePairEncoder(merges, idOfByte, ignoreMerges ? vocab : null, source);
    const ids = new Map(vocab);
    for (const { content, id } of this.addedTokens) ids.set(content, id);
    this.#ids = ids;
    this.vocabSize = [...ids.values()].reduce((most, id) => Math.max(most, id), -1) + 1;
    this.#bytes = this.#tokenBytes(vocab);
    this.#special = new Set(this.addedTokens.filter(({ special }) => special).map(({ id }) => id));
  }

  #tokenBytes(vocab: ReadonlyMap<string, number>): (Uint8Array | undefined)[] {
    const bytes: (Uint8Array | undefined)[] = new Array(this.vocabSize).fill(undefined);
    const utf8 = new TextEncoder();
    for (const [token, id] of vocab) bytes[id] = bytesOf(token) ?? utf8.encode(token);
    for (const { content, id } of this.addedTokens) bytes[id] = utf8.encode(content);
    return bytes;
  }

  /** Ids of a text. */
  encode(text: string, { addSpecialTokens = false, plain = false }: EncodeOptions = {}): number[] {
    const out: number[] = addSpecialTokens ? [...this.#template.before] : [];
    for (const part of (plain ? this.#untouched : this.#raw).split(text))
      if (typeof part !== 'string') out.push(part.id);
      else
        for (const piece of (plain ? this.#untouched : this.#normalized).split(this.#normalize(part)))
          if (typeof piece !== 'string') out.push(piece.id);
          else this.#encodeWords(piece, out);
    if (addSpecialTokens) out.push(...this.#template.after);
    return out;
  }

  #encodeWords(text: string, out: number[]): void {
    for (const word of this.#split([text])) {
      const ids = this.#encoder.encode(word);
      for (let i = 0; i < ids.length; i++) out.push(ids[i] as number);
    }
  }

  /** The id of a token as the vocabulary spells it (byte alphabet), or of an added token. */
  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  isSpecial(id: number): boolean {
    return this.#special.has(id);
  }

  /** The bytes of a token. Throws TokenizerError for ids that are not in the vocabulary. */
  bytesOf(id: number): Uint8Array {
    const bytes = this.#bytes[id];
    if (bytes === undefined)
      throw new TokenizerError(this.#source, `no token has id ${id}`, `ids are 0 to ${this.vocabSize - 1}, with gaps`);
    return bytes;
  }

  /** The vocabulary as other formats write it: of `size` tokens, ids without one filled up by name. */
  describe(size: number = this.vocabSize): VocabularyDescription {
    const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
    const kinds = new Array<TokenKind>(size).fill('unused');
    for (const [token, id] of this.#ids) {
      tokens[id] = token;
      kinds[id] = 'normal';
    }
    for (const { content, id, special } of this.addedTokens) {
      tokens[id] = content;
      kinds[id] = special ? 'control' : 'added';
    }
    const { merges } = this.json.model as { merges: (string | string[])[] };
    return { tokens, kinds, merges: merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' '))) };
  }

  /** The text of ids. Bytes that make no character become U+FFFD. */
  decode(ids: Iterable<number>, options: { skipSpecialTokens?: boolean } = {}): string {
    const stream = this.stream(options);
    let text = '';
    for (const id of ids) text += stream.push(id);
    return text + stream.end();
  }

  /** Decodes ids as they come, whole characters only. */
  stream(options: { skipSpecialTokens?: boolean } = {}): TokenStream {
    return new TokenStream(this, options.skipSpecialTokens ?? false);
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
    return this.#utf8.decode(this.#tokenizer.bytesOf(id), { stream: true });
  }

  /** What is left: U+FFFD for a character that never became whole. */
  end(): string {
    return this.#utf8.decode();
  }
}

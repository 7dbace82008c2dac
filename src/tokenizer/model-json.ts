// The model of a tokenizer.json: its vocabulary, and how words are encoded with it (BPE, or Unigram).
//
// The tokens of BPE are in the byte alphabet, or text: `isText`. Everything that a stranger's file can claim is checked
// here. Source: github.com/huggingface/tokenizers. Left out: WordPiece and WordLevel.
import { ByteAlphabet, CharacterAlphabet } from './alphabet.ts';
import { BytePairEncoder, type WordEncoder } from './bpe.ts';
import { byteChars } from './bytes.ts';
import { malformed, unsupported } from './errors.ts';
import { MergeTable } from './merge-table.ts';
import { UnitBuffer } from './pieces.ts';
import { UnigramEncoder } from './unigram.ts';
import { Vocabulary } from './vocabulary.ts';

type JsonObject = Readonly<Record<string, unknown>>;

const maxIds = 2 ** 24;
/** Characters of a token. Real ones have up to a few hundred; each is fed to stop texts one by one. */
const maxTokenLength = 2 ** 14;
const maxMerges = 2 ** 22; // ranks and positions share a double in bpe.ts
/** Unigram looks for tokens at each character: with longer ones the time is no longer proportional to the text. */
const maxLinearToken = 256;

export interface TokenizerModel {
  readonly vocab: Vocabulary;
  readonly encoder: WordEncoder;
  /** Whether tokens are text; else they are in the byte alphabet. */
  readonly isText: boolean;
  /** Whether characters without a token become the tokens of their bytes: `<0x00>` to `<0xFF>`. */
  readonly byteFallback: boolean;
  /** Whether the time to encode is proportional to the text, but for a logarithm. */
  readonly isLinear: boolean;
  /** Whether no byte of a text is lost: there is a token for each. */
  readonly isLossless: boolean;
}

function readVocab(json: unknown, source: string): Vocabulary {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw unsupported(source, 'model.vocab: expected an object of ids');
  const vocab = new Vocabulary();
  for (const token in json) {
    const id = (json as Record<string, unknown>)[token];
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= maxIds)
      throw malformed(
        source,
        `model.vocab[${JSON.stringify(token)}]: expected an id from 0 to ${maxIds - 1}, received ${JSON.stringify(id)}`,
      );
    if (token.length > maxTokenLength)
      throw malformed(source, `model.vocab: token ${id} has more than ${maxTokenLength} characters`);
    vocab.add(token, id as number);
  }
  return vocab;
}

/** Returns a merge of the file, `a b` or [a, b], as `a b`; null for anything else. */
function mergeText(merge: unknown): string | null {
  if (typeof merge === 'string') return merge;
  if (!Array.isArray(merge) || merge.length !== 2) return null;
  return merge.every((part) => typeof part === 'string' && !part.includes(' ')) ? merge.join(' ') : null;
}

/** Reads the ids [left, right, merged] of each merge. */
function readMerges(json: unknown, vocab: Vocabulary, source: string): Int32Array {
  if (!Array.isArray(json) || json.length > maxMerges)
    throw unsupported(source, `model.merges: expected a list of at most ${maxMerges} merges`);
  const merges = new Int32Array(3 * json.length);
  const buffer = new UnitBuffer();
  for (let i = 0; i < json.length; i++) {
    const text = mergeText(json[i]) ?? '';
    const { units } = buffer.fill(text);
    const border = text.indexOf(' ');
    const left = vocab.find(units, 0, border);
    const right = vocab.find(units, border + 1, text.length);
    units.copyWithin(border, border + 1, text.length);
    const merged = vocab.find(units, 0, text.length - 1);
    if (border < 0 || left < 0 || right < 0 || merged < 0)
      throw malformed(source, `model.merges[${i}] ${JSON.stringify(json[i])}: its tokens are not all in the vocab`);
    merges[3 * i] = left;
    merges[3 * i + 1] = right;
    merges[3 * i + 2] = merged;
  }
  return merges;
}

/** The name of the token of a byte in vocabularies of text. */
export const byteToken = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

const byteIdsBy = (vocab: Vocabulary, name: (byte: number) => string) =>
  Int32Array.from({ length: 256 }, (_, byte) => vocab.tokenToId(name(byte)) ?? -1);

/** What the rest of the file says about its model. */
interface ModelContext {
  readonly isText: boolean;
  /** Ids of added tokens, which no word is encoded to. */
  readonly added: ReadonlySet<number>;
  readonly source: string;
}

function readBytePairs(model: JsonObject, { isText, added, source }: ModelContext): TokenizerModel {
  const refuse = (problem: string): never => {
    throw unsupported(source, `model: ${problem}`);
  };
  for (const field of ['continuing_subword_prefix', 'end_of_word_suffix', 'dropout'])
    if (model[field]) refuse(`${field} is not supported`);
  const byteFallback = model.byte_fallback === true;
  if (!isText && (byteFallback || (model.fuse_unk && model.unk_token)))
    refuse(`${byteFallback ? 'byte_fallback' : 'fuse_unk'} is not supported in the byte alphabet`);
  const vocab = readVocab(model.vocab, source);
  const unknown = model.unk_token;
  const unknownId = typeof unknown === 'string' ? vocab.tokenToId(unknown) : -1;
  if (unknownId === undefined) return refuse(`unk_token ${JSON.stringify(unknown)} is not in the vocab`);
  const byteIds = isText
    ? byteFallback
      ? byteIdsBy(vocab, byteToken)
      : null
    : byteIdsBy(vocab, (byte) => byteChars[byte]);
  const alphabet =
    isText || byteIds === null
      ? new CharacterAlphabet({ vocab, byteIds, unknownId, fuseUnknown: model.fuse_unk === true, source })
      : new ByteAlphabet(vocab, byteIds, unknownId, source);
  const merges = new MergeTable(readMerges(model.merges, vocab, source));
  const encoder = new BytePairEncoder({ merges, alphabet, ignoreMerges: model.ignore_merges === true, added });
  const hasAllBytes = byteIds?.every((id) => id >= 0) ?? false;
  return { vocab, encoder, isText, byteFallback, isLinear: true, isLossless: !isText || hasAllBytes };
}

function readUnigram(model: JsonObject, { isText, source }: ModelContext): TokenizerModel {
  if (!isText) throw unsupported(source, 'model: a Unigram of bytes (ByteLevel) is not supported');
  const given = model.vocab;
  if (!Array.isArray(given) || given.length === 0 || given.length > maxIds)
    throw malformed(source, 'model.vocab: expected a list of tokens with scores');
  const vocab = new Vocabulary();
  const scores = new Float64Array(given.length);
  for (const [id, entry] of given.entries()) {
    const [token, score] = Array.isArray(entry) ? entry : [];
    if (typeof token !== 'string' || token.length > maxTokenLength || !Number.isFinite(score))
      throw malformed(source, `model.vocab[${id}]: expected a token and a score, received ${JSON.stringify(entry)}`);
    if (vocab.tokenToId(token) !== undefined)
      throw malformed(source, `model.vocab[${id}]: ${JSON.stringify(token)} appears twice`);
    vocab.add(token, id);
    scores[id] = score;
  }
  const { unk_id: unknown, byte_fallback: byteFallback = false } = model;
  if (unknown !== null && unknown !== undefined && !(Number.isInteger(unknown) && (unknown as number) in given))
    throw malformed(source, `model.unk_id: expected an id of the vocab, received ${JSON.stringify(unknown)}`);
  const byteIds = byteFallback === true ? byteIdsBy(vocab, byteToken) : null;
  const unknownId = typeof unknown === 'number' ? unknown : -1;
  const alphabet = new CharacterAlphabet({ vocab, byteIds, unknownId, fuseUnknown: true, source });
  const tokens = given.map(([token]) => token as string);
  const encoder = new UnigramEncoder({ tokens, scores, alphabet });
  const isLossless = byteIds?.every((id) => id >= 0) ?? false;
  const isLinear = encoder.maxLength <= maxLinearToken;
  return { vocab, encoder, isText, byteFallback: byteIds !== null, isLinear, isLossless };
}

/** Reads the model. Throws TokenizerError. */
export function readModel(json: unknown, context: ModelContext): TokenizerModel {
  const model = (json ?? {}) as JsonObject;
  const type = model.type ?? (Array.isArray(model.vocab) ? 'Unigram' : 'BPE');
  if (type === 'BPE') return readBytePairs(model, context);
  if (type === 'Unigram') return readUnigram(model, context);
  throw unsupported(context.source, `model: expected type BPE or Unigram, received ${JSON.stringify(type)}`);
}

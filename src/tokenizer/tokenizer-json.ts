// The parts of a tokenizer.json besides pre-tokenizer and added tokens: normalizer, model, post-processor, decoder.
//
// What a file asks for and this program does not support is refused by name. Source: the format of
// github.com/huggingface/tokenizers. Left out: truncation and padding, which transformers sets again for every call.
import { byteChars, writeTokenBytes, writeUtf8 } from './bytes.ts';
import { malformed, TokenizerError, unsupported } from './errors.ts';
import { checkComponents, escapePattern, isOneClass, withinLimit } from './foreign-patterns.ts';
import { MergeTable } from './merge-table.ts';
import { UnitBuffer } from './pieces.ts';
import { Vocabulary } from './vocabulary.ts';

/** The contents of a tokenizer.json. */
export type TokenizerJson = Readonly<Record<string, unknown>>;

type JsonObject = Readonly<Record<string, unknown>>;

const maxIds = 2 ** 24;
/** Characters of a token. Real ones have up to a few hundred; each is fed to stop texts one by one. */
const maxTokenLength = 2 ** 14;
const maxMerges = 2 ** 22; // ranks and positions share a double in bpe.ts

export type Normalize = (text: string) => string;

/** A normalized text may be this many times as long as the text, and a little more: U+FDFA becomes 18 characters. */
const maxGrowth = 32;

export interface Normalizer {
  readonly normalize: Normalize;
  /** Whether the time is proportional to the text, because all patterns are known. Others have a time limit. */
  readonly isLinear: boolean;
}

/** Throws a text away that grows beyond all measure: nine replacements of a by ten a make a gigabyte. */
function tooLong(source: string): TokenizerError {
  const problem = `normalizer: it makes a text more than ${maxGrowth} times as long`;
  return new TokenizerError(source, problem, 'use another tokenizer');
}

/** Replaces matches one by one, to stop at `maxLength` characters. */
function replaceWithin(text: string, pattern: RegExp, content: string, maxLength: number, source: string): string {
  let [length, from, out] = [0, 0, ''];
  for (const { 0: match, index } of text.matchAll(pattern)) {
    out += text.slice(from, index) + content;
    length += index - from + content.length;
    from = index + match.length;
    if (length + text.length - from > maxLength) throw tooLong(source);
  }
  return from === 0 && out === '' ? text : out + text.slice(from);
}

/** Combining marks in a row. Normal text has 2, and Unicode's stream-safe format 30. */
const maxMarks = 256;

/** Sorting n combining marks takes n^2 steps: 100,000 of them take seconds, in which nothing can interrupt V8. */
function normalizeForm(text: string, form: string, source: string): string {
  for (const { 0: marks } of text.matchAll(/\p{M}+/gu))
    if (marks.length > maxMarks)
      throw new TokenizerError(source, `normalizer: more than ${maxMarks} combining marks in a row`, 'leave some out');
  return text.normalize(form);
}

type Step = (text: string, maxLength: number) => string;

function readReplacement({ pattern, content }: JsonObject, source: string): { step: Step; isLinear: boolean } {
  const { String: plain, Regex: regex } = (pattern ?? {}) as { String?: unknown; Regex?: unknown };
  if (typeof content !== 'string' || (typeof plain !== 'string' && typeof regex !== 'string'))
    throw malformed(source, 'normalizer Replace: expected a pattern and a content');
  try {
    const compiled = new RegExp(typeof plain === 'string' ? escapePattern(plain) : (regex as string), 'gu');
    const step: Step = (text, maxLength) => replaceWithin(text, compiled, content, maxLength, source);
    return { step, isLinear: typeof plain === 'string' || isOneClass(regex as string) };
  } catch (error) {
    throw unsupported(source, `normalizer Replace: ${(error as Error).message}`);
  }
}

function readSteps(json: unknown, source: string): { step: Step; isLinear: boolean }[] {
  if (json === null || json === undefined) return [];
  const { type, normalizers } = json as JsonObject;
  if (type === 'Sequence') return ((normalizers ?? []) as unknown[]).flatMap((step) => readSteps(step, source));
  if (type === 'NFC' || type === 'NFD' || type === 'NFKC' || type === 'NFKD')
    return [{ step: (text) => normalizeForm(text, type, source), isLinear: true }];
  if (type === 'Replace') return [readReplacement(json as JsonObject, source)];
  throw unsupported(source, `normalizer ${JSON.stringify(type)}: expected NFC, NFD, NFKC, NFKD, Replace or Sequence`);
}

/** Returns a normalizer; null if it changes nothing. Throws TokenizerError. */
export function readNormalizer(json: unknown, source: string): Normalizer | null {
  checkComponents(json, source, 'normalizer', 'normalizers');
  const steps = readSteps(json, source);
  if (steps.length === 0) return null;
  const isLinear = steps.every((each) => each.isLinear);
  const normalize: Normalize = (text) => {
    const maxLength = maxGrowth * (text.length + 64);
    return steps.reduce((value, { step }) => {
      const changed = step(value, maxLength);
      if (changed.length > maxLength) throw tooLong(source);
      return changed;
    }, text);
  };
  if (isLinear) return { normalize, isLinear };
  return { normalize: (text) => withinLimit(source, 'normalizer', text, () => normalize(text)), isLinear };
}

/** The ids that a post-processor puts before and after a text. */
export interface Affixes {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export function readAffixes(json: unknown, source: string): Affixes {
  const { type, processors, single, special_tokens: special } = (json ?? {}) as JsonObject;
  const nothing = { before: [], after: [] };
  if (json === null || json === undefined || type === 'ByteLevel') return nothing;
  if (type === 'Sequence') {
    const frames = ((processors ?? []) as unknown[]).map((step) => readAffixes(step, source));
    return frames.find(({ before, after }) => before.length + after.length > 0) ?? nothing;
  }
  if (type !== 'TemplateProcessing')
    throw unsupported(
      source,
      `post_processor ${JSON.stringify(type)}: expected ByteLevel, TemplateProcessing or Sequence`,
    );
  const steps = (Array.isArray(single) ? single : []) as { Sequence?: object; SpecialToken?: { id: string } }[];
  const at = steps.findIndex((step) => step?.Sequence);
  if (at < 0) throw malformed(source, 'post_processor TemplateProcessing: single has no Sequence');
  const specialIds = (step: (typeof steps)[number]): number[] => {
    const name = step?.SpecialToken?.id ?? '';
    const ids = (special as Record<string, { ids?: unknown } | undefined> | undefined)?.[name]?.ids;
    if (Array.isArray(ids) && ids.every((id) => Number.isInteger(id) && id >= 0)) return ids;
    const problem = `post_processor TemplateProcessing: no ids for ${JSON.stringify(name)} in special_tokens`;
    throw malformed(source, problem);
  };
  return { before: steps.slice(0, at).flatMap(specialIds), after: steps.slice(at + 1).flatMap(specialIds) };
}

/** Refuses decoders that do more than join bytes. A file without a decoder is read as ByteLevel. */
export function checkDecoder(json: unknown, source: string): void {
  if (json === null || json === undefined) return;
  const { type, decoders } = json as JsonObject;
  if (type === 'ByteLevel') return;
  if (type === 'Sequence' && Array.isArray(decoders)) {
    for (const step of decoders) checkDecoder(step, source);
    return;
  }
  throw unsupported(source, `decoder ${JSON.stringify(type)}: expected ByteLevel`);
}

export interface BytePairFile {
  readonly vocab: Vocabulary;
  readonly merges: MergeTable;
  readonly byteIds: Int32Array;
  readonly ignoreMerges: boolean;
  /** The id for bytes without a token; -1 if they are refused. */
  readonly unknownId: number;
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

/** Reads the model. Throws TokenizerError if it is not byte-level BPE. */
export function readModel(json: unknown, source: string): BytePairFile {
  const model = (json ?? {}) as JsonObject;
  const refuse = (problem: string): never => {
    throw unsupported(source, `model: ${problem}`);
  };
  if (model.type !== undefined && model.type !== 'BPE')
    refuse(`expected type BPE, received ${JSON.stringify(model.type)}`);
  for (const field of ['byte_fallback', 'continuing_subword_prefix', 'end_of_word_suffix', 'dropout', 'fuse_unk'])
    if (model[field] && (field !== 'fuse_unk' || model.unk_token)) refuse(`${field} is not supported`);
  const vocab = readVocab(model.vocab, source);
  const unknown = model.unk_token;
  const unknownId = typeof unknown === 'string' ? vocab.tokenToId(unknown) : -1;
  if (unknownId === undefined) return refuse(`unk_token ${JSON.stringify(unknown)} is not in the vocab`);
  return {
    vocab,
    merges: new MergeTable(readMerges(model.merges, vocab, source)),
    byteIds: Int32Array.from(byteChars, (char) => vocab.tokenToId(char) ?? -1),
    ignoreMerges: model.ignore_merges === true,
    unknownId,
  };
}

/** The bytes of all tokens: token `id` is bytes[starts[id], starts[id + 1]), empty for ids without a token. */
export interface TokenBytes {
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
}

/** Returns the bytes of tokens in the byte alphabet, and of added tokens, which are plain text. */
export function toTokenBytes(
  vocabSize: number,
  vocab: Vocabulary,
  added: readonly { readonly content: string; readonly id: number }[],
): TokenBytes {
  const utf8 = new TextEncoder();
  const literal = new Map(added.map(({ content, id }) => [id, utf8.encode(content)]));
  const lengths = new Int32Array(vocabSize);
  const starts = new Int32Array(vocabSize + 1);
  vocab.each((id, units, start, end) => {
    if (literal.has(id)) return;
    const room = new Uint8Array(3 * (end - start));
    const length = writeTokenBytes(units, start, end, room, 0);
    if (length < 0) literal.set(id, room.slice(0, writeUtf8(units, start, end, room)));
    else lengths[id] = length;
  });
  for (const [id, bytes] of literal) lengths[id] = bytes.length;
  for (let id = 0; id < vocabSize; id++) starts[id + 1] = starts[id] + lengths[id];
  const bytes = new Uint8Array(starts[vocabSize]);
  vocab.each((id, units, start, end) => {
    if (!literal.has(id)) writeTokenBytes(units, start, end, bytes, starts[id]);
  });
  for (const [id, own] of literal) bytes.set(own, starts[id]);
  return { bytes, starts };
}

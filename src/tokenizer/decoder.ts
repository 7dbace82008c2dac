// The decoder of a tokenizer.json: the bytes that each token stands for, and what is left out where a text begins.
//
// All decoders that are read here join the bytes of tokens: those of the byte alphabet (ByteLevel), or text in which a
// character stands for the space (Replace, Metaspace) and `<0x0A>` for a byte (ByteFallback). Bytes that form no
// character become U+FFFD where the text is made. Others are refused by name. Source:
// github.com/huggingface/tokenizers.
import { writeTokenBytes, writeUtf8 } from './bytes.ts';
import { malformed, unsupported } from './errors.ts';
import { readMetaspace } from './metaspace.ts';
import type { Vocabulary } from './vocabulary.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** What a decoded text loses at its beginning: nothing, one space, or the spaces of its first token. */
export type LeadingSpace = 'kept' | 'one' | 'of first token';

export interface Decoder {
  readonly isText: boolean;
  /** The code unit that stands for a space; -1 if none does. */
  readonly spaceUnit: number;
  /** Whether `<0x0A>` stands for a byte. */
  readonly byteFallback: boolean;
  readonly leadingSpace: LeadingSpace;
}

const bytesDecoder: Decoder = { isText: false, spaceUnit: -1, byteFallback: false, leadingSpace: 'kept' };

function readStep(before: Decoder, step: JsonObject, isFused: boolean, source: string): Decoder {
  const decoder = { ...before, isText: true };
  const { type, pattern, content } = step;
  switch (type) {
    case 'ByteLevel':
      return before;
    case 'Replace': {
      const text = (pattern as { String?: unknown } | undefined)?.String;
      if (typeof text !== 'string' || text.length !== 1 || content !== ' ' || decoder.spaceUnit >= 0)
        throw unsupported(source, 'decoder Replace: expected one character that becomes a space');
      return { ...decoder, spaceUnit: text.charCodeAt(0) };
    }
    case 'ByteFallback':
      return { ...decoder, byteFallback: true };
    case 'Fuse':
      return decoder;
    case 'Strip':
      if (content !== ' ' || step.start !== 1 || step.stop !== 0 || !isFused)
        throw unsupported(source, 'decoder Strip: expected one space at the beginning, after Fuse');
      return { ...decoder, leadingSpace: 'one' };
    case 'Metaspace': {
      const { replacement, scheme } = readMetaspace(step, source);
      const leadingSpace = scheme === 'never' ? 'kept' : 'of first token';
      return { ...decoder, spaceUnit: replacement.charCodeAt(0), leadingSpace };
    }
    default:
      throw unsupported(
        source,
        `decoder ${JSON.stringify(type)}: expected ByteLevel, Replace, ByteFallback, Fuse, Strip or Metaspace`,
      );
  }
}

function flatten(json: unknown, source: string): JsonObject[] {
  const step = (json ?? {}) as JsonObject;
  if (step.type !== 'Sequence') return [step];
  if (!Array.isArray(step.decoders) || step.decoders.length > 16)
    throw malformed(source, 'decoder Sequence: expected a list of at most 16 decoders');
  return step.decoders.flatMap((each) => (each?.type === 'Sequence' ? malformedNesting(source) : [each as JsonObject]));
}

function malformedNesting(source: string): never {
  throw malformed(source, 'decoder Sequence: expected no other one in it');
}

/** Reads a decoder. A file without one is read as ByteLevel. Throws TokenizerError. */
export function readDecoder(json: unknown, source: string): Decoder {
  if (json === null || json === undefined) return bytesDecoder;
  const steps = flatten(json, source);
  return steps.reduce<Decoder>((decoder, step, i) => {
    const isFused = steps.slice(0, i).some(({ type }) => type === 'Fuse');
    return readStep(decoder, step ?? {}, isFused, source);
  }, bytesDecoder);
}

/** The bytes of all tokens: token `id` is bytes[starts[id], starts[id + 1]), empty for ids without a token. */
export interface TokenBytes {
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
}

const byteName = /^<0x([0-9A-Fa-f]{2})>$/;

/** Returns the byte that a token names; -1 for other tokens. */
function byteNamed(units: Uint16Array, start: number, end: number): number {
  if (end - start !== 6 || units[start] !== 0x3c) return -1;
  const name = byteName.exec(String.fromCharCode(...units.subarray(start, end)));
  return name ? Number.parseInt(name[1], 16) : -1;
}

/** Writes the bytes of a token of the vocabulary. `out` needs 3 bytes per unit. Returns their number. */
function writeToken(decoder: Decoder, units: Uint16Array, start: number, end: number, out: Uint8Array): number {
  if (!decoder.isText) {
    const length = writeTokenBytes(units, start, end, out, 0);
    return length >= 0 ? length : writeUtf8(units, start, end, out);
  }
  const byte = decoder.byteFallback ? byteNamed(units, start, end) : -1;
  if (byte >= 0) {
    out[0] = byte;
    return 1;
  }
  const { spaceUnit } = decoder;
  if (spaceUnit < 0) return writeUtf8(units, start, end, out);
  const text = units.slice(start, end).map((unit) => (unit === spaceUnit ? 0x20 : unit));
  return writeUtf8(text, 0, text.length, out);
}

/** Returns the bytes of the tokens of a vocabulary, and of added tokens, which are plain text. */
export function toTokenBytes(
  vocabSize: number,
  vocab: Vocabulary,
  added: readonly { readonly content: string; readonly id: number }[],
  decoder: Decoder,
): TokenBytes {
  const utf8 = new TextEncoder();
  const toText = (content: string) =>
    decoder.spaceUnit < 0 ? content : content.replaceAll(String.fromCharCode(decoder.spaceUnit), ' ');
  const literal = new Map(added.map(({ content, id }) => [id, utf8.encode(toText(content))]));
  const starts = new Int32Array(vocabSize + 1);
  let room = new Uint8Array(256);
  const visit = (use: (id: number, length: number) => void) =>
    vocab.each((id, units, start, end) => {
      if (literal.has(id)) return;
      if (3 * (end - start) > room.length) room = new Uint8Array(6 * (end - start));
      use(id, writeToken(decoder, units, start, end, room));
    });
  for (const [id, bytes] of literal) starts[id + 1] = bytes.length;
  visit((id, length) => {
    starts[id + 1] = length;
  });
  for (let id = 0; id < vocabSize; id++) starts[id + 1] += starts[id];
  const bytes = new Uint8Array(starts[vocabSize]);
  visit((id, length) => bytes.set(room.subarray(0, length), starts[id]));
  for (const [id, own] of literal) bytes.set(own, starts[id]);
  return { bytes, starts };
}

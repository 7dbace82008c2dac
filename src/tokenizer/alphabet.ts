// What byte-pair encoding begins with: a word as the tokens of its bytes (GPT-2), or of its characters (SentencePiece).
//
// A character without a token becomes the tokens of its bytes, `<0x00>` to `<0xFF>`, where the file says so
// (byte_fallback); else the unknown token, once for all neighbors if fused.
import { writeUtf8 } from './bytes.ts';
import { TokenizerError } from './errors.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface Alphabet {
  /** The most symbols of a code unit. */
  readonly perUnit: number;
  /** Writes the ids of the symbols of units[start, end). Returns their number. */
  write(units: Uint16Array, start: number, end: number, out: Int32Array): number;
  /** Returns the id of the token that is units[start, end); -1 if there is none. */
  find(units: Uint16Array, start: number, end: number): number;
}

function refuse(source: string, units: Uint16Array, start: number, end: number, what: string): never {
  const word = String.fromCharCode(...units.subarray(start, Math.min(end, start + 40)));
  throw new TokenizerError(
    source,
    `${JSON.stringify(word)}: no token for ${what}`,
    'use a vocabulary with all 256 bytes, or keep such characters out',
  );
}

/** A vocabulary whose tokens are in the byte alphabet. `unknownId`: for bytes without a token; -1: refused. */
export class ByteAlphabet implements Alphabet {
  readonly perUnit = 3;
  readonly #vocab: Vocabulary;
  readonly #byteIds: Int32Array;
  readonly #unknownId: number;
  readonly #source: string;
  #bytes = new Uint8Array(1024);

  constructor(vocab: Vocabulary, byteIds: Int32Array, unknownId: number, source: string) {
    this.#vocab = vocab;
    this.#byteIds = byteIds;
    this.#unknownId = unknownId;
    this.#source = source;
  }

  write(units: Uint16Array, start: number, end: number, out: Int32Array): number {
    const length = this.#toBytes(units, start, end);
    for (let i = 0; i < length; i++) {
      const byte = this.#bytes[i];
      const id = this.#byteIds[byte];
      if (id < 0 && this.#unknownId < 0)
        refuse(this.#source, units, start, end, `byte 0x${byte.toString(16).padStart(2, '0')}`);
      out[i] = id < 0 ? this.#unknownId : id;
    }
    return length;
  }

  find(units: Uint16Array, start: number, end: number): number {
    return this.#vocab.findBytes(this.#bytes, this.#toBytes(units, start, end));
  }

  #toBytes(units: Uint16Array, start: number, end: number): number {
    if (3 * (end - start) > this.#bytes.length) this.#bytes = new Uint8Array(6 * (end - start));
    return writeUtf8(units, start, end, this.#bytes);
  }
}

export interface CharacterAlphabetOptions {
  readonly vocab: Vocabulary;
  /** The id of each byte, -1 where there is none; null without byte fallback. */
  readonly byteIds: Int32Array | null;
  /** -1: characters that are unknown are refused. */
  readonly unknownId: number;
  readonly fuseUnknown: boolean;
  readonly source: string;
}

/** Whether the character at `i` takes two code units. */
export function isPairAt(units: Uint16Array, i: number, end: number): boolean {
  return i + 1 < end && (units[i] & 0xfc00) === 0xd800 && (units[i + 1] & 0xfc00) === 0xdc00;
}

const replacement = Uint16Array.of(0xfffd);

/** A vocabulary whose tokens are text. */
export class CharacterAlphabet implements Alphabet {
  readonly perUnit = 3;
  readonly #options: CharacterAlphabetOptions;
  readonly #bytes = new Uint8Array(6);

  constructor(options: CharacterAlphabetOptions) {
    this.#options = options;
  }

  write(units: Uint16Array, start: number, end: number, out: Int32Array): number {
    const { vocab } = this.#options;
    let n = 0;
    let wasUnknown = false;
    for (let i = start; i < end; ) {
      const isPair = isPairAt(units, i, end);
      const next = i + (isPair ? 2 : 1);
      const isLone = !isPair && (units[i] & 0xf800) === 0xd800;
      const id = isLone ? vocab.find(replacement, 0, 1) : vocab.find(units, i, next);
      const count = id < 0 ? this.#writeBytes(units, i, next, out, n) : 1;
      if (id >= 0) out[n] = id;
      n += count;
      if (count === 0 && !(wasUnknown && this.#options.fuseUnknown)) out[n++] = this.#unknown(units, i, next);
      wasUnknown = count === 0;
      i = next;
    }
    return n;
  }

  find(units: Uint16Array, start: number, end: number): number {
    return this.#options.vocab.find(units, start, end);
  }

  /** Writes the ids of the bytes of one character. Returns their number; 0 where one has no token. */
  #writeBytes(units: Uint16Array, start: number, end: number, out: Int32Array, at: number): number {
    const { byteIds } = this.#options;
    if (byteIds === null) return 0;
    const length = writeUtf8(units, start, end, this.#bytes);
    for (let i = 0; i < length; i++) {
      out[at + i] = byteIds[this.#bytes[i]];
      if (out[at + i] < 0) return 0;
    }
    return length;
  }

  /** Writes the ids of a text of unknown characters: those of its bytes, if all have one; else one unknown token. */
  writeUnknown(units: Uint16Array, start: number, end: number, out: Int32Array): number {
    let n = 0;
    for (let i = start; i < end; ) {
      const next = i + (isPairAt(units, i, end) ? 2 : 1);
      const count = this.#writeBytes(units, i, next, out, n);
      if (count === 0) {
        out[0] = this.#unknown(units, start, end);
        return 1;
      }
      n += count;
      i = next;
    }
    return n;
  }

  #unknown(units: Uint16Array, start: number, end: number): number {
    const { unknownId, source } = this.#options;
    return unknownId >= 0 ? unknownId : refuse(source, units, start, end, 'this character');
  }
}

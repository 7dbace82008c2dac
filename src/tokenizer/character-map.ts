// The character map of SentencePiece (normalizer Precompiled): a trie from texts to their replacements.
//
// The file has it in base64: the size of the trie in bytes, the trie as a double array of 32-bit units, then the
// replacements, each ended by a zero byte. A unit has a label (bits 0 to 7 and 31), whether a value follows (bit 8),
// and the offset of its children (bits 10 to 31, times 256 where bit 9 is set); a value unit has the place of the
// replacement. As in Hugging Face's reader, a grapheme of fewer than 6 bytes is looked up whole, then each character;
// the shortest entry that begins a text replaces all of it. Sources: Yata's darts-clone; spm_precompiled.
import { malformed } from './errors.ts';

const maxBytes = 2 ** 24; // T5's has 0.2 MB
const maxWholeGrapheme = 6;

class CharacterMap {
  readonly #units: Uint32Array;
  readonly #replacements: Uint8Array;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #encoder = new TextEncoder();

  constructor(units: Uint32Array, replacements: Uint8Array) {
    this.#units = units;
    this.#replacements = replacements;
  }

  /** Returns the replacement of a text; null where there is none. */
  find(text: string): string | null {
    const units = this.#units;
    let at = (units[0] >>> 10) << ((units[0] & 0x200) >>> 6);
    for (const byte of this.#encoder.encode(text)) {
      if (byte === 0) return null;
      at ^= byte;
      const unit = units[at];
      if (unit === undefined || (unit & 0x800000ff) !== byte) return null;
      at ^= (unit >>> 10) << ((unit & 0x200) >>> 6);
      if (unit & 0x100) return this.#replacementAt(units[at]);
    }
    return null;
  }

  #replacementAt(unit: number | undefined): string | null {
    if (unit === undefined) return null;
    const start = unit & 0x7fffffff;
    const end = this.#replacements.indexOf(0, start);
    return end < 0 ? null : this.#utf8.decode(this.#replacements.subarray(start, end));
  }
}

/** Returns what a character map does to a text. Throws TokenizerError. */
export function readCharacterMap(base64: unknown, source: string): (text: string) => string {
  const refuse = (problem: string) => malformed(source, `normalizer Precompiled: ${problem}`);
  if (base64 === null || base64 === '') return (text) => text;
  if (typeof base64 !== 'string') throw refuse('expected a precompiled_charsmap in base64');
  const bytes = Uint8Array.from(Buffer.from(base64, 'base64'));
  if (bytes.length > maxBytes) throw refuse(`expected at most ${maxBytes} bytes`);
  const trieBytes = bytes.length < 4 ? -1 : new DataView(bytes.buffer).getUint32(0, true);
  if (trieBytes < 4 || trieBytes % 4 !== 0 || trieBytes + 4 > bytes.length)
    throw refuse(`its trie claims ${trieBytes} bytes of ${bytes.length}`);
  const map = new CharacterMap(new Uint32Array(bytes.buffer, 4, trieBytes / 4), bytes.subarray(4 + trieBytes));
  const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  const change = (segment: string): string => {
    const whole = Buffer.byteLength(segment) < maxWholeGrapheme ? map.find(segment) : null;
    return whole ?? Array.from(segment, (char) => map.find(char) ?? char).join('');
  };
  return (text) => Array.from(graphemes.segment(text), ({ segment }) => change(segment)).join('');
}

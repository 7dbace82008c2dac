// The byte alphabet of GPT-2's tokenizers: every byte is a printable character, so vocabularies are text.
//
// Printable bytes are themselves, the 68 others are U+0100 and following in order. Source: bytes_to_unicode of
// openai/gpt-2, encoder.py, which tokenizer.json's ByteLevel means.

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
}

/** The character of each byte. */
export const byteChars: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
})();

/** The byte of each character below U+0180, where the whole alphabet lies; -1 for characters outside it. */
const unitBytes = new Int16Array(0x180).fill(-1);
byteChars.forEach((char, byte) => {
  unitBytes[char.charCodeAt(0)] = byte;
});

const encoder = new TextEncoder();

/** Writes the bytes of a token. Returns their number, -1 if a character is not in the alphabet. */
export function writeTokenBytes(units: Uint16Array, start: number, end: number, out: Uint8Array, at: number): number {
  for (let i = start; i < end; i++) {
    const byte = units[i] < 0x180 ? unitBytes[units[i]] : -1;
    if (byte < 0) return -1;
    out[at + i - start] = byte;
  }
  return end - start;
}

/** Returns a text in the byte alphabet. Lone surrogates become U+FFFD, as in any UTF-8. */
export function toByteAlphabet(text: string): string {
  let out = '';
  for (const byte of encoder.encode(text)) out += byteChars[byte];
  return out;
}

/** Writes UTF-16 code units as UTF-8, lone surrogates as U+FFFD. `out` needs 3 bytes per unit. Returns the length. */
export function writeUtf8(units: Uint16Array, start: number, end: number, out: Uint8Array): number {
  let n = 0;
  for (let i = start; i < end; i++) {
    let code = units[i];
    if (code < 0x80) {
      out[n++] = code;
      continue;
    }
    if (code < 0x800) {
      out[n++] = 0xc0 | (code >> 6);
      out[n++] = 0x80 | (code & 63);
      continue;
    }
    if ((code & 0xf800) === 0xd800) {
      const low = i + 1 < end ? units[i + 1] : 0;
      if (code < 0xdc00 && (low & 0xfc00) === 0xdc00) {
        code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
        i++;
        out[n++] = 0xf0 | (code >> 18);
        out[n++] = 0x80 | ((code >> 12) & 63);
        out[n++] = 0x80 | ((code >> 6) & 63);
        out[n++] = 0x80 | (code & 63);
        continue;
      }
      code = 0xfffd;
    }
    out[n++] = 0xe0 | (code >> 12);
    out[n++] = 0x80 | ((code >> 6) & 63);
    out[n++] = 0x80 | (code & 63);
  }
  return n;
}

// The byte alphabet of GPT-2's tokenizers: every byte as a printable character, so that vocabularies are text.
//
// Printable bytes stand for themselves, the 68 others for U+0100 onwards in order. Source: bytes_to_unicode of
// openai/gpt-2, encoder.py, which tokenizer.json's ByteLevel means.

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
}

/** Character of each byte. */
export const charOfByte: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
})();

const byteOfChar = new Map(charOfByte.map((char, byte) => [char, byte]));

const encoder = new TextEncoder();

/** The bytes that a token's text stands for; null when a character is not in the alphabet. */
export function bytesOf(token: string): Uint8Array | null {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = byteOfChar.get(token[i] as string);
    if (byte === undefined) return null;
    bytes[i] = byte;
  }
  return bytes;
}

/** A text in the byte alphabet. Lone surrogates become U+FFFD, as in UTF-8 everywhere. */
export function inByteAlphabet(text: string): string {
  let out = '';
  for (const byte of encoder.encode(text)) out += charOfByte[byte];
  return out;
}

// What is UTF-8. XGrammar 0.1.27 takes bytes beyond U+10FFFF, overlong forms and surrogates for characters
// (schemas.test.ts found it), so tokens that would write them are left out of the masks here.

/** Second bytes that may follow a first byte, where not all may. Source: the Unicode standard, table 3-7. */
const seconds: ReadonlyMap<number, readonly [from: number, to: number]> = new Map([
  [0xe0, [0xa0, 0xbf]],
  [0xed, [0x80, 0x9f]],
  [0xf0, [0x90, 0xbf]],
  [0xf4, [0x80, 0x8f]],
]);

/** First bytes that not every second byte may follow. */
export const narrowLeads: readonly number[] = [...seconds.keys()];

export function mayFollow(lead: number, byte: number): boolean {
  const [from, to] = seconds.get(lead) ?? [0x80, 0xbf];
  return byte >= from && byte <= to;
}

/** Returns the number of bytes that follow a first byte; -1: it is none. */
function following(lead: number): number {
  if (lead < 0x80) return 0;
  if (lead < 0xc2 || lead > 0xf4) return -1;
  return lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
}

/** Whether bytes may stand in a text; they may begin and end inside a character. */
export function isTextPart(bytes: Uint8Array): boolean {
  const start = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80);
  let [left, lead] = [0, 0];
  for (const byte of start < 0 ? [] : bytes.subarray(start)) {
    if (left > 0) {
      if (!mayFollow(lead, byte)) return false;
      [left, lead] = [left - 1, 0];
    } else {
      [left, lead] = [following(byte), byte];
      if (left < 0) return false;
    }
  }
  return true;
}

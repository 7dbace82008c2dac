// Parts of UTF-8, compared with the decoder. npm test -- grammar/utf8
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isTextPart } from './utf8.ts';

const strict = new TextDecoder('utf-8', { fatal: true });

function isText(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef];
const byte = fc.constantFrom(...edges, 0xf0, 0xf1, 0xf4, 0xf5, 0xff);

test('a whole text is one; a part of it is one; bytes that no text has are none', () => {
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 5 }), (list) => {
      const bytes = Uint8Array.from([0x41, ...list, 0x41]); // begins and ends between characters
      assert.equal(isTextPart(bytes), isText(bytes));
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 6 }), fc.nat(12), fc.nat(12), (text, from, length) => {
      assert.ok(isTextPart(new TextEncoder().encode(text).subarray(from, from + length)));
    }),
    { numRuns: 200 },
  );
});

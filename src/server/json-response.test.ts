// JSON in pieces is the JSON of the value. npm test -- json-response
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonPieces, jsonResponse } from './json-response.ts';

test('the pieces are the text of the value', () => {
  const check = (value: unknown) => assert.equal([...jsonPieces(value)].join(''), JSON.stringify(value));
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 4 }), check), { numRuns: 500, seed: 7 });
  check({ a: undefined, b: [{ c: [1] }, { c: undefined, d: null }], e: { f: { g: 1 } } });
  check(Array.from({ length: 1000 }, (_, i) => (i % 2 ? i : { token: `${i}`, top: [{ token: 'a' }] })));
});

test('a large value comes whole, in pieces of a bounded length', async () => {
  const value = { tokens: Array.from({ length: 50_000 }, (_, i) => `token ${i}`), more: { a: [1, 2] } };
  const response = jsonResponse(jsonPieces(value));
  let [longest, count] = [0, 0];
  const decoder = new TextDecoder();
  let text = '';
  for await (const part of response.body as ReadableStream<Uint8Array>) {
    longest = Math.max(longest, part.length);
    count++;
    text += decoder.decode(part, { stream: true });
  }
  assert.deepEqual(JSON.parse(text), value);
  assert.ok(count > 5 && longest < 80_000, `${count} parts, ${longest} bytes`);
  assert.deepEqual(await jsonResponse(jsonPieces({ a: 1 })).json(), { a: 1 });
});

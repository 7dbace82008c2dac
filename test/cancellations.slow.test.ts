// Thousands of requests through the server's routes to a real engine, most of which are canceled at a random moment in
// every possible way. A client that stays gets the answer that it gets alone; nothing stays behind.
// npm test -- cancellations, and npm run check:long for 20,000 requests (MINKE_LONG)
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { CancellationReport } from './cancellations-process.ts';

test('requests, most of them canceled, leave no block, no sequence, and no memory behind', async () => {
  const script = fileURLToPath(new URL('./cancellations-process.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script]);
  const { requests, same, different, abandoned, cachedTokens, levels, heapGrown, deviceGrown }: CancellationReport =
    JSON.parse(stdout);
  assert.deepEqual([same + abandoned, different], [requests, 0]);
  assert.ok(abandoned > requests / 4 && same > requests / 4, `${same} answered, ${abandoned} abandoned`);
  assert.ok(cachedTokens > 0, 'no prompt found its beginning in the cache');
  const none = { blocksUsed: 0, running: 0, waiting: 0, live: 0 };
  assert.deepEqual(levels, [none, none]);
  assert.equal(deviceGrown, 0);
  // Half a kilobyte for each of the 15,000 requests of the long check would be as much.
  assert.ok(heapGrown < 8e6, `the heap has grown by ${heapGrown} bytes`);
});

// 20,000 requests through the server's routes to a real engine, most of which are left at a random moment, in any way there
// is to leave. Whoever stays gets what it gets alone; nothing is left behind. npm test -- cancellations
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { CancellationReport } from './cancellations-process.ts';

test('20,000 requests, most of them cancelled, leave no block, no sequence and no memory behind', async () => {
  const script = fileURLToPath(new URL('./cancellations-process.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script]);
  const { asked, answered, wrong, left, cachedTokens, levels, heapGrown, deviceGrown }: CancellationReport =
    JSON.parse(stdout);
  assert.deepEqual([asked, answered + left, wrong], [20_000, 20_000, 0]);
  assert.ok(left > asked / 4 && answered > asked / 4, `${answered} answered, ${left} left`);
  assert.ok(cachedTokens > 0, 'no prompt found its beginning in the cache');
  const none = { blocksUsed: 0, running: 0, waiting: 0, live: 0 };
  assert.deepEqual(levels, [none, none]);
  assert.equal(deviceGrown, 0);
  // Half a kilobyte kept for each of 15,000 requests would be as much.
  assert.ok(heapGrown < 8e6, `the heap has grown by ${heapGrown} bytes`);
});

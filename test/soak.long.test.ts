// The soak: 20,000 requests with attacks among them. No stream of another client stands for more than 100 ms, and
// memory and handles return to where they were. npm run check:long
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from './soak.ts';

const maxGapMs = 100;
const maxGrownBytes = 32 * 2 ** 20;

test('20,000 requests of attackers', async (t) => {
  const { before, after, busiestMs, observer, control, sent } = await soak(20_000, 4, true);
  t.diagnostic(`gaps: ${observer.gaps.map((ms) => ms.toFixed(0)).join(', ')} ms in ${observer.parts} parts`);
  t.diagnostic(`without attacks: ${control.gaps.map((ms) => ms.toFixed(0)).join(', ')} ms in ${control.parts} parts`);
  t.diagnostic(`the event loop worked for at most ${busiestMs.toFixed(0)} ms at a time`);
  t.diagnostic(`memory ${before.rssBytes} to ${after.rssBytes} bytes, handles ${before.handles} to ${after.handles}`);
  t.diagnostic([...sent].map(([name, count]) => `${name}: ${count}`).join(', '));
  assert.deepEqual([after.live, after.errors], [0, []]);
  assert.ok(busiestMs <= maxGapMs, `the event loop stood for ${busiestMs} ms`);
  const [gap = 0] = observer.gaps;
  assert.ok(gap <= maxGapMs, `a stream stood for ${gap} ms`);
  assert.ok(after.handles <= before.handles, `${after.handles} handles, ${before.handles} before`);
  assert.ok(after.rssBytes <= before.rssBytes + maxGrownBytes, `${after.rssBytes - before.rssBytes} bytes more`);
});

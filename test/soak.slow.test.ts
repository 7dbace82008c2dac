// A sample of the soak: the server answers or refuses everything, and nothing stays behind. npm test -- soak
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from './soak.ts';

test('200 requests of attackers end in answers and refusals, and an honest reader gets its streams', async () => {
  const { after, observer, sent } = await soak(200, 3, false);
  assert.deepEqual([after.live, after.errors], [0, []]);
  assert.ok(observer.parts > 50, `${observer.parts} parts`);
  assert.ok((sent.get('plain: 200') ?? 0) > 50, JSON.stringify([...sent]));
});

// A thousand simultaneous starts on fresh folders and on ones with stale claims. npm run check:long
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { race } from './test-lock-race.ts';

for (const [contenders, tries] of [
  [2, 1000],
  [6, 1000],
] as const)
  test(`${contenders} processes start ${tries} times at the same moment: never do two hold one folder`, async () => {
    const { wins, doubled, empty, refusals } = await race(tries, contenders, contenders);
    assert.deepEqual([doubled, empty], [0, 0]);
    assert.ok(wins >= tries);
    const sentence = /^\[.*\] (another process|process \d+) works in this folder; wait for it, or stop it first$/;
    assert.deepEqual(
      refusals.filter((refusal) => !sentence.test(refusal)),
      [],
    );
  });

// The watch over a reward model: when it says that it is gamed, and that a resumed one says the same.
// npm test -- reward-hacking
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RewardHackingWatch } from './reward-hacking.ts';

const wobble = [0.01, -0.02, 0.015, 0, -0.01, 0.02, -0.005, 0.01];
/** Returns the step at which a watch ends a run whose two rewards drift, null where it does not. */
function findEnd(scoreDrift: number, ruleDrift: number, resumesAt = -1): number | null {
  let watch = new RewardHackingWatch();
  for (let step = 0; step < 40; step++) {
    if (step === resumesAt) watch = new RewardHackingWatch(JSON.parse(JSON.stringify(watch.history)));
    const noise = wobble[step % 8];
    const late = Math.max(0, step - 10);
    const sentence = watch.see(0.5 + noise + scoreDrift * late, 1.5 - noise + ruleDrift * late);
    if (sentence === null) continue;
    assert.match(sentence, /score rose from 0\.\d+ to 0\.\d+ within 16 steps while the reward by rules fell from 1\./);
    assert.equal(watch.isGamed, true);
    return step;
  }
  return null;
}

test('a score that rises while rules fall ends the run; anything else does not', () => {
  assert.equal(findEnd(0, 0), null);
  assert.equal(findEnd(0.01, 0.01), null);
  assert.equal(findEnd(-0.01, -0.01), null);
  const end = findEnd(0.01, -0.02) as number;
  assert.ok(end >= 15 && end < 30, `step ${end}`);
  for (const resumesAt of [5, 12, end]) assert.equal(findEnd(0.01, -0.02, resumesAt), end);
});

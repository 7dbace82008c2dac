// npm test -- alarms
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Watch } from './alarms.ts';
import { maxViolation, worstViolation } from './load.ts';
import type { StepReport } from './train-step.ts';

const report = (more: Partial<StepReport> & { loss?: number } = {}): StepReport => ({
  metrics: { loss: more.loss ?? 2 },
  gradientNorm: 1,
  routerGradientNorms: [0.1, 0.2],
  load: [
    [4, 4],
    [4, 4],
  ],
  ...more,
});

describe('alarms', () => {
  test('nothing is said about a run that goes well', () => {
    const watch = new Watch();
    for (let step = 0; step < 300; step++)
      assert.deepEqual(watch.see(report({ loss: 4 * 0.99 ** step + 0.05 * Math.sin(step) })), []);
  });

  test('a dead expert is named once, and again only after it had lived', () => {
    const watch = new Watch();
    const dead = {
      load: [
        [8, 0],
        [4, 4],
      ],
    } as const;
    const see = (steps: number, more: Partial<StepReport>) =>
      Array.from({ length: steps }, () => watch.see(report(more))).flat();
    const first = see(120, dead);
    assert.equal(first.length, 1);
    assert.match(first[0]?.message, /MoE layer 0: expert 1 got no token for 50 steps; raise biasUpdateSpeed/);
    see(1, {});
    assert.equal(see(60, dead).length, 1);
  });

  test('a router whose gate has no gradient', () => {
    const alarms = new Watch().see(report({ routerGradientNorms: [0.1, 0] }));
    assert.deepEqual(
      alarms.map(({ kind }) => kind),
      ['router-without-gradient'],
    );
    assert.match(alarms[0]?.message, /MoE layer 1: .*with one expert per token and normTopkProb/);
  });

  test('a spike, but not the noise before it', () => {
    const watch = new Watch();
    for (let step = 0; step < 100; step++)
      assert.deepEqual(watch.see(report({ loss: 2 + 0.05 * Math.sin(step * 1.7) })), []);
    assert.deepEqual(
      watch.see(report({ loss: 3.5 })).map(({ kind }) => kind),
      ['loss-spike'],
    );
    assert.deepEqual(watch.see(report({ loss: Number.NaN })), []);
  });
});

describe('load', () => {
  test('MaxVio is how far the busiest stands above the mean', () => {
    assert.equal(maxViolation([4, 4, 4, 4]), 0);
    assert.equal(maxViolation([16, 0, 0, 0]), 3);
    assert.equal(maxViolation([0, 0]), 0);
    assert.equal(
      worstViolation([
        [1, 1],
        [3, 1],
      ]),
      0.5,
    );
    assert.equal(worstViolation([]), null);
  });
});

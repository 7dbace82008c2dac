// npm test -- schedule
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { learningRateAt, type Schedule, switched } from './schedule.ts';

describe('schedule', () => {
  const v3: Schedule = {
    learningRate: 2.2e-4,
    minLearningRate: 2.2e-5,
    warmupSteps: 2000,
    decay: 'cosine',
    decayFrom: 0.7,
  };
  const at = (step: number) => learningRateAt(v3, step, 100_000);

  test('warms up in a line, stays, falls by a cosine to the tenth', () => {
    assert.equal(at(1), 2.2e-4 / 2000);
    assert.equal(at(1000), 1.1e-4);
    assert.equal(at(2000), 2.2e-4);
    assert.equal(at(70_000), 2.2e-4);
    assert.ok(Math.abs(at(85_000) - (2.2e-4 + 2.2e-5) / 2) < 1e-12);
    assert.ok(Math.abs(at(100_000) - 2.2e-5) < 1e-12);
  });

  test('never rises after the warm-up, and constant stays', () => {
    for (let step = 2000; step < 100_000; step += 997) assert.ok(at(step + 997) <= at(step));
    assert.equal(learningRateAt({ ...v3, decay: 'constant' }, 99_999, 100_000), 2.2e-4);
    assert.equal(learningRateAt({ ...v3, warmupSteps: 0 }, 1, 100_000), 2.2e-4);
  });

  test('a value that switches once', () => {
    assert.deepEqual(
      [1, 67, 68, 100].map((step) => switched(0.3, 0.1, 0.67, step, 100)),
      [0.3, 0.3, 0.1, 0.1],
    );
  });
});

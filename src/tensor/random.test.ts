// The generator: moments, independence of neighbors and seeds, and its own logarithm and sine. npm test --
// tensor/random
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalAt, randomBits, uniformAt } from './random.ts';

const n = 200_000;

/** A mean of n independent terms of deviation d lies within 5 d / sqrt(n) but for one seed in two million. */
function expectMean(terms: (i: number) => number, mean: number, deviation: number, what: string): void {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += terms(i);
  assert.ok(Math.abs(sum / n - mean) < (5 * deviation) / Math.sqrt(n), `${what}: ${sum / n}, expected ${mean}`);
}

for (const seed of [0, 1, 2, 12345, 2 ** 32 + 1]) {
  test(`moments of seed ${seed}`, () => {
    expectMean((i) => uniformAt(seed, i), 1 / 2, Math.sqrt(1 / 12), 'uniform');
    expectMean((i) => uniformAt(seed, i) ** 2, 1 / 3, Math.sqrt(4 / 45), 'uniform squared');
    expectMean((i) => normalAt(seed, i), 0, 1, 'normal');
    expectMean((i) => normalAt(seed, i) ** 2, 1, Math.sqrt(2), 'normal squared');
    expectMean((i) => normalAt(seed, i) ** 4, 3, Math.sqrt(96), 'normal to the fourth');
    for (const lag of [1, 2, 3, 64, 4096])
      expectMean((i) => normalAt(seed, i) * normalAt(seed, i + lag), 0, 1, `lag ${lag}`);
    expectMean((i) => normalAt(seed, i) * normalAt(seed + 1, i), 0, 1, 'next seed');
    expectMean((i) => normalAt(seed, i) * normalAt(seed + 1, i + 1), 0, 1, 'next seed, next index');
  });
}

test('each of the 32 bits is fair and independent of its neighbor', () => {
  for (let bit = 0; bit < 32; bit++) {
    expectMean((i) => (randomBits(7, i) >>> bit) & 1, 0.5, 0.5, `bit ${bit}`);
    expectMean((i) => ((randomBits(7, i) ^ randomBits(7, i + 1)) >>> bit) & 1, 0.5, 0.5, `bit ${bit}, lag 1`);
  }
});

test("normals equal Box-Muller with the engine's functions", () => {
  for (let i = 0; i < 10_000; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniformAt(3, i)));
    const angle = 2 * Math.PI * uniformAt(3, i + 1);
    assert.ok(Math.abs(normalAt(3, i) - radius * Math.cos(angle)) < 1e-14 * Math.max(1, radius));
    assert.ok(Math.abs(normalAt(3, i + 1) - radius * Math.sin(angle)) < 1e-14 * Math.max(1, radius));
  }
});

// Directions of Muon: all singular values near one, each expert by itself. npm test -- train/muon
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice } from '../kernels/index.ts';
import * as t from '../tensor/index.ts';
import { Orthogonalizer } from './muon.ts';

describe('Orthogonalizer', () => {
  let device: Device;
  before(() => {
    device = openDevice();
    t.useDevice(device);
  });
  after(() => device.close());

  async function muonDirection(x: t.Tensor): Promise<number[]> {
    const orthogonalizer = new Orthogonalizer(x);
    const values = await orthogonalizer.orthogonalize(x).toArray();
    orthogonalizer.dispose();
    return values;
  }

  /** x^T x or x x^T of [n, k], whichever is smaller. */
  function gram(x: readonly number[], n: number, k: number): number[][] {
    const [short, long] = [Math.min(n, k), Math.max(n, k)];
    const at = (i: number, j: number) => (n <= k ? x[i * k + j] : x[j * k + i]);
    return Array.from({ length: short }, (_, i) =>
      Array.from({ length: short }, (_, j) =>
        Array.from({ length: long }, (_, l) => at(i, l) * at(j, l)).reduce((sum, y) => sum + y, 0),
      ),
    );
  }

  for (const [n, k] of [
    [16, 48],
    [48, 16],
    [24, 24],
  ] as const)
    test(`[${n}, ${k}] becomes nearly orthogonal`, async () => {
      const square = gram(await muonDirection(t.randn([n, k], 1)), n, k);
      // Gershgorin would be too strict: the trace and the squares of all entries bound the spread of singular values.
      const short = Math.min(n, k);
      const trace = square.reduce((sum, row, i) => sum + row[i], 0) / short;
      const squares = square.flat().reduce((sum, y) => sum + y * y, 0) / short;
      assert.ok(trace > 0.6 && trace < 1.3, `mean of squared singular values: ${trace}`);
      assert.ok(Math.sqrt(squares - trace * trace) < 0.35, `their deviation: ${Math.sqrt(squares - trace * trace)}`);
    });

  test('the size of the momentum does not count, its sign does', async () => {
    const x = t.randn([8, 12], 2);
    const plain = await muonDirection(x);
    assert.deepEqual(await muonDirection(t.scale(x, 2 ** 10)), plain);
    assert.deepEqual(
      await muonDirection(t.scale(x, -1)),
      plain.map((y) => -y),
    );
  });

  test('each expert is a matrix by itself, to the bit', async () => {
    const experts = [3, 4, 5].map((seed) => t.randn([12, 8], seed));
    const batched = await muonDirection(t.reshape(t.concat(experts.map((x) => t.reshape(x, [96]))), [3, 12, 8]));
    const alone = await Promise.all(experts.map(muonDirection));
    assert.deepEqual(batched, alone.flat());
  });

  test('an expert that got no token stays where it is', async () => {
    const values = await muonDirection(t.zeros([2, 8, 12]));
    assert.ok(values.every((y) => y === 0));
  });
});

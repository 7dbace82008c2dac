// Sums over micro-batches: the tree of their numbers, to the bit, in one process and over several.
// npm test -- gradient-tree
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice } from '../kernels/index.ts';
import { Random } from '../math/index.ts';
import * as t from '../tensor/index.ts';
import { GradientTree } from './gradient-tree.ts';

const sizes = [1, 37, 20_000];

/** What micro-batch `number` leaves: the order of additions shows in the last bits. */
const leaf = (number: number) => sizes.map((n, i) => new Random(number, i).normals(n, 10 ** (number % 3)));

/** The definition: halves at the largest power of two. */
function addTree(from: number, to: number): Float32Array[] {
  if (to - from === 1) return leaf(from);
  const half = 2 ** Math.ceil(Math.log2((to - from) / 2));
  const [left, right] = [addTree(from, from + half), addTree(from + half, to)];
  return left.map((a, i) => a.map((x, k) => x + right[i][k]));
}

describe('the sum of micro-batches', () => {
  let device: Device;
  before(() => {
    device = openDevice();
    t.useDevice(device);
  });
  after(() => device.close());

  /** Adds up with a tree of its own, as a process does that owns these terms. */
  async function addUp(leaves: readonly (readonly Float32Array[])[]): Promise<Float32Array[]> {
    const terms = sizes.map((n) => t.zeros([n]));
    const tree = new GradientTree(terms);
    leaves.forEach((values, number) => {
      values.forEach((data, i) => {
        terms[i].write(data);
      });
      tree.add(number, leaves.length);
    });
    const sums = await Promise.all(terms.map((term) => term.read()));
    tree.dispose();
    for (const term of terms) term.dispose();
    return sums as Float32Array[];
  }

  const leavesFrom = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => leaf(from + i));

  for (let count = 1; count <= 9; count++)
    test(`of ${count} is the tree of ${count} numbers`, async () => {
      assert.deepEqual(await addUp(leavesFrom(0, count)), addTree(0, count));
    });

  test('has the same bits where 2, 4 or 8 processes each add an aligned range, and then their sums', async () => {
    const whole = addTree(0, 16);
    for (const processes of [2, 4, 8]) {
      const own = 16 / processes;
      const parts: Float32Array[][] = [];
      for (let p = 0; p < processes; p++) parts.push(await addUp(leavesFrom(p * own, (p + 1) * own)));
      assert.deepEqual(await addUp(parts), whole, `${processes} processes`);
    }
  });

  test('takes a set of tensors for each level: none for one micro-batch, three for five to eight', async () => {
    const start = device.liveBytes;
    const terms = [t.zeros([2 ** 16])];
    const [own] = [device.liveBytes - start];
    for (const [count, levels] of [
      [1, 0],
      [2, 1],
      [4, 2],
      [5, 3],
      [8, 3],
    ]) {
      const tree = new GradientTree(terms);
      for (let number = 0; number < count; number++) tree.add(number, count);
      await device.flush();
      assert.equal(device.liveBytes - start, own * (1 + levels), `${count} micro-batches`);
      tree.dispose();
    }
    terms[0].dispose();
  });
});

// Gradient checkpointing: a piece runs again in backward, with the same bits, and keeps only its inputs.
// npm test -- recompute
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { testDevices } from '../kernels/test-devices.ts';
import * as t from './index.ts';

for (const device of testDevices().slice(0, 2)) {
  describe(`recomputable on ${device.name} ${device.isa}`, () => {
    after(() => device.close());
    const on = { device };
    const x = t.randn([33, 8], 1, 1, on);
    const [first, second, unused] = [2, 3, 4].map((seed) => t.randn([8, 8], seed, 1, on));
    const params = [x, first, second, unused];

    /** Two pieces; the first has two outputs, and the second an input that is absent. */
    function loss(): t.Tensor {
      const { sum, product } = t.recomputable([x, x], (a, b) => {
        const product = t.linear(a, first);
        return { sum: t.add(product, b), product: t.mul(product, product) };
      });
      const { out } = t.recomputable([sum, null], (a, _) => ({ out: t.linear(t.linear(a, second), first) }));
      return t.add(t.sum(t.mul(out, out)), t.sum(product));
    }

    /** Value and gradients, and the names of all ops. */
    async function run(recomputes: boolean) {
      const ops: string[] = [];
      const results = t.watchOps(
        (op) => ops.push(op),
        () =>
          t.scope(() => {
            const tape = new t.Tape(params, { recomputes });
            const value = t.scope(() => tape.run(loss));
            return [value, ...tape.backward(value)];
          }),
      );
      const values = await Promise.all(results.map((tensor) => tensor.read()));
      for (const tensor of results) tensor.dispose();
      return { values, linears: ops.filter((op) => op === 'linear').length };
    }

    test('gives the bits of a tape that keeps everything, and runs each piece twice', async () => {
      const before = device.liveBytes;
      const [kept, again] = [await run(false), await run(true)];
      assert.deepEqual(again.values, kept.values);
      assert.deepEqual([kept.linears, again.linears], [3, 6]);
      assert.ok(
        again.values.at(-1)?.every((value) => value === 0),
        'an unused param has gradient zero',
      );
      assert.equal(device.liveBytes, before);
    });

    test('keeps the inputs of pieces only', () => {
      const live = [false, true].map((recomputes) => {
        const before = device.liveBytes;
        const tape = new t.Tape(params, { recomputes });
        const value = t.scope(() => tape.run(loss));
        const kept = device.liveBytes - before;
        tape.dispose();
        value.dispose();
        return kept;
      });
      assert.ok(live[1] < live[0], `${live}`);
    });

    test('refuses a piece that returns its input', () => {
      const tape = new t.Tape(params, { recomputes: true });
      assert.throws(() => tape.run(() => t.recomputable([x], (a) => a)), /returned one of its inputs/);
    });
  });
}

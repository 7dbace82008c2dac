// Every differentiable op against finite differences. npm test -- gradients
// A row of the op table without samples here does not compile; one that has a vjp but says 'no gradient' fails.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { bestDevices } from '../kernels/test-devices.ts';
import { gradientError } from './test-finite-differences.ts';
import { samples } from './test-gradient-samples.ts';
import { opNames, tableRow } from './test-op-table.ts';

/** Worst error over all elements, relative to the gradient's level: f32 forward passes differenced with h = 1/32. */
const tolerance = 2e-4;

test('ops without samples have no gradient', () => {
  const untested = opNames.filter((name) => samples[name] === 'no gradient' && tableRow(name).vjp !== null);
  assert.deepEqual(untested, []);
});

for (const device of bestDevices()) {
  describe(`gradients on ${device.name} ${device.isa}`, () => {
    after(() => device.close());
    for (const name of opNames) {
      const list = samples[name];
      if (list === 'no gradient') continue;
      for (const [i, { points, f, what }] of list.entries())
        test(`${name} ${what ?? i}`, async () => {
          const before = device.liveBytes;
          const worst = await gradientError(device, (inputs) => [f(...inputs)].flat(), points);
          assert.ok(
            worst.relative < tolerance,
            `input ${worst.input}[${worst.at}]: expected ${worst.expected}, received ${worst.received}`,
          );
          assert.equal(device.liveBytes, before, 'live bytes');
        });
    }
  });
}

// Every differentiable op against finite differences. npm test -- gradients
// A row of the op table without samples here does not compile; one that has a vjp but says 'no gradient' fails.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { testDevices } from '../kernels/test-devices.ts';
import { gradientError, type Point } from './finite-differences.ts';
import { add } from './ops/elementwise.ts';
import { copy, narrow, reshape } from './ops/view.ts';
import { normalAt } from './random.ts';
import { type Shape, sizeOf } from './shape.ts';
import { type OpName, opNames, rowOf } from './table.ts';
import type { Tensor } from './tensor.ts';

interface Sample {
  readonly points: readonly Point[];
  // biome-ignore lint/suspicious/noExplicitAny: as many tensors as there are points
  readonly f: (...inputs: any[]) => Tensor | readonly Tensor[];
}

/** Worst error over all elements, relative to the gradient's level: f32 forward passes differenced with h = 1/32. */
const tolerance = 2e-4;

function normal(shape: Shape, seed: number): Point {
  return { shape, values: Float32Array.from({ length: sizeOf(shape) }, (_, i) => normalAt(seed, i)) };
}

const a = normal([3, 5], 1);
const b = normal([3, 5], 2);

const samples: { readonly [Name in OpName]: readonly Sample[] | 'no gradient' } = {
  add: [
    { points: [a, b], f: (a: Tensor, b: Tensor) => add(a, b) },
    { points: [a], f: (a: Tensor) => add(a, a) },
  ],
  reshape: [{ points: [a], f: (a: Tensor) => reshape(a, [5, 3]) }],
  copy: [{ points: [a], f: (a: Tensor) => copy(a) }],
  narrow: [
    { points: [a], f: (a: Tensor) => narrow(a, 1, 2) },
    { points: [a], f: (a: Tensor) => add(narrow(a, 0, 2), narrow(a, 1, 2)) },
  ],
};

test('ops without samples have no gradient', () => {
  const untested = opNames.filter((name) => samples[name] === 'no gradient' && rowOf(name).vjp !== null);
  assert.deepEqual(untested, []);
});

for (const device of testDevices()) {
  describe(`gradients on ${device.name} ${device.isa}`, () => {
    after(() => device.close());
    for (const name of opNames) {
      const list = samples[name];
      if (list === 'no gradient') continue;
      for (const [i, { points, f }] of list.entries())
        test(`${name} ${i}`, async () => {
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

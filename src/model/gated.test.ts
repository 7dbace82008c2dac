// The gated activations: GELU is computed in f32 whatever the format of its input, and rounds once.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice } from '../kernels/index.ts';
import { asyncScope, cast, randn, Tape, type Tensor, useDevice } from '../tensor/index.ts';
import { gated } from './mlp.ts';

describe('gated', () => {
  let device: Device;
  before(() => {
    device = openDevice();
    useDevice(device);
  });
  after(() => device.close());

  const read = (work: () => Tensor) => asyncScope(async (inside) => [...(await inside(work).toArray())]);
  const drawn = () => cast(randn([3, 16], 2), 'bf16');

  test('GELU of bf16 is that of the same values in f32, rounded once', async () => {
    const half = await read(() => cast(gated(drawn(), 'gelu'), 'f32'));
    const whole = await read(() => cast(cast(gated(cast(drawn(), 'f32'), 'gelu'), 'bf16'), 'f32'));
    assert.deepEqual(half, whole);
    assert.ok(half.some((value) => value !== 0));
  });

  test('and has a gradient in bf16', async () => {
    const gradient = await read(() => {
      const x = drawn();
      const tape = new Tape([x]);
      const y = tape.run(() => gated(x, 'gelu'));
      return cast(tape.backward(y, y)[0], 'f32');
    });
    assert.ok(gradient.every(Number.isFinite) && gradient.some((value) => value !== 0));
  });
});

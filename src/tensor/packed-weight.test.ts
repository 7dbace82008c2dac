// Packed weights: the bits of plain ones, of joined ones alone, of stored blocks; recorded, refused. npm test -- packed
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { randomBlocks } from '../kernels/cases/gemm-groups.ts';
import { DisposedError, DTypeError, groupBlockBytes, openDevice, ShapeError, ValueError } from '../kernels/index.ts';
import { bestDevices } from '../kernels/test-devices.ts';
import * as t from './index.ts';

type Tensor = t.Tensor;
const formats: readonly t.PackableFormat[] = ['f32', 'bf16', 'fp8', 'int8', 'int4'];
const plain = ['f32', 'bf16', 'fp8'] as const;

async function same(received: Tensor, expected: Tensor, what?: string): Promise<void> {
  assert.deepEqual(received.shape, expected.shape);
  assert.ok((await expected.toArray()).some((v) => v !== 0));
  assert.deepEqual(await received.read(), await expected.read(), what);
}

for (const device of bestDevices()) {
  const on = { device };
  const random = (seed: number, ...shape: number[]) => t.randn(shape, seed, 1, on);
  const ids = (...values: number[]) => t.fromArray(Int32Array.from(values), [values.length], on);

  describe(`packed weights on ${device.name} ${device.isa}`, () => {
    after(() => device.close());

    for (const precision of plain)
      test(`${precision} gives the bits of the plain weight, dense and grouped`, async () => {
        const before = device.liveBytes;
        const all = t.scope(() => {
          const x = random(1, 2, 3, 160);
          const w = random(2, 200, 160);
          const packed = t.packWeight(w, precision);
          const experts = random(3, 3, 70, 160);
          const rows = t.reshape(x, [6, 160]);
          const offsets = ids(0, 4, 4, 6);
          return [
            t.linear(x, packed),
            t.linear(x, w, { precision }),
            t.linear(x, packed, { out: 'bf16' }),
            t.linear(x, w, { precision, out: 'bf16' }),
            t.groupedLinear(rows, t.packWeight(experts, precision), offsets),
            t.groupedLinear(rows, experts, offsets, { precision }),
          ] as const;
        });
        await same(all[0], all[1]);
        await same(all[2], all[3]);
        await same(all[4], all[5]);
        for (const tensor of all) tensor.dispose();
        assert.equal(device.liveBytes, before, 'live bytes');
      });

    for (const format of formats) {
      test(`${format}: weights joined along N give the bits of each alone`, async () => {
        const x = random(1, 5, 96);
        const [a, b, c] = [random(2, 128, 96), random(3, 256, 96), random(4, 33, 96)];
        const parts = t.split(t.linear(x, t.packWeight([a, b, c], format)), [128, 256, 33]);
        for (const [i, w] of [a, b, c].entries())
          await same(parts[i], t.linear(x, t.packWeight(w, format)), `part ${i}`);
        const [gate, up] = [random(5, 3, 128, 96), random(6, 3, 70, 96)];
        const offsets = ids(0, 1, 1, 5);
        const halves = t.split(t.groupedLinear(x, t.packWeight([gate, up], format), offsets), [128, 70]);
        for (const [i, w] of [gate, up].entries())
          await same(halves[i], t.groupedLinear(x, t.packWeight(w, format), offsets), `half ${i}`);
      });

      test(`${format}: recorded and replayed`, async () => {
        const w = t.packWeight(random(2, 70, 64), format);
        const replay = t.record([random(1, 3, 64)], (x) => t.linear(x, w));
        for (const seed of [7, 8]) {
          const x = random(seed, 3, 64);
          await same(replay.replay(x), t.linear(x, w));
        }
        replay.dispose();
      });
    }

    test('e4m3 codes with their scales are what packing a weight makes of it', async () => {
      const x = random(1, 4, 300);
      const parts = [random(2, 256, 300), random(3, 40, 300)];
      const codes = parts.map((w) => t.quantizeBlocks(w));
      await same(t.linear(x, t.packCodes(codes)), t.linear(x, t.packWeight(parts, 'fp8')));
    });

    for (const format of ['int8', 'int4'] as const)
      test(`${format}: stored blocks multiply as they are, dense and by experts`, async () => {
        const [E, N, K] = [3, 37, 96];
        const bytes = (K / 32) * groupBlockBytes[format];
        const data = randomBlocks(format, E * N, K, 1);
        const experts = t.packBlocks(t.fromArray(data, [E, N, bytes], on), format);
        assert.deepEqual(experts.shape, [E, N, K]);
        const x = random(1, 2 * E, K);
        const all = t.groupedLinear(x, experts, ids(0, 2, 4, 6));
        for (let e = 0; e < E; e++) {
          const blocks = t.fromArray(data.slice(e * N * bytes, (e + 1) * N * bytes), [N, bytes], on);
          const alone = t.linear(t.narrow(x, 2 * e, 2), t.packBlocks(blocks, format));
          await same(t.narrow(all, 2 * e, 2), alone, `expert ${e}`);
        }
      });
  });
}

test('refusals name what does not fit', async () => {
  const device = openDevice({ device: 'reference' });
  const f = (...shape: number[]) => t.zeros(shape, { device });
  const u8 = (...shape: number[]) => t.zeros(shape, { device, dtype: 'u8' });
  const codes = (...shape: number[]) => t.zeros(shape, { device, dtype: 'e4m3' });
  const refused = (call: () => unknown, kind: new (...a: never[]) => Error, message: RegExp) =>
    assert.throws(call, (error) => error instanceof kind && message.test(error.message));
  refused(() => t.packWeight([], 'bf16'), ValueError, /at least one weight/);
  refused(() => t.packWeight([f(2, 3), f(2, 4)], 'bf16'), ShapeError, /differ in N only, received \[2, 3\], \[2, 4\]/);
  refused(() => t.packWeight(f(2), 'bf16'), ShapeError, /expected weights \[N, K\] or \[E, N, K\]/);
  refused(() => t.packWeight(u8(2, 3), 'bf16'), DTypeError, /expected f32 or bf16, received u8/);
  refused(() => t.packWeight(f(2, 40), 'int4'), ShapeError, /groups of 32 along K, received a weight \[2, 40\]/);
  refused(() => t.packWeight([f(130, 4), f(2, 4)], 'fp8'), ShapeError, /weight 0 of 2 is \[130, 4\].*not full.*last/);
  refused(() => t.packCodes({ codes: codes(130, 4), scales: f(1, 1) }), ShapeError, /need scales \[2, 1\]/);
  refused(() => t.packBlocks(u8(2, 34), 'int4'), ShapeError, /whole blocks of 18 bytes \(int4\), received \[2, 34\]/);
  refused(() => t.packBlocks(f(2, 34), 'int8'), DTypeError, /expected u8, received f32/);
  const w = t.packWeight(f(2, 4), 'bf16');
  const x = f(3, 4);
  refused(() => t.valueAndGrad(() => t.sum(t.linear(x, w)), [x]), ValueError, /packedLinear.*needs a gradient.*noGrad/);
  w.dispose();
  refused(() => t.linear(x, w), DisposedError, /the weight bf16 \[2, 4\] was freed/);
  await device.close();
});

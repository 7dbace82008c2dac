// Products of weights in blocks: equal to the definition, to dequantized weights times quantized activations, and the
// same bits whatever the rows beside, the threads and the groups; rows by id. npm test -- gemm-groups
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { Random } from '../math/index.ts';
import { decodeBlocks } from './block-formats.ts';
import { toFormat } from './cases/case.ts';
import { define } from './cases/define.ts';
import { randomBlocks } from './cases/gemm-groups.ts';
import { difference } from './cases/tolerance.ts';
import type { Device } from './device.ts';
import { type Data, dtypeCode, newData } from './dtype.ts';
import { ValueError } from './errors.ts';
import { blockPanelBytes, blockSize } from './panel-layout.ts';
import { gemmWorkspaceBytes, type PackedBlocks, packedBlocks } from './sizes.ts';
import { testDevices } from './test-devices.ts';

const formats = Object.keys(packedBlocks) as PackedBlocks[];
/** Formats of each kind of block: factors, minimums, integer scales of 32 and of 16. */
const kinds: readonly PackedBlocks[] = ['int8', 'int4', 'q4_1', 'q4_K', 'q6_K'];

interface Product {
  readonly format: PackedBlocks;
  readonly x: Float32Array;
  readonly n: number;
  readonly k: number;
  /** [groups, n] rows of blocks. */
  readonly blocks: Uint8Array;
  readonly offsets?: Int32Array;
  readonly aType?: 'f32' | 'bf16';
  readonly cType?: 'f32' | 'bf16';
  /** What C holds before: the product is added to it. */
  readonly start?: Float32Array;
}

async function multiply(device: Device, p: Product): Promise<Data> {
  const { format, x, n, k, blocks, offsets, aType = 'f32', cType = 'f32', start } = p;
  const groups = offsets ? offsets.length - 1 : 1;
  const m = x.length / k;
  const buffers = [
    toFormat(aType, x),
    new Uint8Array(blockPanelBytes(format, n, k, device.panelWidth, groups)),
    offsets ?? new Int32Array(0),
    start ? toFormat(cType, start) : newData(cType, m * n),
    new Uint8Array(gemmWorkspaceBytes(m, k, groups)),
    blocks,
  ].map((data) => {
    const buffer = device.alloc(Math.max(1, data.byteLength));
    device.write(buffer, data);
    return buffer;
  });
  const [a, panels, ranges, c, workspace, from] = buffers;
  device.run(`pack_panels_${format}`, { blocks: from, panels, n, k, groups });
  const types = { a_type: dtypeCode[aType], c_type: dtypeCode[cType], accumulate: start ? 1 : 0 };
  const given = { a, panels, c, workspace, m, n, k, ...types };
  if (offsets) device.run(`grouped_gemm_panel_${format}`, { ...given, offsets: ranges, groups });
  else device.run(`gemm_panel_${format}`, { ...given, lda: k, ldc: n });
  try {
    return await device.read(c, newData(cType, m * n));
  } finally {
    for (const buffer of buffers) buffer.free();
  }
}

interface LookUp {
  readonly ids: Int32Array;
  readonly n: number;
  readonly k: number;
  readonly blocks: Uint8Array;
}

/** Rows `ids` of a table in panels. */
async function lookUp(
  device: Device,
  format: PackedBlocks,
  { ids, n, k, blocks }: LookUp,
  outType: 'f32' | 'bf16',
): Promise<Data> {
  const result = newData(outType, ids.length * k);
  const buffers = [ids, new Uint8Array(blockPanelBytes(format, n, k, device.panelWidth)), result, blocks].map(
    (data) => {
      const buffer = device.alloc(data.byteLength);
      device.write(buffer, data);
      return buffer;
    },
  );
  const [idBuffer, panels, out, from] = buffers;
  device.run(`pack_panels_${format}`, { blocks: from, panels, n, k, groups: 1 });
  const sizes = { tokens: ids.length, vocab: n, cols: k, out_type: dtypeCode[outType] };
  device.run(`embedding_panel_${format}`, { ids: idBuffer, panels, out, ...sizes });
  try {
    return await device.read(out, result);
  } finally {
    for (const buffer of buffers) buffer.free();
  }
}

/** What the product sees of activations: int8 codes times their group's scale. */
function seen(x: Float32Array): Float64Array {
  return Float64Array.from(x, (value, i) => {
    const group = x.subarray(i - (i % 32), i - (i % 32) + 32);
    const amax = group.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
    const scaled = Math.fround(value * Math.fround(127 / amax));
    const down = Math.floor(scaled);
    const rest = scaled - down;
    const code = rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
    return code * Math.fround(amax / 127);
  });
}

const sliceRows = <T extends Data>(x: T, width: number, from: number, to: number) =>
  x.slice(from * width, to * width) as T;
const bits = (data: Data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');

for (const device of testDevices()) {
  describe(`groups of 32 on ${device.name} ${device.isa}`, () => {
    after(() => device.close());

    for (const format of formats) {
      const wide = (least: number) => Math.ceil(least / blockSize(format).values) * blockSize(format).values;
      const isKind = kinds.includes(format);

      for (const [m, n, least] of [
        [0, 5, 32],
        [1, 1, 32],
        [1, 200, 320],
        [2, 65, 96],
        [3, 33, 64],
        [7, 70, 128],
        [12, 31, 544],
        [13, 40, 1120],
        [29, 66, 576],
      ].filter(([m]) => isKind || m === 1 || m === 7) as [number, number, number][])
        test(`${format}: ${m} x ${n} x ${wide(least)} is dequantized weights times quantized activations`, async () => {
          const k = wide(least);
          const x = new Random(m + 1).normals(m * k);
          const blocks = randomBlocks(format, n, k, n + k);
          const received = await multiply(device, { format, x, n, k, blocks });
          const [a, w] = [seen(x), decodeBlocks(packedBlocks[format], blocks)];
          const expected = Float32Array.from({ length: m * n }, (_, at) => {
            const [i, j] = [Math.floor(at / n), at % n];
            let sum = 0;
            for (let step = 0; step < k; step++) sum += a[i * k + step] * w[j * k + step];
            return sum;
          });
          const found = difference('f32', expected, received);
          assert.ok(found.worst <= 1, `element ${found.at}: ${found.received}, expected ${found.expected}`);
        });

      test(`${format}: bf16 in, bf16 out, added to what stands there`, async () => {
        const [m, n, k] = [9, 50, wide(96)];
        const p: Product = {
          format,
          n,
          k,
          x: new Random(3).normals(m * k),
          blocks: randomBlocks(format, n, k, 8),
          aType: 'bf16',
          cType: 'bf16',
          start: new Random(4).normals(m * n),
        };
        const c = toFormat('bf16', p.start as Float32Array);
        const sizes = { m, n, k, lda: k, ldc: n, a_type: dtypeCode.bf16, c_type: dtypeCode.bf16, accumulate: 1 };
        define(`gemm_panel_${format}`, { a: toFormat('bf16', p.x), panels: p.blocks, c, workspace: null, ...sizes });
        const found = difference('bf16', c, await multiply(device, p));
        assert.ok(found.worst <= 1, `element ${found.at}: ${found.received}, expected ${found.expected}`);
      });

      test(`${format}: a row's bits do not depend on the rows beside it, nor on its group`, async () => {
        const arbitrary = fc.record({
          counts: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 5 }),
          n: fc.integer({ min: 1, max: 90 }),
          groups: fc.integer({ min: 1, max: 20 }),
          seed: fc.nat(1000),
        });
        await fc.assert(
          fc.asyncProperty(arbitrary, async ({ counts, n, groups, seed }) => {
            const k = blockSize(format).values * (isKind ? groups : 1 + (groups % 2));
            const offsets = Int32Array.from([
              0,
              ...counts.map((_, g) => counts.slice(0, g + 1).reduce((s, c) => s + c)),
            ]);
            const x = new Random(seed).normals((offsets.at(-1) as number) * k);
            const blocks = randomBlocks(format, counts.length * n, k, seed);
            const whole = await multiply(device, { format, x, n, k, blocks, offsets });
            for (let g = 0; g < counts.length; g++) {
              const own = sliceRows(blocks, (n * blocks.length) / (counts.length * n), g, g + 1);
              for (let row = offsets[g]; row < offsets[g + 1]; row++) {
                const alone = await multiply(device, { format, x: sliceRows(x, k, row, row + 1), n, k, blocks: own });
                assert.equal(bits(alone), bits(sliceRows(whole, n, row, row + 1)), `row ${row} of group ${g}`);
              }
            }
          }),
          { numRuns: !isKind ? 4 : device.name === 'native' ? 24 : 8 },
        );
      });

      test(`${format}: rows by id are the decoded values, in f32 and bf16; an id outside is refused`, async () => {
        const [n, k] = [70, wide(96)];
        const blocks = randomBlocks(format, n, k, 9);
        const rows = decodeBlocks(packedBlocks[format], blocks);
        const ids = Int32Array.of(69, 0, 31, 32, 31, 7, 50, 33, 8);
        const expected = Float32Array.from(
          { length: ids.length * k },
          (_, i) => rows[ids[Math.floor(i / k)] * k + (i % k)],
        );
        assert.deepEqual(await lookUp(device, format, { ids, n, k, blocks }, 'f32'), expected);
        assert.deepEqual(await lookUp(device, format, { ids, n, k, blocks }, 'bf16'), toFormat('bf16', expected));
        await assert.rejects(lookUp(device, format, { ids: Int32Array.of(3, n), n, k, blocks }, 'f32'), ValueError);
      });

      test(`${format}: zeros give zeros, a NaN or an infinity spoils its row alone`, async () => {
        const [n, k] = [40, wide(64)];
        const x = new Random(2).normals(3 * k);
        x.fill(0, 0, k);
        x[k + 5] = Number.NaN;
        x[2 * k + 40] = Number.POSITIVE_INFINITY;
        const c = (await multiply(device, { format, x, n, k, blocks: randomBlocks(format, n, k, 1) })) as Float32Array;
        assert.ok(sliceRows(c, n, 0, 1).every((v) => v === 0));
        assert.ok(sliceRows(c, n, 1, 3).every(Number.isNaN));
      });

      test(`${format}: offsets that do not cover the rows are refused`, async () => {
        const [n, k] = [8, wide(32)];
        const p = { format, n, k, x: new Float32Array(5 * k), blocks: randomBlocks(format, 3 * n, k, 1) };
        for (const offsets of [Int32Array.of(0, 2, 3, 4), Int32Array.of(0, 6, 3, 5), Int32Array.of(1, 2, 3, 5)])
          await assert.rejects(multiply(device, { ...p, offsets }), ValueError);
      });
    }
  });
}

test('one thread and two give the same bits', async () => {
  const ofThreads = (threads: number) => testDevices(threads).filter(({ name }) => name !== 'reference');
  const [one, two] = [ofThreads(1), ofThreads(2)];
  for (const format of formats) {
    const [m, n, k] = [150, 300, 512];
    const p = { format, n, k, x: new Random(3).normals(m * k), blocks: randomBlocks(format, n, k, 7) };
    for (const [i, device] of one.entries())
      assert.equal(bits(await multiply(device, p)), bits(await multiply(two[i], p)), `${format} ${device.isa}`);
  }
  for (const device of [...one, ...two]) await device.close();
});

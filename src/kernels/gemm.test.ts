// What the table of cases cannot say of one GEMM alone: packed weights give the bits of plain ones, a row does not
// depend on the other rows, on the threads or on its group, and FP8 weights decode exactly. npm test -- gemm
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Random } from '../math/index.ts';
import { toFormat } from './cases/case.ts';
import type { Buffer, Device } from './device.ts';
import { type Data, type DType, dtypeCode, fromE4m3, newData } from './dtype.ts';
import type { Place } from './kernel.ts';
import { panelBytes } from './panel-layout.ts';
import { gemmWorkspaceBytes } from './sizes.ts';
import { type CallArguments, kernels } from './table.ts';
import { productDevices } from './test-devices.ts';

const precisions = ['f32', 'bf16', 'fp8'] as const;
type Precision = (typeof precisions)[number];
const panelType = { f32: 'f32', bf16: 'bf16', fp8: 'e4m3' } as const;

interface Weights {
  readonly n: number;
  readonly k: number;
  readonly groups: number;
  readonly data: Data;
  readonly dtype: DType;
  readonly scales: Float32Array;
}

function weights(precision: Precision, n: number, k: number, groups = 1): Weights {
  const random = new Random(n + k);
  const dtype = precision === 'fp8' ? 'e4m3' : 'f32';
  const blocks = groups * Math.ceil(n / 128) * Math.ceil(k / 128);
  const scales = Float32Array.from({ length: blocks }, () => 0.25 + random.uniform());
  return { n, k, groups, dtype, data: toFormat(dtype, random.normals(groups * n * k)), scales };
}

class Bench {
  readonly device: Device;
  readonly #buffers: Buffer[] = [];

  constructor(device: Device) {
    this.device = device;
  }

  put(data: Data): Buffer {
    const buffer = this.device.alloc(Math.max(1, data.byteLength));
    this.device.write(buffer, data);
    this.#buffers.push(buffer);
    return buffer;
  }

  async take(buffer: Buffer, length: number): Promise<Float32Array> {
    return this.device.read(buffer, newData('f32', length) as Float32Array);
  }

  free(): void {
    for (const buffer of this.#buffers.splice(0)) buffer.free();
  }
}

/** x [m, k] times weights, rows sorted by group when offsets are given; from panels or from plain weights. */
async function multiply(
  bench: Bench,
  precision: Precision,
  from: 'panel' | 'nt',
  x: Float32Array,
  w: Weights,
  offsets?: Int32Array,
): Promise<Float32Array> {
  const { device } = bench;
  const { n, k, groups } = w;
  const m = k === 0 ? 0 : x.length / k;
  const plain = bench.put(w.data);
  let b = plain;
  if (from === 'panel') {
    b = bench.put(new Uint8Array(panelBytes(panelType[precision], n, k, device.panelWidth, groups)));
    const types = { b_type: dtypeCode[w.dtype], panel_type: dtypeCode[panelType[precision]] };
    device.run('pack_panels', { b: plain, panels: b, n, k, groups, ...types });
  }
  const c = bench.put(new Float32Array(m * n));
  const workspace = bench.put(new Uint8Array(gemmWorkspaceBytes(m, k, groups)));
  // All that any of the kernels needs; each takes the arguments of its own signature.
  const places = { a: bench.put(x), b, panels: b, b_scales: bench.put(w.scales), c, workspace };
  const sizes = { m, n, k, lda: k, ldb: k, ldc: n, groups };
  const types = { a_type: dtypeCode.f32, b_type: dtypeCode[w.dtype], c_type: dtypeCode.f32 };
  const ranges = { offsets: offsets ? bench.put(offsets) : null };
  const given: Record<string, Place> = { ...places, ...sizes, ...types, ...ranges, accumulate: 0 };
  const kernel = `${offsets ? 'grouped_gemm' : 'gemm'}_${from}_${precision}` as const;
  const args = kernels[kernel].parameters.map(({ name }) => [name, given[name]]);
  device.run(kernel, Object.fromEntries(args) as CallArguments<typeof kernel>);
  const result = await bench.take(c, m * n);
  bench.free();
  return result;
}

const sliceRows = (x: Float32Array, width: number, from: number, to: number) => x.slice(from * width, to * width);

for (const device of productDevices()) {
  describe(`gemm on ${device.name} ${device.isa}`, () => {
    const bench = new Bench(device);
    after(() => device.close());

    for (const precision of precisions) {
      for (const [m, n, k] of [
        [1, 200, 300],
        [2, 65, 129],
        [3, 33, 64],
        [4, 96, 257],
        [5, 70, 128],
        [31, 40, 1100],
      ] as const) {
        test(`${precision}: ${m} rows through panels of ${n} x ${k} equal plain weights to the bit`, async () => {
          const x = new Random(m).normals(m * k);
          const w = weights(precision, n, k);
          const plain = await multiply(bench, precision, 'nt', x, w);
          assert.ok(plain.some((value) => value !== 0));
          assert.deepEqual(await multiply(bench, precision, 'panel', x, w), plain);
        });
      }

      for (const from of ['nt', 'panel'] as const) {
        test(`${precision} ${from}: a row alone, in a chunk and in the whole batch has the same bits`, async () => {
          const [m, n, k] = [27, 70, 333];
          const x = new Random(9).normals(m * k);
          const w = weights(precision, n, k);
          const whole = await multiply(bench, precision, from, x, w);
          for (const [first, last] of [
            [0, 1],
            [1, 4],
            [4, 17],
            [26, 27],
          ] as const) {
            const part = await multiply(bench, precision, from, sliceRows(x, k, first, last), w);
            assert.deepEqual(part, sliceRows(whole, n, first, last), `rows ${first} to ${last}`);
          }
        });

        test(`${precision} ${from}: groups equal one GEMM for each`, async () => {
          const [n, k, groups] = [50, 140, 4];
          const offsets = Int32Array.of(0, 13, 13, 14, 30);
          const x = new Random(5).normals(30 * k);
          const w = weights(precision, n, k, groups);
          const whole = await multiply(bench, precision, from, x, w, offsets);
          for (let g = 0; g < groups; g++) {
            const [first, last] = [offsets[g], offsets[g + 1]];
            if (first === last) continue;
            const each = w.scales.length / groups;
            const one = {
              ...w,
              groups: 1,
              data: w.data.slice(g * n * k, (g + 1) * n * k),
              scales: w.scales.slice(g * each, (g + 1) * each),
            };
            const alone = await multiply(bench, precision, from, sliceRows(x, k, first, last), one);
            assert.deepEqual(alone, sliceRows(whole, n, first, last), `group ${g}`);
          }
        });
      }
    }

    test('all 256 FP8 codes reach the product exactly, in panels and in plain weights', async () => {
      const data = Uint8Array.from({ length: 256 }, (_, code) => code);
      const w: Weights = { n: 256, k: 1, groups: 1, dtype: 'e4m3', data, scales: Float32Array.of(1, 1) };
      for (const from of ['nt', 'panel'] as const) {
        const values = await multiply(bench, 'fp8', from, Float32Array.of(448), w);
        const expected = Float32Array.from(data, (code) => fromE4m3(code) * 448 + 0); // a sum from +0 has no -0
        const wrong = [...values.keys()].filter((i) => !Object.is(values[i], expected[i]));
        assert.deepEqual(wrong, [], `codes ${wrong.map((i) => `${i}: ${values[i]}`)}`);
      }
    });

    test('an all-zero activation gives zeros in FP8, never NaN', async () => {
      const values = await multiply(bench, 'fp8', 'nt', new Float32Array(300), weights('fp8', 40, 100));
      assert.deepEqual(values, new Float32Array(120));
    });
  });
}

test('one thread, two, three and seven give the same bits', async () => {
  const [one, ...others] = [1, 2, 3, 7].map((threads) => productDevices(threads));
  for (const precision of precisions) {
    const x = new Random(3).normals(150 * 500);
    const w = weights(precision, 300, 500);
    for (const [i, device] of one.entries()) {
      const expected = await multiply(new Bench(device), precision, 'nt', x, w);
      for (const devices of others)
        assert.deepEqual(
          await multiply(new Bench(devices[i]), precision, 'nt', x, w),
          expected,
          `${precision} on ${device.isa}, ${devices[i].threads} threads`,
        );
    }
  }
  for (const device of [one, ...others].flat()) await device.close();
});

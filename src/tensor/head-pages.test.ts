// Pages of heads give the bits of attention over the same keys and values: prompts in pieces, one query at a time, in a
// batch, with padding, in any blocks, on any number of threads. npm test -- head-pages
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Data, type Device, openDevice, toBf16 } from '../kernels/index.ts';
import { testDevices } from '../kernels/test-devices.ts';
import { Random } from '../math/index.ts';
import * as t from './index.ts';

interface Heads {
  readonly format: 'f32' | 'bf16';
  readonly Hq: number;
  readonly Hkv: number;
  readonly Dk: number;
  readonly Dv: number;
  readonly window: number | null;
}

const shapes: Heads[] = (['f32', 'bf16'] as const).flatMap((format) => [
  { format, Hq: 6, Hkv: 2, Dk: 33, Dv: 40, window: null },
  { format, Hq: 2, Hkv: 2, Dk: 64, Dv: 48, window: null },
  { format, Hq: 4, Hkv: 2, Dk: 16, Dv: 32, window: 70 },
]);

const lengths = [150, 65];

type Part = readonly [b: number, from: number, to: number];

/** Two sequences: their queries, keys and values, and a pool that holds them in blocks 5, 4, 3, ... */
class Sequences {
  readonly #heads: Heads;
  readonly #device: Device;
  readonly #pool: t.HeadPool;
  readonly #data: { q: t.Tensor; k: t.Tensor; v: t.Tensor }[];

  constructor(heads: Heads, device: Device) {
    const { format, Hkv, Dk, Dv } = heads;
    this.#heads = heads;
    this.#device = device;
    this.#pool = new t.HeadPool({ format, blocks: 6, heads: Hkv, keyWidth: Dk, valueWidth: Dv, device });
    this.#data = lengths.map((length, b) => {
      const random = new Random(Dk + b);
      const [q, k, v] = [
        [heads.Hq, Dk],
        [Hkv, Dk],
        [Hkv, Dv],
      ].map(([H, D]) => this.#tensor(random.normals(length * H * D), [length, H, D])) as [t.Tensor, t.Tensor, t.Tensor];
      const slots = Int32Array.from({ length }, (_, j) => this.#block(b, j >> 6) * 64 + (j & 63));
      t.writeHeads(this.#pool, k, v, t.fromArray(slots, [length], { device }));
      return { q, k, v };
    });
  }

  #tensor(values: Float32Array, shape: number[]): t.Tensor {
    const data = this.#heads.format === 'f32' ? values : Uint16Array.from(values, toBf16);
    return t.fromArray(data, shape, { device: this.#device, dtype: this.#heads.format });
  }

  #block(b: number, i: number): number {
    return 5 - 3 * b - i;
  }

  #i32(values: readonly number[], shape = [values.length]): t.Tensor {
    return t.fromArray(Int32Array.from(values), shape, { device: this.#device });
  }

  /** attention over a whole sequence, [length, Hq, Dv]. */
  whole(b: number): Promise<Data> {
    const { q, k, v } = this.#data[b] as { q: t.Tensor; k: t.Tensor; v: t.Tensor };
    const sequences = { queryStart: this.#i32([0, lengths[b]]), maxQueries: lengths[b] };
    return t.attention(q, k, v, sequences, { window: this.#heads.window }).read();
  }

  /** Queries [from, to) of sequences over the pool, with `padding` rows around. */
  pages(parts: readonly Part[], padding = 0): Promise<Data> {
    const { Hq, Dk } = this.#heads;
    const starts = [padding];
    for (const [, from, to] of parts) starts.push((starts.at(-1) as number) + to - from);
    const T = (starts.at(-1) as number) + padding;
    const q = t.full([T, Hq, Dk], 1, { device: this.#device, dtype: this.#heads.format });
    for (const [i, [b, from, to]] of parts.entries()) {
      const own = t.narrow(this.#data[b]?.q as t.Tensor, from, to - from);
      this.#device.run('copy_bytes', {
        from: own,
        to: q.address + (starts[i] as number) * (q.bytes / T),
        n: own.bytes,
      });
    }
    q.storage.change();
    const tables = parts.flatMap(([b]) => [0, 1, 2].map((i) => (64 * i < lengths[b] ? this.#block(b, i) : -1)));
    const sequences = {
      tables: this.#i32(tables, [parts.length, 3]),
      lengths: this.#i32(parts.map(([, , to]) => to)),
      queryStart: this.#i32(starts),
      maxQueries: Math.max(...parts.map(([, from, to]) => to - from)),
    };
    return t.headAttention(q, this.#pool, sequences, { window: this.#heads.window }).read();
  }
}

function takeRows(data: Data, length: number, from: number, to: number): Data {
  const width = data.length / length;
  return data.slice(from * width, to * width);
}

for (const device of testDevices()) {
  describe(`pages of heads on ${device.name} ${device.isa}`, () => {
    const others: Device[] = [];
    before(() => {
      if (device.name !== 'reference')
        for (const threads of [1, 3, 7]) others.push(openDevice({ device: device.name, isa: device.isa, threads }));
    });
    after(async () => {
      for (const opened of [device, ...others]) await opened.close();
    });

    for (const heads of shapes)
      test(`${heads.format}, ${heads.Hq} heads over ${heads.Hkv}, window ${heads.window}: the bits of attention`, () =>
        t.asyncScope((inside) =>
          inside(async () => {
            const sequences = new Sequences(heads, device);
            const [first, second] = [await sequences.whole(0), await sequences.whole(1)];
            assert.deepEqual(await sequences.pages([[0, 0, 150]]), first, 'a whole prompt');
            for (const [from, to] of [
              [0, 1],
              [7, 70],
              [63, 64],
              [64, 65],
              [148, 150],
            ] as const)
              assert.deepEqual(
                await sequences.pages([[0, from, to]]),
                takeRows(first, 150, from, to),
                `${from} to ${to}`,
              );
            const parts: Part[] = [
              [1, 64, 65],
              [0, 100, 149],
              [1, 3, 9],
            ];
            const batch = await sequences.pages(parts, 2);
            const rows = 1 + 49 + 6;
            assert.deepEqual(takeRows(batch, rows + 4, 2, 3), takeRows(second, 65, 64, 65), 'one query in a batch');
            assert.deepEqual(takeRows(batch, rows + 4, 3, 52), takeRows(first, 150, 100, 149), 'a chunk in a batch');
            assert.deepEqual(takeRows(batch, rows + 4, 52, 58), takeRows(second, 65, 3, 9), 'a short chunk in a batch');
            const padding = [...takeRows(batch, rows + 4, 0, 2), ...takeRows(batch, rows + 4, rows + 2, rows + 4)];
            assert.ok(padding.every((x) => x === 0));
            for (const other of others)
              assert.deepEqual(await new Sequences(heads, other).pages(parts, 2), batch, `${other.threads} threads`);
          }),
        ));
  });
}

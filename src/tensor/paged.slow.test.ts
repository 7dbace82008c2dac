// The paged cache against contiguous attention (f32: the same bits), and its promises to the bit: alone = among others
// = any thread count = one query at a time = several = a padded batch = other blocks; recorded = encoded. npm test --
// tensor/paged
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { difference, tolerance } from '../kernels/cases/tolerance.ts';
import { type Data, type Device, openDevice, type PoolFormat, toBf16, toE4m3, ValueError } from '../kernels/index.ts';
import { testDevices } from '../kernels/test-devices.ts';
import { Random } from '../math/index.ts';
import * as t from './index.ts';

interface Kind {
  readonly name: string;
  readonly format: PoolFormat;
  readonly width: number;
  readonly codes?: number;
  readonly tile?: number;
  readonly Hq: number;
  readonly Dk: number;
  readonly heads: t.PagedHeads;
}

const latent = (C: number) => ({ valueWidth: C });
const grouped = { valueWidth: 20, keyHeads: 2, valueOffset: 32 };
const tiled = { valueWidth: 16, keyHeads: 2, valueOffset: 32 };
const own = { valueWidth: 8, keyHeads: 3, valueOffset: 36 };

const kinds: Kind[] = [
  { name: 'bf16 latent, 8 heads', format: 'bf16', width: 576, Hq: 8, Dk: 576, heads: latent(512) },
  { name: 'bf16 latent, 40 heads', format: 'bf16', width: 214, Hq: 40, Dk: 214, heads: latent(202) },
  { name: 'fp8 latent, 8 heads', format: 'fp8', width: 576, codes: 512, Hq: 8, Dk: 576, heads: latent(512) },
  { name: 'fp8 latent, 40 heads', format: 'fp8', width: 48, codes: 32, Hq: 40, Dk: 48, heads: latent(32) },
  { name: 'f32 latent, 3 heads', format: 'f32', width: 48, Hq: 3, Dk: 48, heads: latent(32) },
  { name: 'bf16 grouped', format: 'bf16', width: 72, Hq: 6, Dk: 16, heads: grouped },
  { name: 'bf16 grouped, a window', format: 'bf16', width: 72, Hq: 6, Dk: 16, heads: { ...grouped, window: 130 } },
  { name: 'f32 grouped, a narrow window', format: 'f32', width: 72, Hq: 6, Dk: 16, heads: { ...grouped, window: 9 } },
  { name: 'int8 grouped', format: 'int8', width: 64, codes: 64, tile: 16, Hq: 6, Dk: 16, heads: tiled },
  { name: 'fp8 grouped', format: 'fp8', width: 64, codes: 64, tile: 16, Hq: 6, Dk: 16, heads: tiled },
  { name: 'int8 latent, 8 heads', format: 'int8', width: 576, codes: 512, Hq: 8, Dk: 576, heads: latent(512) },
  { name: 'f32 heads of their own', format: 'f32', width: 60, Hq: 3, Dk: 12, heads: own },
];

/** A prime number of normals, drawn once and repeated: drawing millions takes longer than what is tested. */
const drawn = new Random(1).normals(65_537);

function normals(shape: readonly number[], seed: number, device: Device): t.Tensor {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (let i = 0; i < values.length; i++) values[i] = drawn[(i + 7919 * seed) % drawn.length];
  return t.fromArray(values, shape, { device });
}

/** Sequences in pools: what is known of each, and where its blocks are. */
class Caches {
  readonly kind: Kind;
  readonly device: Device;
  readonly pool: t.PagedPool;
  readonly queries: t.Tensor[] = [];
  readonly blocks: number[][] = [];

  constructor(kind: Kind, device: Device, lengths: readonly number[], order: (block: number) => number = (b) => b) {
    this.kind = kind;
    this.device = device;
    const { format, width, codes = 0, tile = 128, Hq, Dk } = kind;
    let next = 0;
    for (const length of lengths) {
      this.blocks.push(Array.from({ length: t.blocksFor(length) }, () => next++));
    }
    this.pool = new t.PagedPool({ format, width, codes, tile, blocks: next, device });
    for (const [b, length] of lengths.entries()) {
      this.blocks[b] = this.blocks[b].map(order);
      const rows = normals([length, width], 10 + b, device);
      t.writeCache(this.pool, rows, this.i32(Array.from({ length }, (_, j) => this.slot(b, j))));
      this.queries.push(normals([length, Hq, Dk], 50 + b, device));
    }
  }

  slot(b: number, j: number): number {
    return this.blocks[b]?.[j >> 6] * 64 + (j & 63);
  }

  i32(values: readonly number[], shape = [values.length]): t.Tensor {
    return t.fromArray(Int32Array.from(values), shape, { device: this.device });
  }

  /** Queries [from, to) of each sequence named, in one call; `padding` rows and sequences without queries around. */
  sequences(parts: readonly (readonly [b: number, from: number, to: number])[], padding = 0): t.PagedSequences {
    const maxBlocks = Math.max(...this.blocks.map((ids) => ids.length)) + padding;
    const starts = sums(
      padding,
      parts.map(([, from, to]) => to - from),
    );
    const pad = <T>(value: T) => Array.from({ length: padding }, () => value);
    const rows = parts.map(([b]) => Array.from({ length: maxBlocks }, (_, i) => this.blocks[b]?.[i] ?? -1));
    const B = parts.length + padding;
    return {
      tables: this.i32([...rows, ...pad(Array(maxBlocks).fill(-1))].flat(), [B, maxBlocks]),
      lengths: this.i32([...parts.map(([, , to]) => to), ...pad(0)]),
      queryStart: this.i32([...starts, ...pad(starts.at(-1) as number)]),
      maxQueries: Math.max(...parts.map(([, from, to]) => to - from)) + padding,
    };
  }

  /** The queries of `parts`, between `padding` rows of ones. */
  q(parts: readonly (readonly [b: number, from: number, to: number])[], padding = 0): t.Tensor {
    const { Hq, Dk } = this.kind;
    const flat = parts.map(([b, from, to]) => t.narrow(this.queries[b], from, to - from));
    const ends = padding > 0 ? [t.full([padding, Hq, Dk], 1, { device: this.device })] : [];
    return joinRows([...ends, ...flat, ...ends]);
  }

  attend(parts: readonly (readonly [b: number, from: number, to: number])[], padding = 0): Promise<Data> {
    const out = t.pagedAttention(this.q(parts, padding), this.pool, this.sequences(parts, padding), this.kind.heads);
    const rows = parts.reduce((n, [, from, to]) => n + to - from, 0);
    return t.narrow(out, padding, rows).read();
  }
}

/** first, first + counts[0], ... */
function sums(first: number, counts: readonly number[]): number[] {
  const all = [first];
  for (const n of counts) all.push((all.at(-1) as number) + n);
  return all;
}

/** Tensors end to end along the first dimension. */
function joinRows(parts: readonly t.Tensor[]): t.Tensor {
  const [first] = parts as [t.Tensor];
  const cols = first.size / first.shape[0];
  const turned = parts.map((x) => t.permute(t.reshape(x, [x.shape[0], cols]), [1, 0]));
  const rows = t.permute(t.concat(turned), [1, 0]);
  return t.reshape(rows, [rows.shape[0], ...first.shape.slice(1)]);
}

const toBytes = ({ buffer, byteOffset, byteLength }: Data) => Buffer.from(buffer, byteOffset, byteLength);

function assertSame(received: Data, expected: Data, what: string): void {
  assert.equal(received.length, expected.length, what);
  if (toBytes(received).equals(toBytes(expected))) return;
  const at = expected.findIndex((x, i) => !Object.is(x, received[i]));
  assert.equal(at, -1, `${what}: element ${at} is ${received[at]}, expected ${expected[at]}`);
}

function joined(parts: readonly Data[]): Float32Array {
  const all = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Runs an async test body whose tensors are freed at its end. */
const inScope = (body: () => Promise<void>) => () => t.asyncScope((inside) => inside(body));

for (const device of testDevices()) {
  describe(`paged cache on ${device.name} ${device.isa}`, () => {
    let alone: Device;
    before(() => {
      alone = openDevice({ device: device.name, isa: device.isa, threads: 1 });
    });
    after(async () => {
      await device.close();
      await alone.close();
    });
    const on = { device };
    const small = device.name === 'reference';

    // Wide records on the definition take minutes; the table of cases compares every device with it.
    for (const kind of small ? kinds.filter(({ width }) => width < 100) : kinds) {
      const lengths = small ? [70, 20] : [600, 70, 257];
      const last = lengths[0];

      test(
        `${kind.name}: as contiguous attention over what is stored`,
        inScope(async () => {
          const caches = new Caches(kind, device, lengths);
          const { Hq, Dk, width, heads } = kind;
          const { keyHeads = 1, valueWidth: Dv, valueOffset = 0 } = heads;
          const starts = sums(0, lengths);
          const S = starts.at(-1) as number;
          const all = lengths.map((n, b) => [b, 0, n] as const);
          const { tables, queryStart } = caches.sequences(all);
          const rows = t.readCache(caches.pool, tables, caches.i32(starts), S);
          const [keys] = t.split(rows, [keyHeads * Dk, width - keyHeads * Dk]) as [t.Tensor];
          const behind = valueOffset === 0 ? rows : t.split(rows, [valueOffset, width - valueOffset])[1];
          const [values] = t.split(behind, [keyHeads * Dv, behind.shape[1] - keyHeads * Dv]) as [t.Tensor];
          const rounded = kind.format === 'f32' ? caches.q(all) : t.cast(t.cast(caches.q(all), 'bf16'), 'f32');
          const sequences = { queryStart, maxQueries: Math.max(...lengths) };
          const [k, v] = [t.reshape(keys, [S, keyHeads, Dk]), t.reshape(values, [S, keyHeads, Dv])];
          const want = t.attention(rounded, k, v, sequences, { window: heads.window ?? null });
          assert.deepEqual(want.shape, [S, Hq, Dv]);
          const [expected, received] = [await want.read(), await caches.attend(all)];
          // Weights rounded to bf16 err by the values' size, which the first queries' outputs have and most have not.
          const slack = kind.format === 'f32' ? 1 : (4 * tolerance.bf16) / tolerance.f32;
          const found = difference('f32', expected, received, slack);
          assert.ok(found.worst <= 1, `${found.received}, expected ${found.expected}: ${found.worst} x the tolerance`);
        }),
      );

      test(
        `${kind.name}: one query = several = a prompt`,
        inScope(async () => {
          const caches = new Caches(kind, device, lengths);
          const prompt = await caches.attend([[0, 0, last]]);
          const width = prompt.length / last;
          const tail = prompt.slice((last - 4) * width);
          assertSame(await caches.attend([[0, last - 4, last]]), tail, '4 queries');
          const single: Data[] = [];
          for (let i = last - 4; i < last; i++) single.push(await caches.attend([[0, i, i + 1]]));
          assertSame(joined(single), tail, '1 query');
          const chunked = [await caches.attend([[0, 0, 33]]), await caches.attend([[0, 33, last]])];
          assertSame(joined(chunked), prompt, 'cut at 33');
        }),
      );

      test(
        `${kind.name}: alone = among others = padded = other blocks = one thread`,
        inScope(async () => {
          const parts = lengths.map((n, b) => [b, n - 1 - (b % 2), n] as const);
          const caches = new Caches(kind, device, lengths);
          const separate: Data[] = [];
          for (const part of parts) separate.push(await caches.attend([part]));
          const expected = joined(separate);
          assertSame(await caches.attend(parts), expected, 'among others');
          assertSame(await caches.attend(parts, 3), expected, 'padded');
          const count = caches.pool.blocks;
          const moved = new Caches(kind, device, lengths, (block) => (block * 7 + 3) % count);
          if (count % 7 !== 0) assertSame(await moved.attend(parts), expected, 'other blocks');
          assertSame(await new Caches(kind, alone, lengths).attend(parts), expected, 'one thread');
        }),
      );
    }

    test(
      'a recorded step follows tables, lengths and slots',
      inScope(async () => {
        const kind = kinds[3];
        const caches = new Caches(kind, device, [70, 65]);
        const shown = [caches.q([[0, 69, 70]]), caches.i32([0]), ...stepInputs(caches, 0, 70)] as const;
        const replay = t.record(shown, (q, slots, tables, lengths, queryStart) => {
          t.writeCache(caches.pool, t.reshape(t.narrow(q, 0, 1), [40, 48]), repeated(slots, 40));
          return t.pagedAttention(q, caches.pool, { tables, lengths, queryStart, maxQueries: 1 }, kind.heads);
        });
        for (const [b, length] of [
          [0, 70],
          [1, 65],
          [0, 30],
        ] as const) {
          const q = caches.q([[b, length - 1, length]]);
          const out = await replay.replay(q, caches.i32([-1]), ...stepInputs(caches, b, length)).read();
          assertSame(out, await caches.attend([[b, length - 1, length]]), `sequence ${b} at ${length}`);
        }
        await device.flush();
        replay.dispose();
      }),
    );

    test(
      'writeLatentCache = rmsNorm, rope and writeCache, to the bit',
      inScope(async () => {
        for (const format of ['f32', 'bf16', 'fp8'] as const)
          for (const [C, R] of [
            [512, 64],
            [202, 12],
            [32, 16],
          ] as const) {
            const pools = [0, 1].map(
              () => new t.PagedPool({ format, width: C + R, codes: format === 'fp8' ? C : 0, blocks: 2, device }),
            ) as [t.PagedPool, t.PagedPool];
            const T = 70;
            const x = t.randn([T, C + R], 1, 1, on);
            const gain = t.randn([C], 2, 1, on);
            const table = t.ropeTable({ dim: R, base: 1e4, length: 100 }, on);
            const positions = t.range(T, 1, on);
            const slots = t.fromArray(
              Int32Array.from({ length: T }, (_, i) => (i === 9 ? -1 : 127 - i)),
              [T],
              on,
            );
            t.writeLatentCache(pools[0], x, gain, positions, slots, table, 1e-6);
            const [c, k] = t.split(x, [C, R]) as [t.Tensor, t.Tensor];
            const turned = t.reshape(t.rope(t.reshape(k, [T, 1, R]), positions, table), [T, R]);
            t.writeCache(pools[1], t.concat([t.rmsNorm(c, gain, 1e-6), turned]), slots);
            for (const block of [0, 1])
              assert.deepEqual(
                await pools[0].readBlock(block),
                await pools[1].readBlock(block),
                `${format} ${C} + ${R}`,
              );
          }
      }),
    );

    test(
      'an FP8 record of 512 + 64 has 656 bytes: codes, scales, bf16',
      inScope(async () => {
        const pool = new t.PagedPool({ format: 'fp8', width: 576, codes: 512, blocks: 1, device });
        assert.equal(pool.recordBytes, 656);
        const row = Float32Array.from({ length: 576 }, (_, i) => (i < 512 ? ((i % 128) - 64) * 2 ** (i >> 7) : i));
        t.writeCache(pool, t.fromArray(row, [1, 576], on), t.fromArray(Int32Array.of(2), [1], on));
        const record = (await pool.readBlock(0)).slice(2 * 656, 3 * 656);
        const view = new DataView(record.buffer);
        for (let i = 0; i < 512; i++) {
          const scale = Math.fround((64 * 2 ** (i >> 7)) / 448);
          assert.equal(view.getFloat32(512 + 4 * (i >> 7), true), scale, `scale of ${i}`);
          assert.equal(record[i], toE4m3(Math.fround(row[i] / scale)), `code ${i}`);
        }
        for (let i = 512; i < 576; i++) assert.equal(view.getUint16(528 + 2 * (i - 512), true), toBf16(i));
        const other = new t.PagedPool({ format: 'fp8', width: 576, codes: 512, blocks: 1, device });
        other.writeBlock(0, await pool.readBlock(0));
        assert.deepEqual(await other.readBlock(0), await pool.readBlock(0));
      }),
    );

    test(
      'an infinite key or value behind a query, or of nobody, does not reach it',
      inScope(async () => {
        for (const kind of kinds) {
          const caches = new Caches(kind, device, [20]);
          const clean = await caches.attend([[0, 10, 13]]);
          const bad = t.full([51, kind.width], kind.format === 'fp8' ? Number.NaN : Number.POSITIVE_INFINITY, on);
          t.writeCache(caches.pool, bad, caches.i32(Array.from({ length: 51 }, (_, i) => 13 + i)));
          assertSame(await caches.attend([[0, 10, 13]]), clean, kind.name);
          const first = clean.slice(0, clean.length / 3);
          assertSame((await caches.attend([[0, 10, 14]])).slice(0, first.length), first, kind.name);
        }
      }),
    );

    test(
      'what the data got wrong is named by the next read',
      inScope(async () => {
        const kind = kinds[3];
        const caches = new Caches(kind, device, [70]);
        const { tables, queryStart } = caches.sequences([[0, 69, 70]]);
        const attend = (other: Partial<t.PagedSequences>) => {
          const sequences = { tables, queryStart, lengths: caches.i32([70]), maxQueries: 1, ...other };
          return t.pagedAttention(caches.q([[0, 69, 70]]), caches.pool, sequences, kind.heads).read();
        };
        await assert.rejects(attend({ tables: caches.i32([0, 2], [1, 2]) }), (error: Error) => {
          assert.ok(error instanceof ValueError);
          assert.match(error.message, /paged_attention\] element 1 is 2, expected 0 to 1/);
          return true;
        });
        await assert.rejects(attend({ lengths: caches.i32([129]) }), /paged_attention\] offset 0 is 129/);
        t.writeCache(caches.pool, t.zeros([1, 48], on), caches.i32([128]));
        await assert.rejects(device.flush(), /cache_write\] element 0 is 128, expected 0 to 127/);
      }),
    );
  });
}

/** Tables, lengths and queryStart of one query of one sequence. */
function stepInputs(caches: Caches, b: number, length: number): [t.Tensor, t.Tensor, t.Tensor] {
  const ids = [...caches.blocks[b], 0].slice(0, 2);
  return [caches.i32(ids, [1, 2]), caches.i32([length]), caches.i32([0, 1])];
}

/** [1] to [n] with the same number. */
function repeated(x: t.Tensor, n: number): t.Tensor {
  return t.reshape(t.concat(Array.from({ length: n }, () => t.reshape(x, [1, 1]))), [n]);
}

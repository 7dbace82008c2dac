// Rows for pages of heads: odd widths, grouped heads, lengths around blocks (64), permuted tables, several queries of a
// sequence, padding; refused slots, tables and lengths.
import { Random } from '../../math/index.ts';
import type { Data } from '../dtype.ts';
import { type KernelName, kernels } from '../table.ts';
import { type Case, toFormat } from './case.ts';

type Format = 'f32' | 'bf16';

interface Shape {
  readonly name: string;
  readonly lengths: number[];
  readonly queries: number[];
  readonly Hq: number;
  readonly Hkv: number;
  readonly Dk: number;
  readonly Dv: number;
  readonly padding?: number;
  readonly window?: number;
}

const shapes: Shape[] = [
  ...[1, 2, 63, 64, 65, 200].map((n) => ({
    name: `1 query of ${n}`,
    lengths: [n],
    queries: [1],
    Hq: 2,
    Hkv: 2,
    Dk: 24,
    Dv: 20,
  })),
  { name: 'grouped heads', lengths: [90, 130], queries: [1, 4], Hq: 6, Hkv: 2, Dk: 33, Dv: 17 },
  { name: 'a prompt', lengths: [150], queries: [70], Hq: 2, Hkv: 1, Dk: 64, Dv: 48 },
  { name: 'as wide as MLA', lengths: [70, 3], queries: [2, 3], Hq: 2, Hkv: 2, Dk: 192, Dv: 128 },
  { name: 'batch with gaps', lengths: [5, 0, 129], queries: [1, 0, 2], Hq: 2, Hkv: 2, Dk: 16, Dv: 16, padding: 3 },
  ...[1, 5, 64, 90].map((window) => ({
    name: `a window of ${window}`,
    lengths: [150, 300],
    queries: [70, 1],
    Hq: 4,
    Hkv: 2,
    Dk: 20,
    Dv: 33,
    window,
  })),
  { name: 'no queries', lengths: [9], queries: [0], Hq: 2, Hkv: 1, Dk: 16, Dv: 16 },
];

const poolBytes = (format: Format, blocks: number, { Hkv, Dk, Dv }: Shape) =>
  64 * blocks * Hkv * (format === 'f32' ? 4 * (Dk + Dv) : 4 * Math.ceil(Dk / 2) + 2 * Dv);

function write(shape: Shape, format: Format, slots: Int32Array, pool: Uint8Array, blocks: number): Case {
  const { Hkv, Dk, Dv } = shape;
  const random = new Random(Dk + slots.length);
  const [keys, values] = [Dk, Dv].map((width) => toFormat(format, random.normals(slots.length * Hkv * width)));
  const args = { keys, values, slots, pool, tokens: slots.length, Hkv, Dk, Dv, blocks };
  return { kernel: `head_cache_write_${format}`, name: `${format}: ${shape.name}`, args, exact: true };
}

/** A pool whose every slot is written. */
function makePool(shape: Shape, format: Format, blocks: number): Uint8Array {
  const pool = new Uint8Array(poolBytes(format, blocks, shape));
  const { kernel, args } = write(
    shape,
    format,
    Int32Array.from({ length: 64 * blocks }, (_, i) => i),
    pool,
    blocks,
  );
  kernels[kernel as KernelName].define(...kernels[kernel].parameters.map(({ name }) => args[name] as Data | number));
  return pool;
}

function attend(shape: Shape, format: Format): Case {
  const { lengths, queries, Hq, Hkv, Dk, Dv, padding = 0, window = 0 } = shape;
  const B = lengths.length;
  const max_blocks = Math.max(1, ...lengths.map((n) => Math.ceil(n / 64)));
  const blocks = B * max_blocks + 1;
  const starts = [padding];
  for (const n of queries) starts.push((starts.at(-1) as number) + n);
  const T = (starts.at(-1) as number) + padding;
  const used = lengths.map((n) => Math.ceil(n / 64));
  return {
    kernel: `head_attention_${format}`,
    name: `${format}: ${shape.name}`,
    args: {
      q: toFormat(format, new Random(Hq + Dk).normals(T * Hq * Dk)),
      pool: makePool(shape, format, blocks),
      // Block ids descend; behind a sequence's end they are not valid.
      tables: Int32Array.from({ length: B * max_blocks }, (_, i) =>
        i % max_blocks < (used[Math.floor(i / max_blocks)] as number) ? blocks - 1 - i : -7,
      ),
      lengths: Int32Array.from(lengths),
      query_start: Int32Array.from(starts),
      out: toFormat(format, new Float32Array(T * Hq * Dv).fill(3)),
      B,
      T,
      max_queries: Math.max(...queries),
      max_blocks,
      Hq,
      Hkv,
      Dk,
      Dv,
      window,
      scale: Dk ** -0.5,
      blocks,
    },
  };
}

const small: Shape = { name: '', lengths: [100, 65], queries: [2, 1], Hq: 2, Hkv: 1, Dk: 16, Dv: 8 };

const refusals: [string, Record<string, Int32Array>, Case['fault']][] = [
  ['a block beyond the pool', { tables: Int32Array.of(0, 99, 1, 2) }, 'indexOutOfRange'],
  ['a negative block', { tables: Int32Array.of(0, -1, 1, 2) }, 'indexOutOfRange'],
  ['a sequence longer than its table', { lengths: Int32Array.of(129, 5) }, 'badOffsets'],
  ['more queries than tokens', { lengths: Int32Array.of(1, 5) }, 'badOffsets'],
  ['descending query starts', { query_start: Int32Array.of(2, 0, 3) }, 'badOffsets'],
  ['a negative query start', { query_start: Int32Array.of(-1, 1, 3) }, 'badOffsets'],
  ['query starts beyond q', { query_start: Int32Array.of(0, 2, 9) }, 'badOffsets'],
];

const formats: Format[] = ['f32', 'bf16'];

export const headPages: Case[] = formats.flatMap((format) => {
  const slots = (...all: number[]) => Int32Array.from(all);
  const pool = () => new Uint8Array(poolBytes(format, 2, small)).fill(7);
  const row = attend(small, format);
  return [
    ...shapes.map((shape) => attend(shape, format)),
    ...shapes.slice(6, 9).map((shape) => {
      const filled = new Uint8Array(poolBytes(format, 2, shape)).fill(7);
      return write(shape, format, slots(70, -1, 3, 127, 0), filled, 2);
    }),
    ...refusals.map(([name, args, fault]) => ({
      ...row,
      name: `${format}: refuses ${name}`,
      args: { ...row.args, ...args },
      ...(fault && { fault }),
    })),
    ...[128, -2].map((slot) => ({
      ...write(small, format, slots(70, slot, 3), pool(), 2),
      name: `${format}: refuses slot ${slot}`,
      fault: 'indexOutOfRange' as const,
    })),
  ];
});

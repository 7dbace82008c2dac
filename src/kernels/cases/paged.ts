// Rows for the paged cache and attention over it: the three record formats, lengths around blocks (64) and chunks
// (256), permuted tables, several queries of a sequence, padding, refused slots, tables and lengths.
import { Random } from '../../math/index.ts';
import { dtypeCode, newData } from '../dtype.ts';
import { writeRecord } from '../reference/paged.ts';
import { blockTokens, pagedAttentionWorkspaceBytes, poolFormat, type RecordLayout, recordBytes } from '../sizes.ts';
import { type Case, toFormat } from './case.ts';
import { tolerance } from './tolerance.ts';

interface Shape extends RecordLayout {
  readonly name: string;
}

const layouts: Shape[] = [
  { name: 'f32', width: 48, codes: 0, tile: 128, format: poolFormat.f32 },
  { name: 'bf16', width: 48, codes: 0, tile: 128, format: poolFormat.bf16 },
  { name: 'fp8, V3', width: 576, codes: 512, tile: 128, format: poolFormat.fp8 },
  { name: 'fp8, nano', width: 48, codes: 32, tile: 128, format: poolFormat.fp8 },
  { name: 'fp8, a short last tile', width: 214, codes: 202, tile: 128, format: poolFormat.fp8 },
  { name: 'fp8, heads', width: 80, codes: 80, tile: 20, format: poolFormat.fp8 },
  { name: 'int8, V3', width: 576, codes: 512, tile: 128, format: poolFormat.int8 },
  { name: 'int8, heads', width: 80, codes: 80, tile: 20, format: poolFormat.int8 },
];

const words = ({ width, codes, tile, format }: RecordLayout, blocks: number) => ({
  blocks,
  width,
  codes,
  tile,
  format,
});

function rotation(rows: number, rotary: number) {
  const angles = Float32Array.from({ length: rows * (rotary / 2) }, (_, i) => Math.sin(i) * 3);
  return { cos: angles.map(Math.cos), sin: angles.map(Math.sin) };
}

function makePool(layout: RecordLayout, blocks: number, random: Random): Uint8Array {
  const pool = new Uint8Array(blocks * blockTokens * recordBytes(layout));
  for (let slot = 0; slot < blocks * blockTokens; slot++) writeRecord(random.normals(layout.width), pool, slot, layout);
  return pool;
}

function writes(layout: Shape): Case[] {
  const random = new Random(layout.width);
  const slots = Int32Array.of(70, -1, 3, 191, 0);
  const pool = new Uint8Array(3 * blockTokens * recordBytes(layout)).fill(7);
  const { width, name } = layout;
  const latent = layout.codes === width ? width - 16 : layout.codes || width - 16;
  const shared = { slots, pool, tokens: 5, ...words(layout, 3) };
  const norm = {
    gain: random.normals(latent),
    ...rotation(9, width - latent),
    positions: Int32Array.of(8, 99, 0, 4, 1),
  };
  return [
    {
      kernel: 'cache_write',
      name,
      args: { ...shared, rows: random.normals(5 * (width + 3)), row_ld: width + 3, rows_type: dtypeCode.f32 },
      exact: true,
    },
    {
      kernel: 'cache_write',
      name: `${name}, rows in bf16`,
      args: { ...shared, rows: toFormat('bf16', random.normals(5 * width)), row_ld: width, rows_type: dtypeCode.bf16 },
      formats: { rows: 'bf16' },
      exact: true,
    },
    {
      kernel: 'mla_cache_write',
      name,
      args: { ...shared, ...norm, x: random.normals(5 * width), latent, table_length: 9, eps: 1e-6 },
      // Bytes cannot be compared with a tolerance where norms differ in their last bit; paged.slow.test.ts compares
      // them with rms_norm, rope and cache_write.
      ignore: ['pool'],
    },
  ];
}

function reads(layout: Shape): Case[] {
  const random = new Random(layout.width);
  const pool = makePool(layout, 5, random);
  const row = (name: string, starts: number[], S: number): Case => ({
    kernel: 'cache_read',
    name: `${layout.name}, ${name}`,
    args: {
      pool,
      tables: Int32Array.of(3, 1, 0, 2, 2, 4, 99, 99, 4, 99, 99, 99),
      starts: Int32Array.from(starts),
      out: new Float32Array(S * layout.width).fill(5),
      B: 3,
      S,
      max_blocks: 4,
      ...words(layout, 5),
    },
    exact: true,
  });
  return [row('three sequences and padding', [1, 171, 235, 235], 240), row('nothing', [0, 0, 0, 0], 0)];
}

interface Attention {
  readonly name: string;
  readonly lengths: number[];
  readonly queries: number[];
  readonly Hq: number;
  readonly Hkv?: number;
  readonly Dk: number;
  readonly Dv: number;
  /** Latent: values are the front of the one key. Grouped: keys of all heads, then values. */
  readonly latent: boolean;
  readonly padding?: number;
  readonly scale?: number;
  readonly window?: number;
}

const attentions: Attention[] = [
  ...[1, 2, 63, 64, 65, 255, 256, 257, 700].map((n) => ({
    name: `1 query of ${n}`,
    lengths: [n],
    queries: [1],
    Hq: 3,
    Dk: 48,
    Dv: 32,
    latent: true,
  })),
  { name: '3 queries of 257', lengths: [257], queries: [3], Hq: 4, Dk: 48, Dv: 32, latent: true },
  { name: 'V3 in small', lengths: [150, 300], queries: [1, 2], Hq: 8, Dk: 576, Dv: 512, latent: true },
  { name: 'many heads', lengths: [300, 70], queries: [1, 2], Hq: 40, Dk: 214, Dv: 202, latent: true },
  { name: 'a prompt', lengths: [330], queries: [70], Hq: 3, Dk: 48, Dv: 32, latent: true },
  { name: 'grouped heads', lengths: [90, 260], queries: [1, 4], Hq: 6, Hkv: 2, Dk: 16, Dv: 20, latent: false },
  { name: 'heads as tiles', lengths: [90, 260], queries: [1, 4], Hq: 6, Hkv: 2, Dk: 20, Dv: 20, latent: false },
  { name: 'wide heads', lengths: [140], queries: [3], Hq: 2, Hkv: 2, Dk: 160, Dv: 160, latent: false, window: 60 },
  { name: 'heads of their own', lengths: [66], queries: [5], Hq: 3, Hkv: 3, Dk: 10, Dv: 7, latent: false },
  {
    name: 'batch with gaps',
    lengths: [5, 0, 129],
    queries: [1, 0, 2],
    Hq: 2,
    Dk: 48,
    Dv: 32,
    latent: true,
    padding: 3,
  },
  ...[1, 5, 127, 128, 130].map((window) => ({
    name: `a window of ${window}`,
    lengths: [330, 700, 40],
    queries: [70, 1, 3],
    Hq: 6,
    Hkv: 2,
    Dk: 20,
    Dv: 40,
    latent: false,
    window,
  })),
  ...[6, 140].map((window) => ({
    name: `3 queries behind a window of ${window}`,
    lengths: [300, 700],
    queries: [3, 1],
    Hq: 40,
    Dk: 48,
    Dv: 32,
    latent: true,
    window,
  })),
  { name: 'no queries', lengths: [9], queries: [0], Hq: 2, Dk: 48, Dv: 32, latent: true },
];

/** Returns the row with pieces of the keys computed apart and joined, and the row that walks over all of them. */
function attentionRows(shape: Attention, format: number): [split: Case, walking: Case] {
  const { lengths, queries, Hq, Hkv = 1, Dk, Dv, latent, padding = 0 } = shape;
  const random = new Random(Hq + Dk);
  const width = latent ? Dk : Hkv * (Dk + Dv);
  const hasCodes = format === poolFormat.fp8 || format === poolFormat.int8;
  const layout = { width, codes: hasCodes ? (latent ? Dv : width) : 0, tile: latent ? 128 : Dk, format };
  const B = lengths.length;
  const max_blocks = Math.max(1, ...lengths.map((n) => Math.ceil(n / blockTokens)));
  const blocks = B * max_blocks + 1;
  const starts = [padding];
  for (const n of queries) starts.push((starts.at(-1) as number) + n);
  const T = (starts.at(-1) as number) + padding;
  const pool = makePool(layout, blocks, random);
  const unused = lengths.map((n) => Math.ceil(n / blockTokens));
  const formatName = Object.keys(poolFormat)[format];
  const split: Case = {
    kernel: 'paged_attention',
    name: `${formatName}: ${shape.name}`,
    args: {
      q: random.normals(T * Hq * Dk),
      q_type: dtypeCode.f32,
      pool,
      // Block ids descend; behind a sequence's end they are not valid.
      tables: Int32Array.from({ length: B * max_blocks }, (_, i) =>
        i % max_blocks < unused[Math.floor(i / max_blocks)] ? blocks - 1 - i : -7,
      ),
      lengths: Int32Array.from(lengths),
      query_start: Int32Array.from(starts),
      partial: new Float32Array(pagedAttentionWorkspaceBytes(T, Hq, Dv, max_blocks) / 4),
      out: new Float32Array(T * Hq * Dv).fill(3),
      B,
      T,
      max_queries: Math.max(...queries),
      max_blocks,
      Hq,
      Hkv,
      Dk,
      Dv,
      k_offset: 0,
      k_head: Dk,
      v_offset: latent ? 0 : Hkv * Dk,
      v_head: latent ? 0 : Dv,
      window: shape.window ?? 0,
      scale: shape.scale ?? Dk ** -0.5,
      ...words(layout, blocks),
    },
    ignore: ['partial'],
    // Weights (times scales) are rounded to bf16 where pairs of bf16 are multiplied, so the output carries the error of
    // bf16, twice that where few keys have large values.
    ...(format !== poolFormat.f32 && { slack: (2 * tolerance.bf16) / tolerance.f32 }),
  };
  return [split, { ...split, name: `${formatName}, walking: ${shape.name}`, args: { ...split.args, partial: null } }];
}

const refusals: [string, Record<string, Int32Array>][] = [
  ['a block beyond the pool', { tables: Int32Array.of(0, 99, 1, 2) }],
  ['a negative block', { tables: Int32Array.of(0, -1, 1, 2) }],
  ['a sequence longer than its table', { lengths: Int32Array.of(129, 5) }],
  ['a negative length', { lengths: Int32Array.of(-1, 5) }],
  ['more queries than tokens', { lengths: Int32Array.of(1, 5) }],
  ['descending query starts', { query_start: Int32Array.of(2, 0, 3) }],
  ['a negative query start', { query_start: Int32Array.of(-1, 1, 3) }],
  ['query starts beyond q', { query_start: Int32Array.of(0, 2, 9) }],
];

function refused(): Case[] {
  const shape = { name: '', lengths: [100, 65], queries: [2, 1], Hq: 2, Dk: 48, Dv: 32, latent: true };
  const [row] = attentionRows(shape, poolFormat.bf16);
  const [layout] = layouts as [Shape];
  const [write, , mla] = writes(layout) as [Case, Case, Case];
  const [read] = reads(layout) as [Case];
  const wrong = (base: Case, name: string, args: Case['args'], fault: Case['fault'] = 'indexOutOfRange'): Case => ({
    ...base,
    name: `refuses ${name}`,
    args: { ...base.args, ...args },
    ...(fault && { fault }),
  });
  return [
    ...refusals.map(([name, args]) => wrong(row, name, args)),
    wrong(write, 'a slot beyond the pool', { slots: Int32Array.of(70, -1, 192, 191, 0) }),
    wrong(write, 'a slot of -2', { slots: Int32Array.of(70, -2, 3, 191, 0) }),
    wrong(mla, 'a position beyond the table', { positions: Int32Array.of(9, 0, 0, 0, 0) }),
    wrong(read, 'descending starts', { starts: Int32Array.of(0, 5, 4, 4) }),
    wrong(read, 'starts beyond the rows', { starts: Int32Array.of(0, 5, 241, 241) }),
    wrong(read, 'a sequence longer than its table', { starts: Int32Array.of(0, 5, 5, 235), max_blocks: 2 }),
    wrong(read, 'a block beyond the pool', { tables: newData('i32', 12).fill(5) as Int32Array }),
  ];
}

const attention = attentions.flatMap((shape) =>
  Object.values(poolFormat)
    .filter((format) => format < poolFormat.fp8 || shape.latent || shape.Dk === shape.Dv)
    .flatMap((format) => attentionRows(shape, format)),
);

export const paged: Case[] = [...layouts.flatMap(writes), ...layouts.flatMap(reads), ...attention, ...refused()];

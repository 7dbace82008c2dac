// Rows for attention: ragged lengths around the 64-key tile, grouped heads, packed documents, cached queries, strided
// slices as MLA makes them, extreme and equal scores, refused starts.
import { Random } from '../../math/index.ts';
import type { Data } from '../dtype.ts';
import { type KernelName, kernels } from '../table.ts';
import { type Case, toFormat } from './case.ts';

interface Shape {
  name: string;
  /** Queries and keys of each sequence; a query sees its own position and what is before. */
  queries: number[];
  keys?: number[];
  Hq: number;
  Hkv: number;
  Dk: number;
  Dv: number;
  causal?: 0 | 1;
  window?: number;
  scale?: number;
  /** `mla`: k and v of a head side by side in one row; `absorbed`: v is the front of k; `equal`: all scores 0. */
  layout?: 'mla' | 'absorbed' | 'equal';
  slack?: number;
  gradientSlack?: number;
}

const starts = (counts: number[]) => {
  const sums = [0];
  for (const n of counts) sums.push((sums.at(-1) as number) + n);
  return Int32Array.from(sums);
};

function words(shape: Shape) {
  const { queries, keys = queries, Hq, Hkv, Dk, Dv, causal = 1, window = 0, layout } = shape;
  const queryStart = starts(queries);
  const keyStart = starts(keys);
  const T = queryStart.at(-1) as number;
  const S = keyStart.at(-1) as number;
  const kHead = layout === 'mla' ? Dk + Dv : Dk;
  const vHead = layout === 'mla' ? Dk + Dv : layout === 'absorbed' ? Dk : Dv;
  const sizes = { B: queries.length, max_queries: Math.max(0, ...queries), T, S, Hq, Hkv, Dk, Dv };
  const strides = {
    q_row: Hq * Dk + 3,
    q_head: Dk,
    k_row: Hkv * kHead,
    k_head: kHead,
    v_row: Hkv * vHead,
    v_head: vHead,
    o_row: Hq * Dv,
    o_head: Dv,
  };
  const first = Int32Array.from(queries, (n, b) => keys[b] - n);
  return { queryStart, keyStart, first, sizes, strides, causal, window, scale: shape.scale ?? Dk ** -0.5 };
}

function inputs(shape: Shape, random: Random) {
  const { queryStart, keyStart, first, sizes, strides, causal, window, scale } = words(shape);
  const { T, S, Hkv, Dk, Dv } = sizes;
  const q = random.normals(T * strides.q_row);
  const k = random.normals(S * strides.k_row);
  if (shape.layout === 'equal') q.fill(0);
  // In the `mla` layout the values of a head start Dk behind its keys: the case copies them to a buffer of their own
  // that keeps the strides, since a case's arguments are separate buffers.
  const v = shape.layout === 'absorbed' ? k : random.normals(S === 0 ? 0 : S * strides.v_row - (strides.v_head - Dv));
  const starts = { query_start: queryStart, key_start: keyStart, first_position: first };
  return { ...sizes, ...strides, ...starts, q, k, v, causal, window, scale, Hkv, Dk };
}

type Format = 'f32' | 'bf16';

/** The arguments of a row, those that its kernel takes in bf16 rounded to it. */
function rowIndex(kernel: KernelName, shape: Shape, args: Record<string, Data | number>): Case {
  const rounded = kernels[kernel].parameters
    .filter(({ name, kind }) => kind === 'bf16' && args[name] instanceof Float32Array)
    .map(({ name }) => [name, toFormat('bf16', args[name] as Float32Array)]);
  return { kernel, name: shape.name, args: { ...args, ...Object.fromEntries(rounded) } };
}

function forward(shape: Shape, format: Format): Case {
  const args = inputs(shape, new Random(shape.queries.length + shape.Dk));
  const outputs = { o: new Float32Array(args.T * args.o_row), lse: new Float32Array(args.T * args.Hq) };
  return { ...rowIndex(`attention_${format}`, shape, { ...args, ...outputs }), slack: shape.slack ?? 1 };
}

/** The backward row of a shape: o and lse as the definition of forward gives them. */
function backward(shape: Shape, format: Format): Case {
  const random = new Random(shape.queries.length + shape.Dv);
  const args = inputs(shape, random);
  const outputs = { o: new Float32Array(args.T * args.o_row), lse: new Float32Array(args.T * args.Hq) };
  const before = rowIndex(`attention_${format}`, shape, { ...args, ...outputs });
  const { parameters, define } = kernels[before.kernel];
  define(...parameters.map(({ name }) => before.args[name]));
  const gaps = { dq_row: args.q_row + 1, dq_head: args.Dk, dk_row: args.Hkv * args.Dk + 2, dk_head: args.Dk };
  const gradients = { ...gaps, dv_row: args.Hkv * args.Dv + 5, dv_head: args.Dv };
  const row = rowIndex(`attention_backward_${format}`, shape, {
    ...(before.args as Record<string, Data | number>),
    ...gradients,
    dout: random.normals(outputs.o.length),
    delta: new Float32Array(outputs.lse.length),
    dq_sum: new Float32Array(args.T * args.Hq * args.Dk),
    dq: new Float32Array(args.T * gradients.dq_row),
    dk: new Float32Array(args.S * gradients.dk_row),
    dv: new Float32Array(args.S * gradients.dv_row),
  });
  return { ...row, ignore: ['delta', 'dq_sum'], slack: shape.gradientSlack ?? 1 };
}

const shapes: Shape[] = [
  ...[0, 1, 2, 15, 63, 64, 65, 130].map((n) => ({ name: `${n} tokens`, queries: [n], Hq: 2, Hkv: 2, Dk: 16, Dv: 16 })),
  ...[1, 5, 64, 130].map((n) => ({
    name: `1 query, ${n} keys in a cache`,
    queries: [1],
    keys: [n],
    Hq: 3,
    Hkv: 1,
    Dk: 33,
    Dv: 17,
  })),
  { name: 'chunk of 70 behind 130', queries: [70], keys: [200], Hq: 2, Hkv: 1, Dk: 24, Dv: 40 },
  { name: '8 heads over 4', queries: [77], Hq: 8, Hkv: 4, Dk: 32, Dv: 32 },
  { name: '8 heads over 1', queries: [77], Hq: 8, Hkv: 1, Dk: 64, Dv: 64 },
  { name: 'documents, one empty', queries: [3, 64, 0, 1, 90], Hq: 2, Hkv: 2, Dk: 20, Dv: 12 },
  { name: 'a serving batch', queries: [1, 1, 9, 1], keys: [4, 129, 70, 1], Hq: 4, Hkv: 2, Dk: 32, Dv: 32 },
  { name: 'all keys seen', queries: [20, 5], keys: [70, 3], Hq: 2, Hkv: 2, Dk: 16, Dv: 16, causal: 0 },
  { name: 'no keys at all', queries: [3], keys: [0], Hq: 2, Hkv: 2, Dk: 16, Dv: 16, causal: 0 },
  { name: 'one wide', queries: [1], Hq: 1, Hkv: 1, Dk: 1, Dv: 1 },
  { name: 'MLA expanded', queries: [70, 66], Hq: 2, Hkv: 2, Dk: 192, Dv: 128, layout: 'mla' },
  {
    name: 'MLA absorbed, decoding',
    queries: [1, 1],
    keys: [100, 40],
    Hq: 16,
    Hkv: 1,
    Dk: 576,
    Dv: 512,
    layout: 'absorbed',
  },
  { name: 'MLA absorbed, prompt', queries: [66], Hq: 3, Hkv: 1, Dk: 576, Dv: 512, layout: 'absorbed' },
  ...[1, 2, 5, 63, 64, 65, 200].map((window) => ({
    name: `a window of ${window}`,
    queries: [150],
    Hq: 2,
    Hkv: 1,
    Dk: 16,
    Dv: 24,
    window,
  })),
  ...[3, 70].map((window) => ({
    name: `a serving batch, a window of ${window}`,
    queries: [1, 70, 9, 1],
    keys: [300, 129, 9, 1],
    Hq: 4,
    Hkv: 2,
    Dk: 33,
    Dv: 17,
    window,
  })),
  { name: 'equal scores', queries: [100], Hq: 2, Hkv: 2, Dk: 16, Dv: 16, layout: 'equal' },
  // Scores of +-1e4: an f32 score carries an error of 1e4 * 2^-24, the weights e^ of that; the gradients of nearly
  // one-hot weights are differences of nearly equal numbers, times the scale.
  {
    name: 'extreme scores',
    queries: [100],
    Hq: 2,
    Hkv: 2,
    Dk: 16,
    Dv: 16,
    scale: 800,
    slack: 500,
    gradientSlack: 20_000,
  },
];

const refusals: [string, Record<string, Int32Array>][] = [
  ['descending query starts', { query_start: Int32Array.of(0, 6, 4) }],
  ['negative query start', { query_start: Int32Array.of(-1, 1, 4) }],
  ['query starts beyond q', { query_start: Int32Array.of(0, 4, 9) }],
  ['more queries than the bound', { query_start: Int32Array.of(0, 7, 8), first_position: Int32Array.of(0, 0) }],
  ['descending key starts', { key_start: Int32Array.of(0, 9, 8) }],
  ['negative key start', { key_start: Int32Array.of(-4, 4, 10) }],
  ['key starts beyond k', { key_start: Int32Array.of(0, 4, 11) }],
  ['a query behind the last key', { first_position: Int32Array.of(0, 3) }],
  ['a negative position', { first_position: Int32Array.of(-1, 0) }],
];

const formats: Format[] = ['f32', 'bf16'];

const refused: Case[] = [forward, backward].flatMap((of) =>
  refusals.map(([name, wrong]) => {
    const row = of({ name, queries: [4, 4], keys: [4, 6], Hq: 2, Hkv: 1, Dk: 8, Dv: 8 }, 'f32');
    return { ...row, name: `refuses ${name}`, args: { ...row.args, ...wrong }, fault: 'badOffsets' };
  }),
);

export const attention: Case[] = [
  ...formats.flatMap((format) => shapes.map((shape) => forward(shape, format))),
  ...formats.flatMap((format) => shapes.map((shape) => backward(shape, format))),
  ...refused,
];

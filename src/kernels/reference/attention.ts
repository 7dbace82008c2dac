// Causal attention, defined: o = softmax(scale * q k^T) v over the keys a query may see.
//
// q [T, Hq, Dk], k [S, Hkv, Dk], v [S, Hkv, Dv], o [T, Hq, Dv], each with its own distance between tokens (`_row`) and
// between heads (`_head`); lse [T, Hq] is the log-sum-exp of a query's scores. Query head h reads key head floor(h /
// (Hq / Hkv)). Sequence b owns queries query_start[b] to query_start[b + 1] and keys key_start[b] to key_start[b + 1];
// (packed documents, a serving batch). Its first query stands at first_position[b] of its keys (absent: 0); with
// `causal`, query i sees keys up to its own, first_position[b] + i, and the last `window` of them where that is not 0;
// else it sees all. Rows outside every sequence are not written. bf16: scores and softmax are f32; a probability is
// rounded to bf16 where it multiplies values (relative to the highest score so far, by tiles of 64 keys) or the
// gradient of o, and so is the gradient of a score; sums are f32. Sources: DeepSeek-V3 section 2.1.1, FlashAttention.
import { fromBf16, toBf16 } from '../dtype.ts';
import { KernelFault, kernel } from '../kernel.ts';

type Data = ArrayLike<number>;

const shape = 'B:int max_queries:int T:int S:int Hq:int Hkv:int Dk:int Dv:int';
const strides = 'q_row:int q_head:int k_row:int k_head:int v_row:int v_head:int o_row:int o_head:int';
const gradientStrides = 'dq_row:int dq_head:int dk_row:int dk_head:int dv_row:int dv_head:int';
const mask = 'causal:int window:int scale:float';
const starts = 'query_start:i32 key_start:i32 first_position:i32';
const bf16Gradients = 'dq_sum:f32! dq:bf16! dk:bf16! dv:bf16!';
const forwardSizes = `${shape} ${strides} ${mask}` as const;
const backwardSizes = `${shape} ${strides} ${gradientStrides} ${mask}` as const;

type WordName<S extends string> = S extends `${infer N}:${string} ${infer Rest}`
  ? N | WordName<Rest>
  : S extends `${infer N}:${string}`
    ? N
    : never;
type Sizes<S extends string> = Readonly<Record<WordName<S>, number>>;

function readSizes<S extends string>(text: S, values: readonly number[]): Sizes<S> {
  return Object.fromEntries(text.split(' ').map((word, i) => [word.split(':')[0], values[i]])) as Sizes<S>;
}

function checkStarts(start: Data, b: number, limit: number, longest: number): void {
  const from = start[b];
  const to = start[b + 1];
  if (from < 0) throw new KernelFault('badOffsets', b, from, limit);
  if (to < from || to > limit || to - from > longest) throw new KernelFault('badOffsets', b + 1, to, limit);
}

/** One query of one head: token t, head h reading key head kv, and the keys it sees, key + from to key + to. */
interface QueryRow {
  readonly t: number;
  readonly h: number;
  readonly kv: number;
  readonly key: number;
  readonly from: number;
  readonly to: number;
}

function listRows(queryStart: Data, keyStart: Data, firstPosition: Data, n: Sizes<typeof forwardSizes>): QueryRow[] {
  const rows: QueryRow[] = [];
  for (let b = 0; b < n.B; b++) {
    checkStarts(queryStart, b, n.T, n.max_queries);
    checkStarts(keyStart, b, n.S, n.S);
    const query = queryStart[b];
    const queries = queryStart[b + 1] - query;
    const key = keyStart[b];
    const keys = keyStart[b + 1] - key;
    const first = firstPosition[b] ?? 0;
    if (n.causal && queries > 0 && (first < 0 || first + queries > keys))
      throw new KernelFault('badOffsets', b, first, keys - queries);
    for (let i = 0; i < queries; i++) {
      const to = n.causal ? first + i + 1 : keys;
      const from = n.causal && n.window > 0 ? Math.max(0, to - n.window) : 0;
      for (let h = 0; h < n.Hq; h++) rows.push({ t: query + i, h, kv: Math.floor((h * n.Hkv) / n.Hq), key, from, to });
    }
  }
  return rows;
}

function dot(a: Data, aAt: number, b: Data, bAt: number, width: number): number {
  let sum = 0;
  for (let d = 0; d < width; d++) sum += a[aAt + d] * b[bAt + d];
  return sum;
}

/** to[toAt + d] += factor * from[fromAt + d] */
function addTo(to: Float64Array, toAt: number, factor: number, from: Data, fromAt: number, width: number): void {
  for (let d = 0; d < width; d++) to[toAt + d] = to[toAt + d] + factor * from[fromAt + d];
}

/** Scores of the keys from `row.from` on. */
function computeScores(q: Data, k: Data, row: QueryRow, n: Sizes<typeof forwardSizes>): number[] {
  const qAt = row.t * n.q_row + row.h * n.q_head;
  const kAt = (j: number) => (row.key + row.from + j) * n.k_row + row.kv * n.k_head;
  return Array.from({ length: row.to - row.from }, (_, j) => n.scale * dot(q, qAt, k, kAt(j), n.Dk));
}

/** A gradient summed in float64; `assign` rounds the rows that belong to a sequence into their place. */
class Gradient {
  readonly sums: Float64Array;
  readonly #width: number;

  constructor(length: number, width: number) {
    this.sums = new Float64Array(length);
    this.#width = width;
  }

  assign(to: Float32Array, ats: Iterable<number>): void {
    for (const at of ats) to.set(this.sums.subarray(at, at + this.#width), at);
  }
}

interface AttentionInputs {
  readonly q: Data;
  readonly k: Data;
  readonly v: Data;
  readonly queryStart: Data;
  readonly keyStart: Data;
  readonly firstPosition: Data;
}

/** What happens to a number that enters a product. */
type Round = (x: number) => number;

const exact: Round = (x) => x;
const toNearestBf16: Round = (x) => fromBf16(toBf16(x));

/** Keys whose probabilities are relative to the same highest score. */
const tileKeys = 64;

function forward(
  batch: AttentionInputs,
  o: Float32Array,
  lse: Float32Array,
  n: Sizes<typeof forwardSizes>,
  round: Round,
): void {
  const { q, k, v } = batch;
  for (const row of listRows(batch.queryStart, batch.keyStart, batch.firstPosition, n)) {
    const scores = computeScores(q, k, row, n);
    const out = new Float64Array(n.Dv);
    let max = Number.NEGATIVE_INFINITY;
    let sum = 0;
    for (let start = row.from; start < row.to; start += tileKeys - (start % tileKeys)) {
      const part = scores.slice(start - row.from, start - row.from + tileKeys - (start % tileKeys));
      const before = max;
      max = Math.max(before, ...part);
      const rescale = start === row.from ? 0 : Math.exp(before - max);
      const weights = part.map((x) => Math.exp(x - max));
      sum = weights.reduce((a, b) => a + b, sum * rescale);
      out.forEach((x, d) => {
        out[d] = x * rescale;
      });
      for (const [j, weight] of weights.entries())
        addTo(out, 0, round(weight), v, (row.key + start + j) * n.v_row + row.kv * n.v_head, n.Dv);
    }
    o.set(
      out.map((x) => (row.to === 0 ? 0 : x / sum)),
      row.t * n.o_row + row.h * n.o_head,
    );
    if (lse.length > 0) lse[row.t * n.Hq + row.h] = row.to === 0 ? Number.NEGATIVE_INFINITY : max + Math.log(sum);
  }
}

interface Result {
  readonly o: Data;
  readonly lse: Data;
  readonly dout: Data;
}

interface Gradients {
  readonly delta: Float32Array;
  readonly dq: Float32Array;
  readonly dk: Float32Array;
  readonly dv: Float32Array;
}

function backward(
  batch: AttentionInputs,
  { o, lse, dout }: Result,
  to: Gradients,
  n: Sizes<typeof backwardSizes>,
  round: Round,
): void {
  const { q, k, v, keyStart } = batch;
  const rows = listRows(batch.queryStart, keyStart, batch.firstPosition, n);
  const dq = new Gradient(to.dq.length, n.Dk);
  const dk = new Gradient(to.dk.length, n.Dk);
  const dv = new Gradient(to.dv.length, n.Dv);
  for (const row of rows) {
    const oAt = row.t * n.o_row + row.h * n.o_head;
    const delta = dot(dout, oAt, o, oAt, n.Dv);
    to.delta[row.t * n.Hq + row.h] = delta;
    computeScores(q, k, row, n).forEach((score, j) => {
      const key = row.key + row.from + j;
      const p = Math.exp(score - lse[row.t * n.Hq + row.h]);
      const dp = dot(dout, oAt, v, key * n.v_row + row.kv * n.v_head, n.Dv);
      const ds = round(p * (dp - delta) * n.scale);
      addTo(dv.sums, key * n.dv_row + row.kv * n.dv_head, round(p), dout, oAt, n.Dv);
      addTo(dk.sums, key * n.dk_row + row.kv * n.dk_head, ds, q, row.t * n.q_row + row.h * n.q_head, n.Dk);
      addTo(dq.sums, row.t * n.dq_row + row.h * n.dq_head, ds, k, key * n.k_row + row.kv * n.k_head, n.Dk);
    });
  }
  dq.assign(
    to.dq,
    rows.map((row) => row.t * n.dq_row + row.h * n.dq_head),
  );
  for (let j = keyStart[0]; j < keyStart[n.B]; j++)
    for (let h = 0; h < n.Hkv; h++) {
      dk.assign(to.dk, [j * n.dk_row + h * n.dk_head]);
      dv.assign(to.dv, [j * n.dv_row + h * n.dv_head]);
    }
}

const decoded = (data: Uint16Array) => Float32Array.from(data, fromBf16);

/** Runs `write` on decoded copies of bf16 arrays, then rounds what it wrote. */
function inF32<K extends string>(
  arrays: Record<K, Uint16Array>,
  write: (copies: Record<K, Float32Array>) => void,
): void {
  const names = Object.keys(arrays) as K[];
  const copies = Object.fromEntries(names.map((name) => [name, decoded(arrays[name])])) as Record<K, Float32Array>;
  write(copies);
  for (const name of names) arrays[name].set(copies[name].map(toBf16));
}

export const attention = {
  attention_f32: kernel(
    `q:f32 k:f32 v:f32 ${starts} o:f32! lse:f32! ${forwardSizes}`,
    (q, k, v, queryStart, keyStart, firstPosition, o, lse, ...words) =>
      forward({ q, k, v, queryStart, keyStart, firstPosition }, o, lse, readSizes(forwardSizes, words), exact),
  ),

  attention_bf16: kernel(
    `q:bf16 k:bf16 v:bf16 ${starts} o:bf16! lse:f32! ${forwardSizes}`,
    (q, k, v, queryStart, keyStart, firstPosition, o, lse, ...words) => {
      const batch = { q: decoded(q), k: decoded(k), v: decoded(v), queryStart, keyStart, firstPosition };
      inF32({ o }, (copy) => forward(batch, copy.o, lse, readSizes(forwardSizes, words), toNearestBf16));
    },
  ),

  // delta [T, Hq] is scratch between the phases; v may be a part of k (absorbed MLA): add dv to dk's columns then.
  attention_backward_f32: kernel(
    `q:f32 k:f32 v:f32 ${starts} o:f32 lse:f32 dout:f32 delta:f32! dq:f32! dk:f32! dv:f32! ${backwardSizes}`,
    (q, k, v, queryStart, keyStart, firstPosition, o, lse, dout, delta, dq, dk, dv, ...words) => {
      const batch = { q, k, v, queryStart, keyStart, firstPosition };
      backward(batch, { o, lse, dout }, { delta, dq, dk, dv }, readSizes(backwardSizes, words), exact);
    },
  ),

  // dq_sum [T, Hq, Dk] is scratch: dq before it is rounded.
  attention_backward_bf16: kernel(
    `q:bf16 k:bf16 v:bf16 ${starts} o:bf16 lse:f32 dout:bf16 delta:f32! ${bf16Gradients} ${backwardSizes}`,
    (q, k, v, queryStart, keyStart, firstPosition, o, lse, dout, delta, _dqSum, dq, dk, dv, ...words) => {
      const batch = { q: decoded(q), k: decoded(k), v: decoded(v), queryStart, keyStart, firstPosition };
      const result = { o: decoded(o), lse, dout: decoded(dout) };
      const sizes = readSizes(backwardSizes, words);
      inF32({ dq, dk, dv }, (copies) => backward(batch, result, { delta, ...copies }, sizes, toNearestBf16));
    },
  ),
};

// Causal attention, defined: o = softmax(scale * q k^T) v over the keys a query may see.
//
// q [T, Hq, Dk], k [S, Hkv, Dk], v [S, Hkv, Dv], o [T, Hq, Dv], each with its own distance between tokens (`_row`) and
// between heads (`_head`), so that slices of wider rows need no copy; lse [T, Hq] is the log-sum-exp of a query's scores.
// Query head h reads key head floor(h / (Hq / Hkv)). Sequence b owns queries query_start[b] to query_start[b + 1] and
// keys key_start[b] to key_start[b + 1]; several of them are packed documents or a serving batch. Its first query
// stands at first_position[b] of its keys (absent: 0); with `causal`, query i sees keys 0 to first_position[b] + i,
// else all. Rows outside every sequence are not written. Source: DeepSeek-V3 section 2.1.1, FlashAttention.
import { KernelFault, kernel } from '../kernel.ts';

/** Widest head the kernels take. */
export const widestHead = 1024;

type Starts = Int32Array;

interface Sequence {
  readonly query: number;
  readonly queries: number;
  readonly key: number;
  readonly keys: number;
  readonly first: number;
}

function checkStart(starts: Starts, b: number, limit: number, longest: number): void {
  const from = starts[b] as number;
  const to = starts[b + 1] as number;
  if (from < 0) throw new KernelFault('badOffsets', b, from, limit);
  if (to < from || to > limit || to - from > longest) throw new KernelFault('badOffsets', b + 1, to, limit);
}

function sequences(
  queryStart: Starts,
  keyStart: Starts,
  firstPosition: Starts,
  [B, maxQueries, T, S, causal]: [number, number, number, number, number],
): Sequence[] {
  return Array.from({ length: B }, (_, b) => {
    checkStart(queryStart, b, T, maxQueries);
    checkStart(keyStart, b, S, S);
    const query = queryStart[b] as number;
    const key = keyStart[b] as number;
    const first = firstPosition[b] ?? 0;
    const queries = (queryStart[b + 1] as number) - query;
    const keys = (keyStart[b + 1] as number) - key;
    if (causal && queries > 0 && (first < 0 || first + queries > keys))
      throw new KernelFault('badOffsets', b, first, keys - queries);
    return { query, queries, key, keys, first };
  });
}

function dot(a: ArrayLike<number>, aAt: number, b: ArrayLike<number>, bAt: number, n: number): number {
  let sum = 0;
  for (let d = 0; d < n; d++) sum += (a[aAt + d] as number) * (b[bAt + d] as number);
  return sum;
}

const forwardWords =
  'B:int max_queries:int T:int S:int Hq:int Hkv:int Dk:int Dv:int q_row:int q_head:int k_row:int k_head:int v_row:int v_head:int o_row:int o_head:int causal:int scale:float';

export const attention = {
  attention_f32: kernel(
    `q:f32 k:f32 v:f32 query_start:i32 key_start:i32 first_position:i32 o:f32! lse:f32! ${forwardWords}`,
    (
      q,
      k,
      v,
      queryStart,
      keyStart,
      firstPosition,
      o,
      lse,
      B,
      maxQueries,
      T,
      S,
      Hq,
      Hkv,
      Dk,
      Dv,
      qRow,
      qHead,
      kRow,
      kHead,
      vRow,
      vHead,
      oRow,
      oHead,
      causal,
      scale,
    ) => {
      for (const s of sequences(queryStart, keyStart, firstPosition, [B, maxQueries, T, S, causal]))
        for (let i = 0; i < s.queries; i++)
          for (let h = 0; h < Hq; h++) {
            const kv = Math.floor(h / (Hq / Hkv));
            const keys = causal ? s.first + i + 1 : s.keys;
            const t = s.query + i;
            const scores = Array.from(
              { length: keys },
              (_, j) => scale * dot(q, t * qRow + h * qHead, k, (s.key + j) * kRow + kv * kHead, Dk),
            );
            const max = Math.max(...scores);
            const weights = scores.map((x) => Math.exp(x - max));
            const sum = weights.reduce((a, b) => a + b, 0);
            if (lse.length > 0) lse[t * Hq + h] = keys === 0 ? Number.NEGATIVE_INFINITY : max + Math.log(sum);
            for (let c = 0; c < Dv; c++) {
              let total = 0;
              for (let j = 0; j < keys; j++)
                total += (weights[j] as number) * (v[(s.key + j) * vRow + kv * vHead + c] as number);
              o[t * oRow + h * oHead + c] = keys === 0 ? 0 : total / sum;
            }
          }
    },
  ),
};

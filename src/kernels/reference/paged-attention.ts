// Attention over the paged cache, defined: softmax(scale * q k^T) v, causal, keys and values read from records.
//
// Sequence b owns queries query_start[b] to query_start[b + 1] of q [T, Hq, Dk]: the last of its lengths[b] tokens, so
// query i of n sees keys up to lengths[b] - n + i, itself, and the last `window` of them where that is not 0. Key head
// g = floor(h / (Hq / Hkv)) of a record stands at k_offset + g * k_head, its values at v_offset + g * v_head (absorbed
// MLA: one head, values are the front of the key). Queries are rounded to bf16 unless the pool is f32. out [T, Hq, Dv];
// rows of no sequence are zeros. `partial` is a workspace (pagedAttentionWorkspaceBytes) or absent; it changes no bit,
// only how the work is split over threads.
import { fromBf16, toBf16 } from '../dtype.ts';
import { KernelFault, kernel } from '../kernel.ts';
import { blockTokens, poolFormat } from '../sizes.ts';
import { numbersIn } from './formats.ts';
import { findSlot, readRecord } from './paged.ts';

interface Heads {
  readonly Hq: number;
  readonly Hkv: number;
  readonly Dk: number;
  readonly Dv: number;
  readonly kOffset: number;
  readonly kHead: number;
  readonly vOffset: number;
  readonly vHead: number;
  readonly scale: number;
}

/** One query token q [Hq, Dk] over the records of the keys that it sees; writes out [Hq, Dv]. */
function attend(q: Float32Array, records: readonly Float32Array[], out: Float32Array, heads: Heads): void {
  const { Hq, Hkv, Dk, Dv, kOffset, kHead, vOffset, vHead, scale } = heads;
  for (let h = 0; h < Hq; h++) {
    const g = Math.floor((h * Hkv) / Hq);
    const scores = records.map((record) => {
      let dot = 0;
      for (let d = 0; d < Dk; d++) dot += q[h * Dk + d] * record[kOffset + g * kHead + d];
      return scale * dot;
    });
    const top = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - top));
    const sum = weights.reduce((a, b) => a + b, 0);
    for (let d = 0; d < Dv; d++) {
      let value = 0;
      for (const [j, record] of records.entries()) value += weights[j] * record[vOffset + g * vHead + d];
      out[h * Dv + d] = value / sum;
    }
  }
}

const sizes = 'B:int T:int max_queries:int max_blocks:int Hq:int Hkv:int Dk:int Dv:int';
const places = 'q_type:int k_offset:int k_head:int v_offset:int v_head:int window:int scale:float';
const layout = 'blocks:int width:int codes:int tile:int format:int';

export const pagedAttention = {
  paged_attention: kernel(
    `q:any pool:u8 tables:i32 lengths:i32 query_start:i32 partial:f32! out:f32! ${sizes} ${places} ${layout}`,
    (q, pool, tables, lengths, queryStart, _partial, out, B, T, maxQueries, maxBlocks, ...rest) => {
      const [
        Hq,
        Hkv,
        Dk,
        Dv,
        qType,
        kOffset,
        kHead,
        vOffset,
        vHead,
        window,
        scale,
        blocks,
        width,
        codes,
        tile,
        format,
      ] = rest;
      const heads = { Hq, Hkv, Dk, Dv, kOffset, kHead, vOffset, vHead, scale };
      const queries = numbersIn(q, qType);
      out.fill(0, 0, T * Hq * Dv);
      for (let b = 0; b < B; b++) {
        const query = queryStart[b];
        const end = queryStart[b + 1];
        const length = lengths[b];
        if (query < 0) throw new KernelFault('badOffsets', b, query, T);
        if (end < query || end > T || end - query > maxQueries) throw new KernelFault('badOffsets', b + 1, end, T);
        if (end === query) continue;
        if (length < end - query || length > maxBlocks * blockTokens)
          throw new KernelFault('badOffsets', b, length, maxBlocks * blockTokens);
        const records = Array.from({ length }, (_, j) =>
          readRecord(pool, findSlot(tables, b, j, maxBlocks, blocks), { width, codes, tile, format }),
        );
        for (let t = query; t < end; t++) {
          const row = Float32Array.from({ length: Hq * Dk }, (_, i) => queries.get(t * Hq * Dk + i));
          if (format !== poolFormat.f32)
            row.forEach((x, i) => {
              row[i] = fromBf16(toBf16(x));
            });
          const seen = length - end + t + 1;
          const first = window > 0 ? Math.max(0, seen - window) : 0;
          attend(row, records.slice(first, seen), out.subarray(t * Hq * Dv, (t + 1) * Hq * Dv), heads);
        }
      }
    },
  ),
};

// From logits to tokens, defined: the draw of each row, its best tokens, the log-probability of given ones.
//
// A draw: edits first (penalties, biases: l' = (l > 0 ? l / scale : l * scale) + add), then temperature 0 takes the
// largest, else softmax(l' / temperature) keeps the top_k most probable, of these the fewest that sum to top_p of their
// mass, of these those of at least min_p times the largest probability; then the first id, ascending, at which the sum
// of what is kept exceeds draw times the whole. Equal probabilities count in ascending order of ids. Log-probabilities
// are those of the logits as they came. Order of the filters: transformers' and vLLM's.
import { KernelFault, kernel } from '../kernel.ts';

function rowOf(logits: Float32Array, r: number, V: number): Float32Array {
  const row = logits.subarray(r * V, (r + 1) * V);
  const bad = row.findIndex((x) => Number.isNaN(x));
  if (bad >= 0) throw new KernelFault('notFinite', r * V + bad, 0, 0);
  return row;
}

function logSumExp(row: Float32Array): number {
  const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return top + Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0));
}

/** Ids by descending value, equal ones ascending. */
function descending(values: ArrayLike<number>, ids: readonly number[]): number[] {
  return [...ids].sort((a, b) => (values[b] as number) - (values[a] as number) || a - b);
}

interface Settings {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly draw: number;
}

function drawn(logits: Float32Array, { temperature, topK, topP, minP, draw }: Settings): number {
  const all = Array.from(logits, (_, i) => i);
  const best = descending(logits, all)[0] as number;
  if (temperature === 0) return best;
  const top = logits[best] as number;
  if (!Number.isFinite(top)) return best;
  const p = logits.map((x) => Math.exp((x - top) / temperature));
  /** Of probabilities, up to each id. */
  const sums = (ids: readonly number[]) => {
    let sum = 0;
    return ids.map((id) => {
      sum += p[id] as number;
      return sum;
    });
  };
  const mass = (ids: readonly number[]) => sums(ids).at(-1) ?? 0;
  let kept = descending(p, all);
  if (topK > 0) kept = kept.slice(0, topK);
  if (topP < 1) {
    const limit = topP * mass(kept);
    const last = sums(kept).findIndex((sum) => sum >= limit);
    kept = kept.slice(0, last < 0 ? kept.length : last + 1);
  }
  kept = kept.filter((id) => (p[id] as number) >= minP).sort((a, b) => a - b);
  const target = draw * mass(kept);
  const place = sums(kept).findIndex((sum) => sum > target);
  return kept.at(place) as number; // the last where rounding leaves none
}

export const sampling = {
  // edit_start [R + 1]; settings [R, 5]: temperature, top_k, top_p, min_p, draw; work [R, 3 V] is scratch.
  sample_tokens: kernel(
    'logits:f32 settings:f32 edit_start:i32 edit_ids:i32 edit_scales:f32 edit_adds:f32 work:f32! tokens:i32! logprobs:f32! R:int V:int M:int',
    (logits, settings, start, ids, scales, adds, _work, tokens, logprobs, R, V, M) => {
      for (let r = 0; r < R; r++) {
        const row = rowOf(logits, r, V);
        const edited = row.slice();
        const [from, to] = [start[r], start[r + 1]];
        if (from < 0 || to < from || to > M) throw new KernelFault('badOffsets', r + 1, to, M);
        for (let e = from; e < to; e++) {
          const id = ids[e];
          if (id < 0 || id >= V) throw new KernelFault('indexOutOfRange', e, id, V);
          edited[id] = (edited[id] > 0 ? edited[id] / scales[e] : edited[id] * scales[e]) + adds[e];
        }
        const [temperature, topK, topP, minP, draw] = settings.subarray(5 * r, 5 * r + 5);
        const token = drawn(edited, { temperature, topK, topP, minP, draw });
        tokens[r] = token;
        logprobs[r] = row[token] - logSumExp(row);
      }
    },
  ),

  top_logprobs: kernel('logits:f32 ids:i32! logprobs:f32! R:int V:int N:int', (logits, ids, logprobs, R, V, N) => {
    for (let r = 0; r < R; r++) {
      const row = rowOf(logits, r, V);
      const sum = logSumExp(row);
      const best = descending(
        row,
        Array.from(row, (_, i) => i),
      ).slice(0, N);
      for (let i = 0; i < N; i++) {
        ids[r * N + i] = best[i];
        logprobs[r * N + i] = row[best[i]] - sum;
      }
    }
  }),

  target_logprobs: kernel('logits:f32 targets:i32 logprobs:f32! R:int V:int', (logits, targets, logprobs, R, V) => {
    for (let r = 0; r < R; r++) {
      const row = rowOf(logits, r, V);
      if (targets[r] < 0 || targets[r] >= V) throw new KernelFault('indexOutOfRange', r, targets[r], V);
      logprobs[r] = row[targets[r]] - logSumExp(row);
    }
  }),
};

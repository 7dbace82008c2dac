// The expert router of DeepSeek-V2 and V3, defined in FP32 (every score, choice and group rank is rounded to f32, so
// that the selection is a fact and not a rounding accident), with its gradient, load counts and balance loss.
// Source: DeepSeek-V3 report section 2.1.2, eq. 12 to 20; masked groups are minus infinity as in the released Gate.
import { KernelFault, kernel } from '../kernel.ts';

const { fround } = Math;
const tiny = fround(1e-20);
const lowest = -fround(3.4028234663852886e38); // what a choice is at least, so that only the masked are below

/** Positions of the k largest, descending; of equals the lowest position first. */
function largest(values: ArrayLike<number>, k: number): number[] {
  const positions = Array.from(values, (_, i) => i);
  return positions.sort((a, b) => values[b] - values[a] || a - b).slice(0, k);
}

function computeScores(logits: Float32Array, softmax: boolean): Float32Array {
  if (!softmax) return logits.map((x) => 1 / (1 + Math.exp(-x)));
  const top = Math.max(...logits);
  const exps = Float64Array.from(logits, (x) => Math.exp(x - top));
  const sum = exps.reduce((a, b) => a + b, 0);
  return Float32Array.from(exps, (e) => e / sum);
}

/** Sets the choices of all but the best groups to minus infinity. */
function maskGroups(choice: Float32Array, groups: number, topGroups: number, groupBest: number): void {
  const size = choice.length / groups;
  const ranks = Array.from({ length: groups }, (_, g) => {
    const best = Float32Array.from(choice.subarray(g * size, (g + 1) * size))
      .sort()
      .reverse();
    return Math.max(
      lowest,
      best.slice(0, groupBest).reduce((a, b) => fround(a + b), 0),
    );
  });
  const kept = new Set(largest(ranks, topGroups));
  for (let e = 0; e < choice.length; e++) if (!kept.has(Math.floor(e / size))) choice[e] = Number.NEGATIVE_INFINITY;
}

function checkIndices(indices: Int32Array, from: number, to: number, E: number): void {
  for (let i = from; i < to; i++)
    if (indices[i] < 0 || indices[i] >= E) throw new KernelFault('indexOutOfRange', i, indices[i], E);
}

function checkFinite(logits: Float32Array, bias: Float32Array, T: number, E: number): void {
  for (let i = 0; i < T * E; i++)
    if (!Number.isFinite(logits[i]) || Number.isNaN(bias[i % E] ?? 0)) throw new KernelFault('notFinite', i, 0, 0);
}

function sequence(offsets: Int32Array, b: number, T: number): { from: number; to: number; tokens: number } {
  const from = offsets[b];
  const to = offsets[b + 1];
  if (from < 0 || to < from || to > T) throw new KernelFault('badOffsets', b + 1, to, T);
  return { from, to, tokens: to - from };
}

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);

const backwardWords = 'T:int E:int K:int softmax:int normalize:int scale:float';
const routerWords = 'T:int E:int K:int groups:int top_groups:int group_best:int softmax:int normalize:int scale:float';

export const router = {
  router_f32: kernel(
    `logits:f32 bias:f32 indices:i32! weights:f32! scores:f32! ${routerWords}`,
    (logits, bias, indices, weights, scores, T, E, K, groups, topGroups, groupBest, softmax, normalize, scale) => {
      checkFinite(logits, bias, T, E);
      for (let t = 0; t < T; t++) {
        const s = computeScores(logits.slice(t * E, (t + 1) * E), softmax !== 0);
        const choice = s.map((score, e) => Math.max(lowest, score + (bias[e] ?? 0)));
        maskGroups(choice, groups, topGroups, groupBest);
        const chosen = largest(choice, K);
        const total = normalize ? sum(chosen.map((e) => s[e])) + tiny : 1;
        chosen.forEach((e, k) => {
          indices[t * K + k] = e;
          weights[t * K + k] = (s[e] / total) * scale;
        });
        if (scores.length > 0) scores.set(s, t * E);
      }
    },
  ),

  router_backward_f32: kernel(
    `scores:f32 indices:i32 dweights:f32 dscores:f32 dlogits:f32! ${backwardWords}`,
    (scores, indices, dweights, dscores, dlogits, T, E, K, softmax, normalize, scale) => {
      for (let t = 0; t < T; t++) {
        checkIndices(indices, t * K, (t + 1) * K, E);
        const s = scores.subarray(t * E, (t + 1) * E);
        const chosen = indices.subarray(t * K, (t + 1) * K);
        const dw = dweights.subarray(t * K, (t + 1) * K);
        const total = sum(Array.from(chosen, (e) => s[e])) + tiny;
        const mean = sum(Array.from(chosen, (e, k) => s[e] * dw[k])) / total;
        const ds = Float64Array.from({ length: E }, (_, e) => dscores[t * E + e] ?? 0);
        chosen.forEach((e, k) => {
          ds[e] += normalize ? (scale * (dw[k] - mean)) / total : scale * dw[k];
        });
        const dot = sum(ds.map((d, e) => d * s[e]));
        ds.forEach((d, e) => {
          dlogits[t * E + e] = softmax ? s[e] * (d - dot) : d * s[e] * (1 - s[e]);
        });
      }
    },
  ),

  expert_counts: kernel('indices:i32 counts:i32! n:int E:int accumulate:int', (indices, counts, n, E, accumulate) => {
    checkIndices(indices, 0, n, E);
    if (!accumulate) counts.fill(0, 0, E);
    for (let i = 0; i < n; i++) counts[indices[i]]++;
  }),

  balance_bias: kernel('bias:f32! counts:i32 rate:f32 E:int', (bias, counts, rate, E) => {
    const total = sum(counts.subarray(0, E));
    for (let e = 0; e < E; e++) {
      const load = counts[e] * E;
      if (load !== total) bias[e] += load < total ? rate[0] : -rate[0];
    }
  }),

  balance_loss_f32: kernel(
    'scores:f32 indices:i32 offsets:i32 fraction:f32! loss:f32! B:int T:int E:int K:int alpha:float',
    (scores, indices, offsets, fraction, loss, B, T, E, K, alpha) => {
      for (let b = 0; b < B; b++) {
        const { from, to, tokens } = sequence(offsets, b, T);
        checkIndices(indices, from * K, to * K, E);
        const chosen = new Float64Array(E); // tokens that chose each expert
        for (let i = from * K; i < to * K; i++) chosen[indices[i]]++;
        const share = new Float64Array(E); // sum over tokens of s_i / sum(s)
        for (let t = from; t < to; t++) {
          const s = scores.subarray(t * E, (t + 1) * E);
          const total = sum(s) + tiny;
          s.forEach((score, e) => {
            share[e] += score / total;
          });
        }
        const f = chosen.map((count) => (tokens === 0 ? 0 : (E / (K * tokens)) * count));
        fraction.set(f, b * E);
        loss[b] = tokens === 0 ? 0 : alpha * sum(f.map((x, e) => (x * share[e]) / tokens));
      }
    },
  ),

  balance_loss_backward_f32: kernel(
    'scores:f32 offsets:i32 fraction:f32 grad:f32 dscores:f32! B:int T:int E:int alpha:float',
    (scores, offsets, fraction, grad, dscores, B, T, E, alpha) => {
      dscores.fill(0, 0, T * E);
      for (let b = 0; b < B; b++) {
        const { from, to, tokens } = sequence(offsets, b, T);
        const f = fraction.subarray(b * E, (b + 1) * E);
        for (let t = from; t < to; t++) {
          const s = scores.subarray(t * E, (t + 1) * E);
          const total = sum(s) + tiny;
          const mean = sum(Float64Array.from(s, (score, e) => score * f[e])) / total;
          for (let e = 0; e < E; e++) dscores[t * E + e] = (grad[b] * (alpha / tokens) * (f[e] - mean)) / total;
        }
      }
    },
  ),
};

// From logits to tokens, defined. For each row of logits [R, V]:
//   1. edits, in order: l' = (l > 0 ? l / factor : l * factor) + offset, in f32; -Infinity for ids banned in every row,
//      and for those whose bit is 0 in the row's mask: bit i % 32 of masks[maskRows[r], i / 32]; maskRows -1: no mask
//   2. temperature 0 (or less): the largest l', of equals the lowest id. Otherwise p = softmax(l' / T), cut by
//   3. top-k: the k largest (0: all), then 4. top-p: the fewest of these that hold topP of their sum, at least one;
//   5. min-p: those with at least minP times the probability of the likeliest
//   6. of the tokens that remain, in ascending id, the first whose running sum exceeds draw times the whole.
// The order of the cuts is that of Hugging Face transformers; equals are taken by lowest id. Tokens of +Infinity share
// all probability; where every token is banned, none is. The log-probability is that of the raw logits. settings [R, 5]
// are temperature, topK, topP, minP, draw. `workspace` (samplingWorkspaceBytes) or absent: it changes no bit.
import { KernelFault, kernel } from '../kernel.ts';

const { fround } = Math;

export interface Settings {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly draw: number;
}

/** Ids from the largest logit down; of equals the lowest first. */
function ranked(logits: Float32Array): number[] {
  const at = (id: number) => logits[id];
  return Array.from(logits, (_, id) => id).sort((a, b) => (at(a) === at(b) ? a - b : at(b) - at(a)));
}

/** What the cuts leave, in ascending id, with its weights: exp((l - top) / T). */
export function survivors(logits: Float32Array, { temperature, topK, topP, minP }: Settings): [number, number][] {
  const order = ranked(logits);
  const top = logits[order[0]];
  const heat = Math.min(temperature, 1e30);
  const weigh = (id: number): [number, number] => {
    const logit = logits[id];
    return [id, logit === top ? 1 : Math.exp((logit - top) / heat)];
  };
  const k = topK >= 1 ? Math.floor(topK) : order.length;
  const largest = order.slice(0, k).map(weigh);
  const target = topP * largest.reduce((sum, [, weight]) => sum + weight, 0);
  let sum = 0;
  const nucleus = largest.filter(([, weight], rank) => {
    const isNeeded = topP >= 1 || rank === 0 || sum < target;
    sum += weight;
    return isNeeded;
  });
  return nucleus.filter(([, weight]) => !(minP > 0) || weight >= Math.min(minP, 1)).sort(([a], [b]) => a - b);
}

function choose(logits: Float32Array, settings: Settings): number {
  if (!(settings.temperature > 0)) return ranked(logits)[0];
  const candidates = survivors(logits, settings);
  const target = settings.draw * candidates.reduce((sum, [, weight]) => sum + weight, 0);
  let sum = 0;
  let last = 0;
  for (const [id, weight] of candidates) {
    sum += weight;
    if (weight > 0) last = id;
    if (sum > target) return id;
  }
  return last;
}

/** The row's log of the sum of exponentials; refuses NaN, +Infinity, and a row of nothing but -Infinity. */
function computeLogSum(row: Float32Array, r: number): number {
  const top = row.reduce((a, b) => (Number.isNaN(a) || b > a ? b : a), Number.NEGATIVE_INFINITY);
  if (!Number.isFinite(top) || row.some(Number.isNaN)) throw new KernelFault('notFinite', r, 0, 0);
  return top + Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0));
}

/** Forbids the ids whose bit is 0. */
function applyMask(logits: Float32Array, words: Int32Array): void {
  for (let id = 0; id < logits.length; id++)
    if (((words[id >> 5] >>> (id & 31)) & 1) === 0) logits[id] = Number.NEGATIVE_INFINITY;
}

const edits = 'starts:i32 ids:i32 factors:f32 offsets:f32';
const given = 'maskRows:i32 masks:i32 workspace:f32!';
const sizes = 'R:int V:int M:int N:int K:int';

export const sampling = {
  sample_tokens: kernel(
    `logits:f32 settings:f32 ${edits} banned:i32 ${given} tokens:i32! logprobs:f32! ${sizes}`,
    (
      logits,
      settings,
      starts,
      ids,
      factors,
      offsets,
      banned,
      maskRows,
      masks,
      _workspace,
      tokens,
      logprobs,
      R,
      V,
      M,
      N,
      K,
    ) => {
      const never = banned.subarray(0, N);
      never.forEach((id, i) => {
        if (id < 0 || id >= V) throw new KernelFault('indexOutOfRange', i, id, V);
      });
      for (let r = 0; r < R; r++) {
        const [from, to] = [starts[r], starts[r + 1]] as [number, number];
        if (from < 0 || to < from || to > M) throw new KernelFault('badOffsets', r + 1, to, M);
        const own = settings.subarray(5 * r, 5 * r + 5);
        if (own.some(Number.isNaN)) throw new KernelFault('notFinite', r, 0, 0);
        const raw = logits.subarray(r * V, (r + 1) * V);
        const whole = computeLogSum(raw, r);
        const edited = raw.slice();
        for (let i = from; i < to; i++) {
          const id = ids[i];
          if (id < 0 || id >= V) throw new KernelFault('indexOutOfRange', i, id, V);
          const [x, factor] = [edited[id], factors[i]] as [number, number];
          edited[id] = fround(x > 0 ? x / factor : x * factor) + offsets[i];
        }
        for (const id of never) edited[id] = Number.NEGATIVE_INFINITY;
        const k = K > 0 ? maskRows[r] : -1;
        if (k >= K) throw new KernelFault('indexOutOfRange', r, k, K);
        if (k >= 0) applyMask(edited, masks.subarray(k * Math.ceil(V / 32), (k + 1) * Math.ceil(V / 32)));
        if (edited.some(Number.isNaN)) throw new KernelFault('notFinite', r, 0, 0);
        const [temperature, topK, topP, minP, draw] = own as unknown as [number, number, number, number, number];
        const token = choose(edited, { temperature, topK, topP, minP, draw });
        tokens[r] = token;
        logprobs[r] = raw[token] - whole;
      }
    },
  ),

  /** The `count` largest logits of each row, best first, of equals the lowest id first: [R, count]. */
  top_logprobs: kernel(
    'logits:f32 workspace:f32! ids:i32! logprobs:f32! R:int V:int count:int',
    (logits, _workspace, ids, logprobs, R, V, count) => {
      for (let r = 0; r < R; r++) {
        const row = logits.subarray(r * V, (r + 1) * V);
        const whole = computeLogSum(row, r);
        for (const [i, id] of ranked(row).slice(0, count).entries()) {
          ids[r * count + i] = id;
          logprobs[r * count + i] = row[id] - whole;
        }
      }
    },
  ),
};

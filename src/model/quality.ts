// How well a model predicts a text, and how far its predictions are from those of the same model in a better format.
import { asyncScope, fromArray, type Tensor } from '../tensor/index.ts';
import { packSequences } from './batch.ts';
import type { Model } from './model.ts';
import { servingPrecision } from './precision.ts';

export interface Quality {
  /** e to the mean loss in nats of the tokens that were predicted. */
  readonly perplexity: number;
  /** The mean of D(best || own) over these tokens, in nats. */
  readonly divergence: number;
  /** The share of these tokens at which both models have the same first choice. */
  readonly agreement: number;
  /** Tokens that were predicted. */
  readonly tokens: number;
}

/** Rows of logits that are read at a time. */
const rowsAtOnce = 64;

/** Replaces logits by their log-probabilities. Returns the index of the largest. */
function normalize(logits: Float32Array): number {
  let first = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[first]) first = i;
  const most = logits[first];
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - most);
  const shift = most + Math.log(sum);
  for (let i = 0; i < logits.length; i++) logits[i] -= shift;
  return first;
}

function divergenceFrom(best: Float32Array, own: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < best.length; i++) sum += Math.exp(best[i]) * (best[i] - own[i]);
  return sum;
}

/**
 * Measures a model that serves on windows of token ids, each of which it reads from its beginning; the first token of a
 * window is given. `best` may be the model itself.
 */
export async function measureQuality(
  model: Model,
  best: Model,
  windows: readonly (readonly number[])[],
): Promise<Quality> {
  const total = { loss: 0, divergence: 0, agreed: 0, tokens: 0 };
  const V = model.config.vocabSize;
  const policy = servingPrecision;
  for (const ids of windows)
    await asyncScope(async (inside) => {
      const forward = (each: Model) => inside(() => each.forward(packSequences([ids]), { policy }).out);
      const own = forward(model);
      const other = best === model ? own : forward(best);
      const read = async (each: Model, hidden: Tensor, rows: Int32Array) => {
        const logits = asyncScope((within) =>
          within(() => each.logits(hidden, fromArray(rows, [rows.length]), policy)).read(),
        );
        return (await logits) as Float32Array;
      };
      for (let start = 0; start < ids.length - 1; start += rowsAtOnce) {
        const length = Math.min(rowsAtOnce, ids.length - 1 - start);
        const rows = Int32Array.from({ length }, (_, i) => start + i);
        const logits = await read(model, own, rows);
        const reference = best === model ? logits : await read(best, other, rows);
        for (let i = 0; i < length; i++) {
          const [a, b] = [logits, reference].map((all) => all.subarray(i * V, (i + 1) * V)) as [
            Float32Array,
            Float32Array,
          ];
          const first = normalize(a);
          const isSame = best === model || normalize(b) === first;
          total.loss -= a[ids[start + i + 1]];
          if (best !== model) total.divergence += divergenceFrom(b, a);
          total.agreed += isSame ? 1 : 0;
          total.tokens++;
        }
      }
    });
  const { loss, divergence, agreed, tokens } = total;
  return {
    perplexity: Math.exp(loss / tokens),
    divergence: divergence / tokens,
    agreement: agreed / tokens,
    tokens,
  };
}

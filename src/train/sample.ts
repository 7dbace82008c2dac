// Samples during training: the model continues a prompt, a token at a time.
//
// Plain sampling at a temperature over a cache of one sequence; the engine does this fast for many.
import { uniformAt } from '../math/index.ts';
import { ContiguousCache, type Model, type PrecisionPolicy, packSequences } from '../model/index.ts';
import { asyncScope } from '../tensor/index.ts';

export interface SampleOptions {
  readonly policy: PrecisionPolicy;
  readonly tokens: number;
  readonly seed: number;
  /** @default 0.8 */
  readonly temperature?: number;
  /** Ends the sample. */
  readonly endId: number | null;
  readonly signal?: AbortSignal;
}

function sampleToken(logits: Float32Array, temperature: number, point: number): number {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const weights = logits.map((x) => Math.exp((x - largest) / temperature));
  let left = point * weights.reduce((sum, w) => sum + w, 0);
  for (const [id, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return id;
  }
  return weights.length - 1;
}

/** Samples the ids that follow `prompt`, which is at least one id. Rejects when the signal aborts. */
export async function sampleIds(model: Model, prompt: ArrayLike<number>, options: SampleOptions): Promise<number[]> {
  const { policy, tokens, seed, temperature = 0.8, endId, signal } = options;
  const { device } = model.embedTokens;
  const cache = new ContiguousCache(model.config, prompt.length + tokens, { device });
  const sampled: number[] = [];
  try {
    let next: ArrayLike<number> = prompt;
    while (sampled.length < tokens) {
      signal?.throwIfAborted();
      const logits = await asyncScope(async (inside) => {
        const rows = inside(() => {
          const batch = packSequences([next], [cache.length], device);
          const { out } = model.forward(batch, { policy, cache });
          return model.logits(out, undefined, policy);
        });
        const all = (await rows.read()) as Float32Array;
        return all.slice(-rows.shape[1]);
      });
      cache.advance(next.length);
      const id = sampleToken(logits, temperature, uniformAt(seed, sampled.length));
      if (id === endId) break;
      sampled.push(id);
      next = [id];
    }
  } finally {
    cache.dispose();
  }
  return sampled;
}

// Grouped-query attention with the rotary embedding of halves: Llama, Qwen, and their relatives.
//
// Sources: transformers' modeling_llama.py, modeling_qwen3.py (norms of heads), modeling_phi3.py (partial rotation).
// Shape letters: T tokens, S tokens with the cached ones, D hidden, H query heads, G key heads, N head width.
import {
  addRow,
  cast,
  concat,
  concatRows,
  linear,
  type RopeTensors,
  reshape,
  rmsNorm,
  rope,
  split,
  type Tensor,
  type Weight,
  writeCache,
} from '../tensor/index.ts';
import type { Gqa } from './architecture/index.ts';
import type { Batch } from './batch.ts';
import type { AttentionOptions } from './block.ts';
import type { AttentionMask, HeadRows } from './cache.ts';
import type { GqaConfig } from './config.ts';
import type { PrecisionPolicy } from './precision.ts';
import type { Weights } from './weights.ts';

/** One or several linear maps of the same input, with or without biases; their outputs lie side by side. */
class Projection {
  /** [out, in] each */
  readonly weights: readonly Weight[];
  /** [out] each, or none */
  readonly biases: readonly Tensor[];

  constructor(parts: readonly Weights[]) {
    this.weights = parts.map((part) => part.matrix('weight'));
    this.biases = parts.flatMap((part) => part.find('bias') ?? []);
  }

  forward(x: Tensor, { linear: precision }: PrecisionPolicy, out: 'f32' | 'bf16'): Tensor {
    if (this.biases.length === 0) return linear(x, this.weights, { precision, out });
    return cast(addRow(linear(x, this.weights, { precision, out: 'f32' }), concatRows(this.biases)), out);
  }
}

/** Queries [T, H, N] and keys [T, G, N], normed and turned, and values [T, G N]. */
interface Projected {
  readonly q: Tensor;
  readonly keys: Tensor;
  readonly values: Tensor;
}

export class GroupedQueryAttention {
  /** Queries [H N, D], keys and values [G N, D], or fused as one. */
  readonly qkvProj: Projection;
  /** [D, H N] */
  readonly oProj: Projection;
  /** [N] each, null where heads are not normed. */
  readonly norms: { readonly q: Tensor; readonly k: Tensor } | null;
  readonly #config: GqaConfig;
  readonly #mask: AttentionMask;
  readonly #layer: number;

  constructor(config: GqaConfig, { qkNorm, scale }: Gqa, window: number | null, weights: Weights, layer: number) {
    this.#config = config;
    this.#mask = { scale, window };
    this.#layer = layer;
    const names = weights.findMatrix('qkv_proj.weight') ? ['qkv_proj'] : ['q_proj', 'k_proj', 'v_proj'];
    this.qkvProj = new Projection(names.map((name) => weights.at(name)));
    this.oProj = new Projection([weights.at('o_proj')]);
    this.norms = qkNorm ? { q: weights.take('q_norm.weight'), k: weights.take('k_norm.weight') } : null;
  }

  /** x [T, D] to [T, D]. A row of the cache is [keys | values], 2 G N wide. `table`: null where nothing is turned. */
  forward(x: Tensor, batch: Batch, table: RopeTensors | null, { policy, cache }: AttentionOptions): Tensor {
    const { numAttentionHeads: H, numKeyValueHeads: G, headDim: N } = this.#config;
    const T = x.shape[0];
    const { q, keys, values } = this.#project(x, batch, table, policy);
    const rows = () => concat([reshape(keys, [T, G * N]), values]);
    const layout = { keyHeads: G, keyWidth: N, valueWidth: N, valueOffset: G * N };
    const heads = cache.attend(this.#layer, q, {
      sequences: batch.sequences,
      mask: this.#mask,
      rows,
      write: (pool, slots) => writeCache(pool, rows(), slots),
      heads: () => ({ keys, values: reshape(values, [T, G, N]) }),
      expand: (all) => this.#expand(cast(all, policy.attention)),
      absorb: (own, attend) => attend(own, layout),
    });
    return this.oProj.forward(reshape(heads, [T, H * N]), policy, policy.activations);
  }

  #project(x: Tensor, { positions }: Batch, table: RopeTensors | null, policy: PrecisionPolicy): Projected {
    const { numAttentionHeads: H, numKeyValueHeads: G, headDim: N } = this.#config;
    const T = x.shape[0];
    const { attention } = policy;
    const whole = this.qkvProj.forward(x, policy, this.norms ? 'f32' : attention);
    const [queries, ownKeys, values] = split(whole, [H * N, G * N, G * N]) as [Tensor, Tensor, Tensor];
    const heads = (part: Tensor, count: number, gain: Tensor | undefined) => {
      const apart = reshape(part, [T, count, N]);
      const normed = gain ? rmsNorm(apart, gain, this.#config.rmsNormEps, attention) : apart;
      return table ? rope(normed, positions, table, true) : normed;
    };
    const [q, keys] = [heads(queries, H, this.norms?.q), heads(ownKeys, G, this.norms?.k)];
    return { q, keys, values: cast(values, attention) };
  }

  /** Splits rows [S, 2 G N] into keys and values [S, G, N]. */
  #expand(rows: Tensor): HeadRows {
    const { numKeyValueHeads: G, headDim: N } = this.#config;
    const [keys, values] = split(rows, [G * N, G * N]).map((half) => reshape(half, [rows.shape[0], G, N]));
    return { keys, values };
  }
}

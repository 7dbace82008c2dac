// The dense students: Llama and Qwen2, GQA with the rotary embedding of halves.
//
// The same interface as Deepseek (decoder.ts). Sources: transformers' modeling_llama.py and modeling_qwen2.py. Left
// out: sliding windows. Shape letters: T tokens, S tokens with the cached ones, D hidden, H query heads, G key heads, N
// head width.
import {
  addRow,
  cast,
  concat,
  concatRows,
  crossEntropy,
  linear,
  type RopeTensors,
  reshape,
  rope,
  split,
  type Tensor,
  type Weight,
  writeCache,
} from '../tensor/index.ts';
import type { Batch, TrainingBatch } from './batch.ts';
import { type AttentionOptions, Block } from './block.ts';
import type { HeadRows } from './cache.ts';
import type { DenseConfig } from './config.ts';
import { Decoder, type ModelLosses } from './decoder.ts';
import { Mlp } from './mlp.ts';
import { type PrecisionPolicy, precisions } from './precision.ts';
import { softmaxScale } from './rope.ts';
import type { ModelWeights, Weights } from './weights.ts';

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

  /** @default out: the format of x */
  forward(x: Tensor, { linear: precision }: PrecisionPolicy, out = x.dtype as 'f32' | 'bf16'): Tensor {
    if (this.biases.length === 0) return linear(x, this.weights, { precision, out });
    return cast(addRow(linear(x, this.weights, { precision, out: 'f32' }), concatRows(this.biases)), out);
  }
}

export class GroupedQueryAttention {
  /** Queries [H N, D], keys and values [G N, D], or fused as one. */
  readonly qkvProj: Projection;
  /** [D, H N] */
  readonly oProj: Projection;
  readonly #config: DenseConfig;
  readonly #layer: number;

  constructor(config: DenseConfig, weights: Weights, layer: number) {
    this.#config = config;
    this.#layer = layer;
    const names = weights.findMatrix('qkv_proj.weight') ? ['qkv_proj'] : ['q_proj', 'k_proj', 'v_proj'];
    this.qkvProj = new Projection(names.map((name) => weights.at(name)));
    this.oProj = new Projection([weights.at('o_proj')]);
  }

  /** x [T, D] to [T, D]. A row of the cache is [rotated keys | values], 2 G N wide. */
  forward(x: Tensor, { positions, sequences }: Batch, table: RopeTensors, { policy, cache }: AttentionOptions): Tensor {
    const { numAttentionHeads: H, numKeyValueHeads: G, headDim: N } = this.#config;
    const T = x.shape[0];
    const [queries, ownKeys, ownValues] = this.#project(x, policy);
    const q = rope(reshape(queries, [T, H, N]), positions, table, true);
    const keys = rope(reshape(ownKeys, [T, G, N]), positions, table, true);
    const rows = () => concat([reshape(keys, [T, G * N]), ownValues]);
    const layout = { keyHeads: G, keyWidth: N, valueWidth: N, valueOffset: G * N };
    const heads = cache.attend(this.#layer, q, {
      sequences,
      scale: softmaxScale(this.#config),
      rows,
      write: (pool, slots) => writeCache(pool, rows(), slots),
      heads: () => ({ keys, values: reshape(ownValues, [T, G, N]) }),
      expand: (all) => this.#expand(cast(all, policy.attention)),
      absorb: (own, attend) => attend(own, layout),
    });
    return this.oProj.forward(reshape(heads, [T, H * N]), policy, policy.activations);
  }

  #project(x: Tensor, policy: PrecisionPolicy): [queries: Tensor, keys: Tensor, values: Tensor] {
    const { numAttentionHeads: H, numKeyValueHeads: G, headDim: N } = this.#config;
    const whole = this.qkvProj.forward(x, policy, policy.attention);
    return split(whole, [H * N, G * N, G * N]) as [Tensor, Tensor, Tensor];
  }

  /** Splits rows [S, 2 G N] into keys and values [S, G, N]. */
  #expand(rows: Tensor): HeadRows {
    const { numKeyValueHeads: G, headDim: N } = this.#config;
    const [keys, values] = split(rows, [G * N, G * N]).map((half) => reshape(half, [rows.shape[0], G, N]));
    return { keys, values };
  }
}

export class Dense extends Decoder<DenseConfig> {
  /** `weights` stay the caller's. `context`: the longest sequence. @default context: maxPositionEmbeddings */
  constructor(config: DenseConfig, weights: ModelWeights, context: number = config.maxPositionEmbeddings) {
    super(config, weights, context, (layer, i) => {
      const attention = new GroupedQueryAttention(config, layer.at('self_attn'), i);
      return new Block(config.rmsNormEps, layer, attention, new Mlp(layer.at('mlp')));
    });
  }

  loss(batch: TrainingBatch, policy: PrecisionPolicy = precisions.f32): ModelLosses {
    const { out } = this.forward(batch, { policy });
    const main = crossEntropy(out, this.unpackedHead, batch.targets, { precision: policy.head, count: batch.count });
    return { main, balance: null, mtp: [], routings: [] };
  }
}

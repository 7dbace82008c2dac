// The dense students: Llama and Qwen2, GQA with the rotary embedding of halves.
//
// The same face as Deepseek (decoder.ts). Sources: transformers' modeling_llama.py and modeling_qwen2.py. Left out:
// sliding windows. Shape letters: T tokens, D hidden, H query heads, G key heads, N head width.
import {
  addRow,
  attention,
  concat,
  crossEntropy,
  linear,
  type Precision,
  type RopeTensors,
  reshape,
  rope,
  type Sequences,
  split,
  type Tensor,
  type Weight,
} from '../tensor/index.ts';
import type { Batch, TrainingBatch } from './batch.ts';
import { type AttentionOptions, Block } from './block.ts';
import type { Cache } from './cache.ts';
import type { DenseConfig } from './config.ts';
import { Decoder, type ModelLosses } from './decoder.ts';
import { Mlp } from './mlp.ts';
import { type PrecisionPolicy, precisions } from './precision.ts';
import { softmaxScale } from './rope.ts';
import type { ModelWeights, Weights } from './weights.ts';

/** A linear map with or without bias. */
class Projection {
  /** [out, in] */
  readonly weight: Weight;
  /** [out] */
  readonly bias: Tensor | null;

  constructor(weights: Weights) {
    this.weight = weights.matrix('weight');
    this.bias = weights.find('bias');
  }

  forward(x: Tensor, precision: Precision): Tensor {
    const y = linear(x, this.weight, { precision });
    return this.bias ? addRow(y, this.bias) : y;
  }
}

export class GroupedQueryAttention {
  /** [H N, D], [G N, D] and [G N, D]: queries, keys and values; of a model that serves as one */
  readonly qkvProj: readonly Projection[];
  /** [D, H N] */
  readonly oProj: Projection;
  readonly #config: DenseConfig;
  readonly #layer: number;

  constructor(config: DenseConfig, weights: Weights, layer: number) {
    this.#config = config;
    this.#layer = layer;
    const names = weights.findMatrix('qkv_proj.weight') ? ['qkv_proj'] : ['q_proj', 'k_proj', 'v_proj'];
    this.qkvProj = names.map((name) => new Projection(weights.at(name)));
    this.oProj = new Projection(weights.at('o_proj'));
  }

  /** x [T, D] to [T, D]. The cache holds [rotated keys | values], 2 G N wide. */
  forward(
    x: Tensor,
    { positions, sequences }: Batch,
    table: RopeTensors,
    { precision, cache, form }: AttentionOptions,
  ): Tensor {
    const { numAttentionHeads: H, numKeyValueHeads: G, headDim: N } = this.#config;
    const T = x.shape[0];
    const [flat, ownKeys, ownValues] = this.#project(x, precision);
    const q = rope(reshape(flat, [T, H, N]), positions, table, true);
    const keys = rope(reshape(ownKeys, [T, G, N]), positions, table, true);
    const scale = softmaxScale(this.#config);
    const rows = cache && concat([reshape(keys, [T, G * N]), ownValues]);
    if (rows) cache.store(this.#layer, rows);
    const layout = { keyHeads: G, keyWidth: N, valueWidth: N, valueOffset: G * N, scale };
    const attended = form === 'absorbed' ? cache?.attend?.(this.#layer, q, layout) : null;
    const heads = attended ?? this.#overRows(q, keys, reshape(ownValues, [T, G, N]), sequences, cache);
    return this.oProj.forward(reshape(heads, [T, H * N]), precision); // of [T, H, N]
  }

  #project(x: Tensor, precision: Precision): [queries: Tensor, keys: Tensor, values: Tensor] {
    const { numAttentionHeads: H, numKeyValueHeads: G, headDim: N } = this.#config;
    const parts = this.qkvProj.map((projection) => projection.forward(x, precision));
    return (parts.length === 3 ? parts : split(parts[0], [H * N, G * N, G * N])) as [Tensor, Tensor, Tensor];
  }

  /** Over keys and values [T, G, N] of the batch, or over all that the cache holds. */
  #overRows(q: Tensor, keys: Tensor, values: Tensor, sequences: Sequences, cache?: Cache): Tensor {
    const { numKeyValueHeads: G, headDim: N } = this.#config;
    const options = { scale: softmaxScale(this.#config) };
    if (!cache) return attention(q, keys, values, sequences, options);
    const held = cache.rows(this.#layer, sequences);
    const S = held.rows.shape[0];
    const [all, allValues] = split(held.rows, [G * N, G * N]).map((part) => reshape(part, [S, G, N]));
    return attention(q, all, allValues, held.sequences, options);
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

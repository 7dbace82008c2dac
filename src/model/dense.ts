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
  split,
  type Tensor,
} from '../tensor/index.ts';
import type { Batch, TrainingBatch } from './batch.ts';
import { type AttentionOptions, Block } from './block.ts';
import type { DenseConfig } from './config.ts';
import { Decoder, type Losses } from './decoder.ts';
import { Mlp } from './mlp.ts';
import { type PrecisionPolicy, precisions } from './precision.ts';
import { softmaxScale } from './rope.ts';
import type { WeightMap, Weights } from './weights.ts';

/** A linear map with or without bias. */
class Projection {
  /** [out, in] */
  readonly weight: Tensor;
  /** [out] */
  readonly bias: Tensor | null;

  constructor(weights: Weights) {
    this.weight = weights.take('weight');
    this.bias = weights.find('bias');
  }

  forward(x: Tensor, precision: Precision): Tensor {
    const y = linear(x, this.weight, { precision });
    return this.bias ? addRow(y, this.bias) : y;
  }
}

export class GroupedQueryAttention {
  /** [H N, D] */
  readonly qProj: Projection;
  /** [G N, D] */
  readonly kProj: Projection;
  /** [G N, D] */
  readonly vProj: Projection;
  /** [D, H N] */
  readonly oProj: Projection;
  readonly #config: DenseConfig;
  readonly #layer: number;

  constructor(config: DenseConfig, weights: Weights, layer: number) {
    this.#config = config;
    this.#layer = layer;
    this.qProj = new Projection(weights.at('q_proj'));
    this.kProj = new Projection(weights.at('k_proj'));
    this.vProj = new Projection(weights.at('v_proj'));
    this.oProj = new Projection(weights.at('o_proj'));
  }

  /** x [T, D] to [T, D]. The cache holds [rotated keys | values], 2 G N wide. */
  forward(
    x: Tensor,
    { positions, ...batch }: Batch,
    table: RopeTensors,
    { precision, cache }: AttentionOptions,
  ): Tensor {
    const { numAttentionHeads: H, numKeyValueHeads: G, headDim: N } = this.#config;
    const T = x.shape[0] as number;
    const q = rope(reshape(this.qProj.forward(x, precision), [T, H, N]), positions, table, true);
    let keys = rope(reshape(this.kProj.forward(x, precision), [T, G, N]), positions, table, true);
    let values = reshape(this.vProj.forward(x, precision), [T, G, N]);
    let { sequences } = batch;
    if (cache) {
      const rows = concat([reshape(keys, [T, G * N]), reshape(values, [T, G * N])]);
      const held = cache.extend(this.#layer, rows, sequences);
      const S = held.rows.shape[0] as number;
      [keys, values] = split(held.rows, [G * N, G * N]).map((part) => reshape(part, [S, G, N])) as [Tensor, Tensor];
      sequences = held.sequences;
    }
    const heads = attention(q, keys, values, sequences, { scale: softmaxScale(this.#config) }); // [T, H, N]
    return this.oProj.forward(reshape(heads, [T, H * N]), precision);
  }
}

export class Dense extends Decoder<DenseConfig> {
  /** `weights` stay the caller's. `context`: the longest sequence. @default context: maxPositionEmbeddings */
  constructor(config: DenseConfig, weights: WeightMap, context: number = config.maxPositionEmbeddings) {
    super(config, weights, context, (layer, i) => {
      const attention = new GroupedQueryAttention(config, layer.at('self_attn'), i);
      return new Block(config.rmsNormEps, layer, attention, new Mlp(layer.at('mlp')));
    });
  }

  loss(batch: TrainingBatch, policy: PrecisionPolicy = precisions.f32): Losses {
    const { out } = this.forward(batch, { policy });
    const main = crossEntropy(out, this.lmHead, batch.targets, { precision: policy.head, count: batch.count });
    return { main, balance: null, mtp: [], routings: [] };
  }
}

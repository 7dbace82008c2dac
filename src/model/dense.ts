// The dense students: Llama and Qwen2, GQA with the rotary embedding of halves.
//
// The same face as Deepseek: forward, logits, loss. Tied embeddings serve as head. Sources: transformers'
// modeling_llama.py and modeling_qwen2.py. Left out: sliding windows. Shape letters: T tokens, D hidden, H query heads,
// G key heads, N head width, V vocabulary.
import {
  addRow,
  attention,
  concat,
  crossEntropy,
  embedding,
  linear,
  type Precision,
  type RopeTensors,
  reshape,
  rope,
  split,
  type Tensor,
} from '../tensor/index.ts';
import type { Batch, TrainingBatch } from './batch.ts';
import { Block, normed, type Stream } from './block.ts';
import type { DenseConfig } from './config.ts';
import type { ForwardOptions, Hidden, Losses } from './deepseek.ts';
import type { AttentionOptions } from './mla.ts';
import { Mlp } from './moe.ts';
import { type PrecisionPolicy, precisions } from './precision.ts';
import { ropeOf, softmaxScale } from './rope.ts';
import { checkWeights, type WeightMap, Weights } from './weights.ts';

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

export class Dense {
  readonly config: DenseConfig;
  /** [V, D] */
  readonly embedTokens: Tensor;
  readonly layers: readonly Block[];
  /** [D] */
  readonly norm: Tensor;
  /** [V, D] */
  readonly lmHead: Tensor;
  readonly #table: RopeTensors;

  /** `weights` stay the caller's. `context`: the longest sequence. @default context: maxPositionEmbeddings */
  constructor(config: DenseConfig, weights: WeightMap, context: number = config.maxPositionEmbeddings) {
    checkWeights(config, weights);
    const all = new Weights(weights);
    const model = all.at('model');
    this.config = config;
    this.embedTokens = model.take('embed_tokens.weight');
    this.layers = Array.from({ length: config.numHiddenLayers }, (_, i) => {
      const layer = model.at('layers').at(i);
      const attention = new GroupedQueryAttention(config, layer.at('self_attn'), i);
      return new Block(config.rmsNormEps, layer, attention, new Mlp(layer.at('mlp')));
    });
    this.norm = model.take('norm.weight');
    this.lmHead = all.find('lm_head.weight') ?? this.embedTokens;
    this.#table = ropeOf(config, context, { device: this.embedTokens.device });
  }

  forward(batch: Batch, { policy = precisions.f32, cache }: ForwardOptions = {}): Hidden {
    let stream: Stream = { sum: embedding(batch.ids, this.embedTokens), term: null }; // [T, D]
    for (const layer of this.layers)
      ({ stream } = layer.forward(stream, batch, this.#table, { precision: policy.linear, cache }));
    return { out: normed(stream, this.norm, this.config.rmsNormEps).out, routings: [] };
  }

  /** Logits [R, V] f32 of rows [R] i32 of hidden states; of all rows without. */
  logits(hidden: Tensor, rows?: Tensor, policy: PrecisionPolicy = precisions.f32): Tensor {
    const chosen = rows ? embedding(rows, hidden) : hidden;
    return linear(chosen, this.lmHead, { precision: policy.head, out: 'f32' });
  }

  loss(batch: TrainingBatch, policy: PrecisionPolicy = precisions.f32): Losses {
    const { out } = this.forward(batch, { policy });
    const main = crossEntropy(out, this.lmHead, batch.targets, { precision: policy.head, count: batch.count });
    return { main, balance: null, mtp: [], routings: [] };
  }

  /** Frees the rotary tables, which are all that a model owns. */
  dispose(): void {
    this.#table.cos.dispose();
    this.#table.sin.dispose();
  }
}

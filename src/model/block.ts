// A Transformer block of either family: x += attention(norm(x)), then x += feed-forward(norm(x)).
//
// A residual stream travels as its sum so far and the term not yet added, so that the next norm adds and normalises in
// one pass (addRmsNorm). Shape letters: T tokens, D hidden.
import { add, addRmsNorm, type Precision, type RopeTensors, rmsNorm, type Tensor } from '../tensor/index.ts';
import type { Batch } from './batch.ts';
import type { Cache } from './cache.ts';
import type { LayerRouting } from './moe.ts';
import type { Weights } from './weights.ts';

/** [T, D] each: the stream is sum + term. */
export interface Stream {
  readonly sum: Tensor;
  readonly term: Tensor | null;
}

export type MlaForm = 'expanded' | 'absorbed';

export interface AttentionOptions {
  readonly precision: Precision;
  /** Keeps and finds the tokens before the batch. @default none: the batch is all there is */
  readonly cache?: Cache | undefined;
  /** absorbed also lets GQA read a cache where it lies. @default expanded */
  readonly form?: MlaForm | undefined;
}

interface Attention {
  forward(x: Tensor, batch: Batch, table: RopeTensors, options: AttentionOptions): Tensor;
}

interface FeedForward {
  forward(x: Tensor, precision: Precision): Tensor | { out: Tensor; routing: LayerRouting };
}

/** The stream after its term is added, and its norm. */
export function normed({ sum, term }: Stream, gain: Tensor, eps: number): { sum: Tensor; out: Tensor } {
  return term === null ? { sum, out: rmsNorm(sum, gain, eps) } : addRmsNorm(sum, term, gain, eps);
}

export function settled({ sum, term }: Stream): Tensor {
  return term === null ? sum : add(sum, term);
}

export class Block {
  /** [D] */
  readonly inputLayernorm: Tensor;
  readonly selfAttn: Attention;
  /** [D] */
  readonly postAttentionLayernorm: Tensor;
  readonly mlp: FeedForward;
  readonly #eps: number;

  constructor(eps: number, weights: Weights, selfAttn: Attention, mlp: FeedForward) {
    this.#eps = eps;
    this.inputLayernorm = weights.take('input_layernorm.weight');
    this.postAttentionLayernorm = weights.take('post_attention_layernorm.weight');
    this.selfAttn = selfAttn;
    this.mlp = mlp;
  }

  forward(
    stream: Stream,
    batch: Batch,
    table: RopeTensors,
    options: AttentionOptions,
  ): { stream: Stream; routing: LayerRouting | null } {
    const before = normed(stream, this.inputLayernorm, this.#eps);
    const attended = this.selfAttn.forward(before.out, batch, table, options);
    const after = normed({ sum: before.sum, term: attended }, this.postAttentionLayernorm, this.#eps);
    const fed = this.mlp.forward(after.out, options.precision);
    if ('routing' in fed) return { stream: { sum: after.sum, term: fed.out }, routing: fed.routing };
    return { stream: { sum: after.sum, term: fed }, routing: null };
  }
}

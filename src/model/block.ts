// A Transformer block: x += attention(norm(x)), then x += feed-forward(norm(x)); in a sandwich, norms follow both too.
//
// The residual stream travels in two parts, the sum so far and the output of the last layer, so that the next norm adds
// and normalizes in one pass (addRmsNorm). Shape letters: T tokens, D hidden.
import { addRmsNorm, type RopeTensors, recomputable, rmsNorm, type Tensor } from '../tensor/index.ts';
import type { Batch } from './batch.ts';
import type { Cache } from './cache.ts';
import type { LayerRouting } from './moe.ts';
import type { PrecisionPolicy } from './precision.ts';
import type { Weights } from './weights.ts';

/**
 * [T, D] each. The stream's value is residual (f32) + hidden (what a layer adds, in the format of activations); before
 * the first block there is no residual, and hidden is f32.
 */
export interface ResidualStream {
  readonly residual: Tensor | null;
  readonly hidden: Tensor;
}

export interface AttentionOptions {
  readonly policy: PrecisionPolicy;
  readonly cache: Cache;
}

interface Attention {
  /** `table`: null where a layer has no rotary embedding. */
  forward(x: Tensor, batch: Batch, table: RopeTensors | null, options: AttentionOptions): Tensor;
}

interface FeedForward {
  forward(x: Tensor, policy: PrecisionPolicy): Tensor | { out: Tensor; routing: LayerRouting };
}

/** Adds the stream up and norms the sum, in one pass; `out` is in the format of activations. */
export function addAndNorm(
  { residual, hidden }: ResidualStream,
  gain: Tensor,
  eps: number,
  { activations }: PrecisionPolicy,
): { residual: Tensor; out: Tensor } {
  if (residual === null) return { residual: hidden, out: rmsNorm(hidden, gain, eps, activations) };
  const { sum, out } = addRmsNorm(residual, hidden, gain, eps, activations);
  return { residual: sum, out };
}

interface BlockOutput {
  readonly stream: ResidualStream;
  readonly routing: LayerRouting | null;
}

export class Block {
  /** [D] */
  readonly inputLayernorm: Tensor;
  readonly selfAttn: Attention;
  /** [D], before the feed-forward; in a sandwich after attention */
  readonly postAttentionLayernorm: Tensor;
  /** [D] each, of a sandwich */
  readonly feedforwardLayernorms: { readonly pre: Tensor; readonly post: Tensor } | null;
  readonly mlp: FeedForward;
  readonly #eps: number;

  constructor(eps: number, weights: Weights, selfAttn: Attention, mlp: FeedForward) {
    this.#eps = eps;
    this.inputLayernorm = weights.take('input_layernorm.weight');
    this.postAttentionLayernorm = weights.take('post_attention_layernorm.weight');
    const pre = weights.find('pre_feedforward_layernorm.weight');
    this.feedforwardLayernorms = pre && { pre, post: weights.take('post_feedforward_layernorm.weight') };
    this.selfAttn = selfAttn;
    this.mlp = mlp;
  }

  /** Computes the block's output; training with gradient checkpointing keeps only its input. */
  forward(
    { residual, hidden }: ResidualStream,
    batch: Batch,
    table: RopeTensors | null,
    options: AttentionOptions,
  ): BlockOutput {
    return recomputable([residual, hidden], (residual, hidden) =>
      this.#run({ residual, hidden }, batch, table, options),
    );
  }

  #run(stream: ResidualStream, batch: Batch, table: RopeTensors | null, options: AttentionOptions): BlockOutput {
    const { policy } = options;
    const between = this.feedforwardLayernorms;
    const { residual, out } = addAndNorm(stream, this.inputLayernorm, this.#eps, policy);
    const own = this.selfAttn.forward(out, batch, table, options);
    const attended = between ? this.#norm(own, this.postAttentionLayernorm, policy) : own;
    const gain = between?.pre ?? this.postAttentionLayernorm;
    const after = addAndNorm({ residual, hidden: attended }, gain, this.#eps, policy);
    const fed = this.mlp.forward(after.out, policy);
    const [whole, routing] = 'routing' in fed ? [fed.out, fed.routing] : [fed, null];
    const hidden = between ? this.#norm(whole, between.post, policy) : whole;
    return { stream: { residual: after.residual, hidden }, routing };
  }

  #norm(x: Tensor, gain: Tensor, { activations }: PrecisionPolicy): Tensor {
    return rmsNorm(x, gain, this.#eps, activations);
  }
}

// Multi-token prediction (DeepSeek-V3 report, section 2.2): module k predicts the token k + 1 ahead.
//
// h'_i = eh_proj [enorm(Emb(t_{i+k})) ; hnorm(h_i)], a whole block, a norm of its own, the shared head. The order
// embedding before hidden state is that of the released weights, the reverse of the report's equation 21. h of module 1
// is the main model's output after its final norm, as engines that serve the release do (the report does not say); h of
// later modules is the previous block's output without a norm. Embedding and head are the main model's.
import { concat, linear, type RopeTensors, rmsNorm, type Tensor, type Weight } from '../tensor/index.ts';
import type { Batch } from './batch.ts';
import { addAndNorm, type Block } from './block.ts';
import type { Cache } from './cache.ts';
import type { LayerRouting } from './moe.ts';
import type { PrecisionPolicy } from './precision.ts';
import type { Weights } from './weights.ts';

export interface MtpOutput {
  /** [T, D]: the input of the next module */
  readonly hidden: Tensor;
  /** [T, D]: the input of the head */
  readonly out: Tensor;
  readonly routing: LayerRouting | null;
}

export class MultiTokenPrediction {
  /** [D], for the embedding */
  readonly enorm: Tensor;
  /** [D], for the hidden state */
  readonly hnorm: Tensor;
  /** [D, 2 D] */
  readonly ehProj: Weight;
  readonly block: Block;
  /** [D] */
  readonly sharedHeadNorm: Tensor;
  readonly #eps: number;

  constructor(eps: number, weights: Weights, block: Block) {
    this.#eps = eps;
    this.enorm = weights.take('enorm.weight');
    this.hnorm = weights.take('hnorm.weight');
    this.ehProj = weights.matrix('eh_proj.weight');
    this.block = block;
    this.sharedHeadNorm = weights.take('shared_head.norm.weight');
  }

  /** hidden [T, D], and the embeddings [T, D] of the tokens k ahead. */
  forward(
    hidden: Tensor,
    embedded: Tensor,
    batch: Batch,
    table: RopeTensors | null,
    policy: PrecisionPolicy,
    cache: Cache,
  ): MtpOutput {
    const known = rmsNorm(embedded, this.enorm, this.#eps, policy.activations);
    const seen = rmsNorm(hidden, this.hnorm, this.#eps, policy.activations);
    const joined = linear(concat([known, seen]), this.ehProj, { precision: policy.ehProj, out: 'f32' });
    const { stream, routing } = this.block.forward({ residual: null, hidden: joined }, batch, table, { policy, cache });
    const { residual, out } = addAndNorm(stream, this.sharedHeadNorm, this.#eps, policy);
    return { hidden: residual, out, routing };
  }
}

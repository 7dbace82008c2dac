// The format of each matrix product: DeepSeek-V3's mixed precision (report, section 3.3) as a policy.
//
// FP8 means all three products of a linear map (forward, input gradient, weight gradient). As in
// the report, embedding, output head, router, norms and attention itself stay higher, and so does eh_proj of MTP, which
// the release keeps in BF16. What attention multiplies is bf16 (docs/decisions/0025-attention-in-bf16.md).
// Between the products of a block activations and their gradients are bf16 as well; the residual stream, the sums of
// products, statistics of norms, and the router's logits are f32. Left out: E5M6 caches.
import type { Precision } from '../tensor/index.ts';

export interface PrecisionPolicy {
  /** The projections of attention, dense feed-forward, shared and routed experts. */
  readonly linear: Precision;
  /** The projection that joins hidden state and embedding in MTP. */
  readonly ehProj: 'f32' | 'bf16';
  readonly head: 'f32' | 'bf16';
  /** The format of what products read and write: outputs of norms, hidden layers, what is added to the stream. */
  readonly activations: 'f32' | 'bf16';
  /** Queries, keys, values, and what attention gives; its scores, softmax and sums are f32 always. */
  readonly attention: 'f32' | 'bf16';
}

export type PrecisionName = 'f32' | 'bf16' | 'fp8';

/** The router is f32 in all of them. */
export const precisions: Readonly<Record<PrecisionName, PrecisionPolicy>> = {
  f32: { linear: 'f32', ehProj: 'f32', head: 'f32', activations: 'f32', attention: 'f32' },
  bf16: { linear: 'bf16', ehProj: 'bf16', head: 'bf16', activations: 'bf16', attention: 'bf16' },
  fp8: { linear: 'fp8', ehProj: 'bf16', head: 'bf16', activations: 'bf16', attention: 'bf16' },
};

/** For packed weights, whose format is the arithmetic: f32, int8 and int4 read activations in f32. */
export const servingPrecision: PrecisionPolicy = { ...precisions.bf16, activations: 'f32', attention: 'f32' };

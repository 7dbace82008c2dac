// The table of all ops, for tests: one row each. A family's interface names its ops, and its rows are total over that
// interface, so an op without a shape rule, forward, save list or vjp does not compile.
import type { Op, OpRow, OpRows } from './op.ts';
import { type AttentionOps, attentions } from './ops/attention.ts';
import { type BalanceOps, balances } from './ops/balance.ts';
import { type DivergenceOps, divergences } from './ops/divergence.ts';
import { type ElementwiseOps, elementwise } from './ops/elementwise.ts';
import { type EmbeddingOps, embeddings } from './ops/embedding.ts';
import { type HeadPageOps, headPages } from './ops/head-pages.ts';
import { type LayoutOps, layout } from './ops/layout.ts';
import { type LinearOps, linears } from './ops/linear.ts';
import { type LossOps, losses } from './ops/loss.ts';
import { type NormOps, norm } from './ops/norm.ts';
import { type OptimizerOps, optimizers } from './ops/optimizer.ts';
import { type PackedLinearOps, packedLinears } from './ops/packed-linear.ts';
import { type PagedOps, pages } from './ops/paged.ts';
import { type PolicyOps, policies } from './ops/policy.ts';
import { type QuantizeOps, quantizers } from './ops/quantize.ts';
import { type ReductionOps, reduction } from './ops/reduction.ts';
import { type RopeOps, ropes } from './ops/rope.ts';
import { type RouterOps, routers } from './ops/router.ts';
import { type SamplingOps, samplers } from './ops/sampling.ts';
import { type SwigluOps, swiglus } from './ops/swiglu.ts';
import { type ViewOps, view } from './ops/view.ts';

export interface Ops
  extends ViewOps,
    LayoutOps,
    ElementwiseOps,
    ReductionOps,
    NormOps,
    RopeOps,
    SwigluOps,
    EmbeddingOps,
    LinearOps,
    PackedLinearOps,
    AttentionOps,
    RouterOps,
    BalanceOps,
    LossOps,
    DivergenceOps,
    OptimizerOps,
    QuantizeOps,
    PagedOps,
    HeadPageOps,
    PolicyOps,
    SamplingOps {}

export type OpName = keyof Ops & string;

export const table: OpRows<Ops> = {
  ...view,
  ...layout,
  ...elementwise,
  ...reduction,
  ...norm,
  ...ropes,
  ...swiglus,
  ...embeddings,
  ...linears,
  ...packedLinears,
  ...attentions,
  ...routers,
  ...balances,
  ...losses,
  ...divergences,
  ...optimizers,
  ...quantizers,
  ...pages,
  ...headPages,
  ...policies,
  ...samplers,
};

export const opNames = Object.keys(table) as OpName[];

/** A row without the types of its tensors: for code that treats all ops alike. */
export function tableRow(name: OpName): OpRow<string, Op> {
  return table[name] as unknown as OpRow<string, Op>;
}

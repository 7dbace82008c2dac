// DeepSeekMoE (V3 report, section 2.1.2): shared experts for every token, routed ones for the tokens that choose them.
//
// The router is f32 in every precision, on the activations that the experts read, as in DeepSeek's code. Its bias acts
// on the choice only, and groups are masked with minus infinity, as in DeepSeek's code. Tokens are sorted by expert for
// one grouped GEMM per projection; none is dropped. Shape letters: T tokens, D hidden, E routed experts, K chosen, F
// width of an expert.
import {
  dispatchPlan,
  groupedLinear,
  linear,
  permuteRows,
  type RouterConfig,
  type Routing,
  router,
  type Tensor,
  unpermuteRows,
  type Weight,
} from '../tensor/index.ts';
import type { Experts } from './architecture/index.ts';
import { type Activation, gated, Mlp } from './mlp.ts';
import type { PrecisionPolicy } from './precision.ts';
import type { Weights } from './weights.ts';

/** The routing of an MoE layer, for balancing and statistics. */
export interface LayerRouting extends Routing {
  /** [E + 1] i32: expert e got offsets[e + 1] - offsets[e] tokens */
  readonly offsets: Tensor;
}

export class MixtureOfExperts {
  /** [E, D] */
  readonly gate: Weight;
  /** [E] f32, updated by the balancing rule, not by gradients; null where none takes part in the choice */
  readonly eScoreCorrectionBias: Tensor | null;
  /** [E, 2 F, D]: gate rows, then up rows */
  readonly gateUpProj: Weight;
  /** [E, D, F] */
  readonly downProj: Weight;
  readonly sharedExperts: Mlp | null;
  readonly #router: RouterConfig;
  readonly #activation: Activation;

  constructor(experts: Experts, weights: Weights, activation: Activation) {
    this.#router = experts.router;
    this.#activation = activation;
    this.gate = weights.matrix('gate.weight');
    this.eScoreCorrectionBias = weights.find('gate.e_score_correction_bias');
    this.gateUpProj = weights.matrix('experts.gate_up_proj');
    this.downProj = weights.matrix('experts.down_proj');
    this.sharedExperts = experts.sharedWidth > 0 ? new Mlp(weights.at('shared_experts'), activation) : null;
  }

  /** x [T, D] to [T, D], and the routing. */
  forward(x: Tensor, policy: PrecisionPolicy): { out: Tensor; routing: LayerRouting } {
    const { linear: precision } = policy;
    const logits = linear(x, this.gate, { out: 'f32' }); // [T, E]
    const routing = router(logits, this.eScoreCorrectionBias, this.#router);
    const plan = dispatchPlan(routing.indices, this.gate.shape[0]);
    const rows = permuteRows(x, plan); // [T K, D]
    const gateUp = groupedLinear(rows, this.gateUpProj, plan.offsets, { precision }); // [T K, 2 F]
    const inner = gated(gateUp, this.#activation); // [T K, F]
    const outer = groupedLinear(inner, this.downProj, plan.offsets, { precision }); // [T K, D]
    const shared = this.sharedExperts?.forward(x, policy);
    const out = unpermuteRows(outer, plan, routing.weights, shared);
    return { out, routing: { ...routing, offsets: plan.offsets } };
  }
}

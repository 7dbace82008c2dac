// The SwiGLU feed-forward of dense layers, of shared experts, and of Llama and Qwen2.
//
// Shape letters: T tokens, D hidden, F inner width.
import { linear, swiglu, type Tensor, type Weight } from '../tensor/index.ts';
import type { PrecisionPolicy } from './precision.ts';
import type { Weights } from './weights.ts';

export class Mlp {
  /** gate_proj and up_proj [F, D] each, or fused as one [2 F, D] in a model that serves */
  readonly gateUpProj: readonly Weight[];
  /** [D, F] */
  readonly downProj: Weight;

  constructor(weights: Weights) {
    const fused = weights.findMatrix('gate_up_proj.weight');
    this.gateUpProj = fused ? [fused] : ['gate_proj.weight', 'up_proj.weight'].map((name) => weights.matrix(name));
    this.downProj = weights.matrix('down_proj.weight');
  }

  /** x [T, D] to [T, D]. */
  forward(x: Tensor, { linear: precision }: PrecisionPolicy): Tensor {
    const inner = swiglu(linear(x, this.gateUpProj, { precision })); // [T, F]
    return linear(inner, this.downProj, { precision });
  }
}

// SwiGLU feed-forward: of dense layers, of the shared expert, of Llama and Qwen2. Shape letters: T tokens, D hidden, F
// inner width.
import { linear, type Precision, swiglu, type Tensor } from '../tensor/index.ts';
import type { Weights } from './weights.ts';

export class Mlp {
  /** [F, D] */
  readonly gateProj: Tensor;
  /** [F, D] */
  readonly upProj: Tensor;
  /** [D, F] */
  readonly downProj: Tensor;

  constructor(weights: Weights) {
    this.gateProj = weights.take('gate_proj.weight');
    this.upProj = weights.take('up_proj.weight');
    this.downProj = weights.take('down_proj.weight');
  }

  /** x [T, D] to [T, D]. */
  forward(x: Tensor, precision: Precision): Tensor {
    const gate = linear(x, this.gateProj, { precision });
    const up = linear(x, this.upProj, { precision });
    return linear(swiglu(gate, up), this.downProj, { precision });
  }
}

// SwiGLU feed-forward: of dense layers, of the shared expert, of Llama and Qwen2. Shape letters: T tokens, D hidden, F
// inner width.
import { linear, type Precision, swiglu, swigluHalves, type Tensor, type Weight } from '../tensor/index.ts';
import type { Weights } from './weights.ts';

export class Mlp {
  /** [2 F, D]: gate rows, then up rows; of a model that serves, else gateProj and upProj */
  readonly gateUpProj: Weight | null;
  /** [F, D] */
  readonly gateProj: Weight | null;
  /** [F, D] */
  readonly upProj: Weight | null;
  /** [D, F] */
  readonly downProj: Weight;

  constructor(weights: Weights) {
    this.gateUpProj = weights.findMatrix('gate_up_proj.weight');
    this.gateProj = this.gateUpProj ? null : weights.matrix('gate_proj.weight');
    this.upProj = this.gateUpProj ? null : weights.matrix('up_proj.weight');
    this.downProj = weights.matrix('down_proj.weight');
  }

  /** x [T, D] to [T, D]. */
  forward(x: Tensor, precision: Precision): Tensor {
    return linear(this.#inner(x, precision), this.downProj, { precision });
  }

  /** [T, F] */
  #inner(x: Tensor, precision: Precision): Tensor {
    if (this.gateUpProj) return swigluHalves(linear(x, this.gateUpProj, { precision }));
    const gate = linear(x, this.gateProj as Weight, { precision });
    const up = linear(x, this.upProj as Weight, { precision });
    return swiglu(gate, up);
  }
}

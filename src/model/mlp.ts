// The gated feed-forward (SwiGLU, GeGLU) of dense layers and of shared experts.
//
// Shape letters: T tokens, D hidden, F inner width.
import { add, cast, linear, mul, scale, sigmoid, split, swiglu, type Tensor, type Weight } from '../tensor/index.ts';
import type { Blocks } from './architecture/index.ts';
import type { PrecisionPolicy } from './precision.ts';
import type { Weights } from './weights.ts';

export type Activation = Blocks['activation'];

const gelu = { scale: Math.sqrt(8 / Math.PI), cube: 0.044715 };

/** Applies the activation to the first half of x [.., 2 F] and multiplies by the second: [.., F]. */
export function gated(x: Tensor, activation: Activation): Tensor {
  if (activation === 'silu') return swiglu(x);
  const width = (x.shape.at(-1) as number) / 2;
  const isHalf = x.dtype === 'bf16';
  const [gate, up] = split(isHalf ? cast(x, 'f32') : x, [width, width]) as [Tensor, Tensor];
  // GELU by its tanh is gate sigmoid(z), z = sqrt(8 / pi) (gate + 0.044715 gate^3).
  const z = scale(add(gate, scale(mul(gate, mul(gate, gate)), gelu.cube)), gelu.scale);
  const y = mul(mul(gate, sigmoid(z)), up);
  return isHalf ? cast(y, 'bf16') : y;
}

export class Mlp {
  /** gate_proj and up_proj [F, D] each, or fused as one [2 F, D] in a model that serves */
  readonly gateUpProj: readonly Weight[];
  /** [D, F] */
  readonly downProj: Weight;
  readonly #activation: Activation;

  constructor(weights: Weights, activation: Activation) {
    this.#activation = activation;
    const fused = weights.findMatrix('gate_up_proj.weight');
    this.gateUpProj = fused ? [fused] : ['gate_proj.weight', 'up_proj.weight'].map((name) => weights.matrix(name));
    this.downProj = weights.matrix('down_proj.weight');
  }

  /** x [T, D] to [T, D]. */
  forward(x: Tensor, { linear: precision }: PrecisionPolicy): Tensor {
    const inner = gated(linear(x, this.gateUpProj, { precision }), this.#activation); // [T, F]
    return linear(inner, this.downProj, { precision });
  }
}

// AdamW over a model's weights (V3 report, section 4.2): beta 0.9 and 0.95, decay 0.1, clipping by the global norm.
//
// Matrices decay, gains do not; correction biases are moved by the balancing rule and are not here. The numbers of a
// step are data, so that a recorded step serves all of them. A gradient that is not finite changes nothing: the norm
// says so. Left out: several learning rates in one model.
import { type AdamwState, adamwHyper, adamwStep, gradientNorm, keep, type Tensor, zeros } from '../tensor/index.ts';

export interface AdamwOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  readonly maxGradNorm: number;
  /** Format of both moments; bf16 as in the report. */
  readonly moments: 'f32' | 'bf16';
}

interface Moments {
  readonly m: Tensor;
  readonly v: Tensor;
}

const hyperSize = 8;

export class Adamw {
  readonly options: AdamwOptions;
  /** Moments by the name of the weight, for checkpoints. */
  readonly moments: ReadonlyMap<string, Moments>;
  readonly #states: readonly AdamwState[];
  readonly #decays: readonly boolean[];
  readonly #decaying: Tensor;
  readonly #plain: Tensor;

  /** `weights`: what is trained, by name, all f32. */
  constructor(weights: ReadonlyMap<string, Tensor>, options: AdamwOptions) {
    this.options = options;
    const moment = (weight: Tensor) => keep(zeros(weight.shape, { dtype: options.moments, device: weight.device }));
    this.moments = new Map([...weights].map(([name, weight]) => [name, { m: moment(weight), v: moment(weight) }]));
    this.#states = [...weights].map(([name, weight]) => ({ weight, ...(this.moments.get(name) as Moments) }));
    this.#decays = this.#states.map(({ weight }) => weight.shape.length > 1);
    const [first] = this.#states as [AdamwState];
    const hyper = () => keep(zeros([hyperSize], { device: first.weight.device }));
    this.#decaying = hyper();
    this.#plain = hyper();
  }

  /** Sets the numbers of step 1, 2, ... `gradientScale`: a factor on every gradient. */
  prepare(step: number, learningRate: number, gradientScale = 1): void {
    const { beta1, beta2, eps, weightDecay } = this.options;
    const common = { step, learningRate, beta1, beta2, eps, gradientScale };
    this.#decaying.write(adamwHyper({ ...common, weightDecay }));
    this.#plain.write(adamwHyper({ ...common, weightDecay: 0 }));
  }

  /** Queues one step, in the order of the weights; returns the gradients' norm before clipping. Can be recorded. */
  update(gradients: readonly Tensor[]): Tensor {
    const { norm, coefficient } = gradientNorm(gradients, this.options.maxGradNorm, this.#decaying);
    this.#states.forEach((state, i) => {
      const hyper = this.#decays[i] ? this.#decaying : this.#plain;
      adamwStep(state, gradients[i] as Tensor, hyper, coefficient);
    });
    return norm;
  }

  /** The norm of some of the gradients, with the scale of this step. */
  normOf(gradients: readonly Tensor[]): Tensor {
    return gradientNorm(gradients, Number.MAX_VALUE, this.#decaying).norm;
  }

  dispose(): void {
    for (const { m, v } of this.moments.values()) for (const tensor of [m, v]) tensor.dispose();
    this.#decaying.dispose();
    this.#plain.dispose();
  }
}

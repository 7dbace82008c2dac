// The optimizer over a model's weights: AdamW (V3 report, section 4.2), or Muon for the matrices inside the model.
//
// AdamW: beta 0.9 and 0.95, decay 0.1, clipping by the global norm; matrices decay, gains do not; correction biases are
// moved by the balancing rule and are not here. With `matrices: 'muon'` (Moonlight, Kimi K2) embeddings, head, router
// and gains stay with AdamW. The numbers of a step are data, so that a recorded step serves all of them. A gradient
// that is not finite changes nothing: the norm says so. Left out: several learning rates in one model.
import {
  type AdamwUpdate,
  adamwHyper,
  adamwStep,
  gradientNorm,
  keep,
  muonHyper,
  muonMomentum,
  muonUpdate,
  scope,
  type Tensor,
  zeros,
} from '../tensor/index.ts';
import { Orthogonalizer } from './muon.ts';

export interface OptimizerOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  readonly maxGradNorm: number;
  /** The format of the moments; bf16 as in the report. */
  readonly moments: 'f32' | 'bf16';
  /** The optimizer of the matrices between embedding and head. @default adamw */
  readonly matrices?: 'adamw' | 'muon';
  /** Muon's momentum. @default 0.95 */
  readonly momentum?: number;
}

/** A weight and the state of its updates. */
interface TrainedWeight {
  readonly weight: Tensor;
  readonly m: Tensor;
  /** AdamW's second moment; null where Muon updates the weight. */
  readonly v: Tensor | null;
  readonly orthogonalizer: Orthogonalizer | null;
}

const hyperSize = 8;
const keptByAdamw = /embed_tokens|lm_head|shared_head\.head|mlp\.gate\.weight/;

export class Optimizer {
  readonly options: OptimizerOptions;
  /** The moments by their names in checkpoints: that of the weight, followed by .m or .v. */
  readonly moments: ReadonlyMap<string, Tensor>;
  readonly #trained: readonly TrainedWeight[];
  readonly #decaying: Tensor;
  readonly #plain: Tensor;
  readonly #muon: Tensor;

  /** `weights`: the trained ones by name, all f32. */
  constructor(weights: ReadonlyMap<string, Tensor>, options: OptimizerOptions) {
    this.options = options;
    const moment = (weight: Tensor) => keep(zeros(weight.shape, { dtype: options.moments, device: weight.device }));
    const trained = [...weights].map(([name, weight]) => {
      const isMuon = options.matrices === 'muon' && weight.shape.length > 1 && !keptByAdamw.test(name);
      const orthogonalizer = isMuon ? new Orthogonalizer(weight) : null;
      return { name, weight, m: moment(weight), v: isMuon ? null : moment(weight), orthogonalizer };
    });
    this.#trained = trained;
    this.moments = new Map(
      trained.flatMap(({ name, m, v }) => [[`${name}.m`, m] as const, ...(v ? [[`${name}.v`, v] as const] : [])]),
    );
    const { device } = (trained[0] as TrainedWeight).weight;
    const hyper = () => keep(zeros([hyperSize], { device }));
    [this.#decaying, this.#plain, this.#muon] = [hyper(), hyper(), hyper()];
  }

  /** Sets the rates of step 1, 2, ... `gradientScale`: a factor of every gradient. */
  prepare(step: number, learningRate: number, gradientScale = 1): void {
    const { beta1, beta2, eps, weightDecay, momentum = 0.95 } = this.options;
    const common = { step, learningRate, beta1, beta2, eps, gradientScale };
    this.#decaying.write(adamwHyper({ ...common, weightDecay }));
    this.#plain.write(adamwHyper({ ...common, weightDecay: 0 }));
    this.#muon.write(muonHyper({ learningRate, momentum, weightDecay, gradientScale }));
  }

  /**
   * Queues one step on gradients in the order of the weights; returns their norm before clipping, and that of each. Can
   * be recorded.
   */
  update(gradients: readonly Tensor[]): { readonly norm: Tensor; readonly norms: Tensor } {
    const { norm, norms, coefficient } = gradientNorm(gradients, this.options.maxGradNorm, this.#decaying);
    const byAdamw: AdamwUpdate[] = [];
    this.#trained.forEach(({ weight, m, v, orthogonalizer }, i) => {
      const gradient = gradients[i];
      if (orthogonalizer === null) {
        const hyper = weight.shape.length > 1 ? this.#decaying : this.#plain;
        byAdamw.push({ weight, gradient, m, v: v as Tensor, hyper });
        return;
      }
      scope(() => {
        const direction = orthogonalizer.orthogonalize(muonMomentum(gradient, m, this.#muon, coefficient));
        muonUpdate(weight, direction, this.#muon, coefficient, orthogonalizer.factor);
      });
    });
    adamwStep(byAdamw, coefficient);
    return { norm, norms };
  }

  dispose(): void {
    for (const tensor of this.moments.values()) tensor.dispose();
    for (const { orthogonalizer } of this.#trained) orthogonalizer?.dispose();
    for (const hyper of [this.#decaying, this.#plain, this.#muon]) hyper.dispose();
  }
}

// GRPO's objective over packed responses: clipped surrogate and KL to a reference, each token with its own weight.
//
// Columns of a micro-batch: log-probabilities of the rollout, advantages, weights (rl/advantage.ts). The sums over a
// step's micro-batches are the step's loss. `mismatch` counts tokens whose log-probability here differs from the
// rollout's in any bit: 0 as long as the weights are those of the rollout. Routers keep their correction biases, and no
// balance loss is added. Source: DeepSeekMath 4.1, DeepSeek-R1 2.2. Left out: MTP modules, which are not trained here.
import type { Model, PrecisionPolicy } from '../model/index.ts';
import { logprobs, mul, noGrad, policyLoss, sum, type Tensor } from '../tensor/index.ts';
import { type BatchShape, type Losses, type Objective, type SequenceInputs, sequenceBatch } from '../train/index.ts';

export interface GrpoOptions {
  readonly shape: BatchShape;
  readonly policy: PrecisionPolicy;
  readonly clipLow: number;
  readonly clipHigh: number;
  /** beta; 0: no reference is run. */
  readonly klBeta: number;
}

/** Names of the columns of a response's tokens. */
export const columnNames = ['rollout log-probability', 'advantage', 'weight', 'mask'] as const;

export class GrpoObjective implements Objective {
  readonly metricNames = ['loss', 'kl', 'clipped', 'mismatch', 'entropy'] as const;
  readonly #model: Model;
  readonly #reference: Model;
  readonly #options: GrpoOptions;

  constructor(model: Model, reference: Model, options: GrpoOptions) {
    this.#model = model;
    this.#reference = reference;
    this.#options = options;
  }

  of(...inputs: Tensor[]): Losses {
    const { shape, policy, klBeta, clipLow, clipHigh } = this.#options;
    const { batch, targets, columns } = sequenceBatch(inputs as unknown as SequenceInputs, shape);
    const [old, advantage, weight, mask] = columns as [Tensor, Tensor, Tensor, Tensor];
    const { out, routings } = this.#model.forward(batch, { policy });
    const own = logprobs(out, this.#model.unpackedHead, targets, { precision: policy.head });
    const reference = klBeta === 0 ? old : noGrad(() => this.#ofReference(batch, targets));
    const terms = policyLoss(own.logprobs, old, reference, advantage, weight, { clipLow, clipHigh, beta: klBeta });
    const loss = sum(terms.loss);
    const metrics = {
      loss,
      kl: sum(terms.kl),
      clipped: sum(terms.clipped),
      mismatch: sum(terms.differs),
      entropy: noGrad(() => sum(mul(own.entropy, mask))),
    };
    return { total: loss, metrics, routings };
  }

  #ofReference(batch: Parameters<Model['forward']>[0], targets: Tensor): Tensor {
    const { policy } = this.#options;
    const { out } = this.#reference.forward(batch, { policy });
    return logprobs(out, this.#reference.unpackedHead, targets, { precision: policy.head }).logprobs;
  }
}

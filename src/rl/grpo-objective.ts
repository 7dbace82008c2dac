// GRPO's objective over packed responses: clipped surrogate and KL to a reference, each token with its own weight.
//
// The sums over the micro-batches of a step are the step's loss. `mismatch` counts tokens whose log-probability here
// differs from the rollout's in any bit: 0 as long as the weights are those of the rollout. The policy is what rollouts
// sample from: all log-probabilities, KL and entropy are those of softmax(logits / temperature). Routers keep their
// correction biases, and no balance loss is added. MTP modules learn the responses, so that drafts follow the policy:
// from detached hidden states, embedding and head, so that the policy learns from rewards alone. Source: DeepSeekMath
// 4.1, DeepSeek-R1 2.2.
import type { Batch, Model, PrecisionPolicy } from '../model/index.ts';
import { add, bestAndLogprobs, differing, mul, noGrad, policyLoss, scale, sum, type Tensor } from '../tensor/index.ts';
import {
  aheadLoss,
  type BatchShape,
  type Losses,
  type Objective,
  type SequenceInputs,
  toSequenceBatch,
} from '../train/index.ts';

export interface GrpoOptions {
  readonly shape: BatchShape<GrpoColumn>;
  readonly policy: PrecisionPolicy;
  /** The temperature of the rollouts. */
  readonly temperature: number;
  readonly clipLow: number;
  readonly clipHigh: number;
  /** beta; 0: the reference is not run. */
  readonly klBeta: number;
  /** The weight of the MTP loss; without MTP modules in the shape it is not used. */
  readonly mtpWeight: number;
}

/** The numbers beside each token of a response; `mask` is 1 for each of them, 0 for prompts and padding. */
export const grpoColumns = ['rolloutLogprob', 'advantage', 'weight', 'mask'] as const;
export type GrpoColumn = (typeof grpoColumns)[number];

export class GrpoObjective implements Objective<SequenceInputs> {
  readonly metricNames: readonly string[];
  readonly #model: Model;
  readonly #reference: Model;
  readonly #options: GrpoOptions;

  constructor(model: Model, reference: Model, options: GrpoOptions) {
    this.#model = model;
    this.#reference = reference;
    this.#options = options;
    const ahead = options.shape.aheadDepth > 0 ? ['mtpLoss', 'rejected'] : [];
    const changed = options.klBeta > 0 ? ['changed'] : [];
    this.metricNames = ['loss', 'kl', 'clipped', 'mismatch', 'entropy', 'bounded', ...changed, ...ahead];
  }

  losses(...inputs: SequenceInputs): Losses {
    const { shape, policy, temperature, klBeta, clipLow, clipHigh, mtpWeight } = this.#options;
    const given = toSequenceBatch(inputs, shape);
    const { batch, targets, columns } = given;
    const { rolloutLogprob, advantage, weight, mask } = columns;
    const { out, routings } = this.#model.forward(batch, { policy });
    const own = this.#logprobs(this.#model, out, targets);
    const reference = klBeta === 0 ? null : noGrad(() => this.#referenceLogprobs(batch, targets));
    const terms = policyLoss(own.logprobs, rolloutLogprob, reference?.logprobs ?? rolloutLogprob, advantage, weight, {
      clipLow,
      clipHigh,
      beta: klBeta,
    });
    const loss = sum(terms.loss);
    const metrics = {
      loss,
      kl: sum(terms.kl),
      clipped: sum(terms.clipped),
      mismatch: sum(terms.differs),
      entropy: noGrad(() => sum(mul(own.entropy, mask))),
      bounded: sum(terms.bounded),
      ...(reference && { changed: noGrad(() => sum(differing(own.best, reference.best, mask))) }),
    };
    const ahead = aheadLoss(this.#model, given, out, { policy, temperature });
    if (ahead === null) return { total: loss, metrics, routings };
    return {
      total: add(loss, scale(ahead.loss, mtpWeight)),
      metrics: {
        ...metrics,
        mtpLoss: ahead.total,
        rejected: noGrad(() => sum(differing(ahead.drafts, given.ahead[0].targets, mask))),
      },
      routings: [...routings, ...ahead.routings],
    };
  }

  #referenceLogprobs(batch: Batch, targets: Tensor) {
    const { policy } = this.#options;
    const { out } = this.#reference.forward(batch, { policy });
    return this.#logprobs(this.#reference, out, targets);
  }

  #logprobs(model: Model, hidden: Tensor, targets: Tensor) {
    const { policy, temperature } = this.#options;
    return bestAndLogprobs(hidden, model.unpackedHead, targets, { precision: policy.head, temperature });
  }
}

// The objective of a reward model: the good reply of a pair scores above the bad one (Bradley-Terry).
//
// loss = -log sigmoid(good - bad), weighted by pair, plus a hundredth of the squares of both scores, which keeps them
// around zero (TRL's center_rewards_coefficient). Source: InstructGPT (arXiv 2203.02155), eq. 1; DeepSeek-R1, 2.3.
import type { Device } from '../kernels/index.ts';
import type { Model } from '../model/index.ts';
import { add, fromArray, keep, logprobs, mul, reshape, rowSum, scale, sum, type Tensor } from '../tensor/index.ts';
import type { Losses, Objective } from '../train/index.ts';
import { computeScores, type ScoreOptions } from './score.ts';
import type { ScoreInputs } from './score-batch.ts';

/** The weights of the pairs [B / 2] f32 stand beside the texts. */
export type PairInputs = [...ScoreInputs, weights: Tensor];

const centering = 0.01;

export class PairObjective implements Objective<PairInputs> {
  readonly metricNames = ['loss'] as const;
  readonly #model: Model;
  readonly #options: ScoreOptions;
  /** [2, 2]: two scores are the logits of two choices. */
  readonly #choices: Tensor;
  /** [B / 2] i32: the first choice is right. */
  readonly #right: Tensor;

  constructor(model: Model, options: ScoreOptions, device: Device) {
    const pairs = options.shape.texts / 2;
    this.#model = model;
    this.#options = options;
    this.#choices = keep(fromArray(Float32Array.of(1, 0, 0, 1), [2, 2], { device }));
    this.#right = keep(fromArray(new Int32Array(pairs), [pairs], { device }));
  }

  losses(...[tokens, starts, rows, weights]: PairInputs): Losses {
    const { scores, routings } = computeScores(this.#model, [tokens, starts, rows], this.#options);
    const pairs = reshape(scores, [this.#options.shape.texts / 2, 2]); // [pairs, 2]
    const preferred = logprobs(pairs, this.#choices, this.#right).logprobs;
    const fit = scale(sum(mul(preferred, weights)), -1);
    const center = scale(sum(mul(rowSum(mul(pairs, pairs)), weights)), centering);
    return { total: add(fit, center), metrics: { loss: fit }, routings };
  }

  dispose(): void {
    this.#choices.dispose();
    this.#right.dispose();
  }
}

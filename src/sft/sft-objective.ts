// The objective of supervised fine-tuning: cross-entropy on the learned tokens of each example, the rest is given.
//
// The one column of a micro-batch is each token's weight. With weights of 1 / (learned tokens of the step), and 0 for
// tokens that are not learned, the sum over the micro-batches is the mean over the learned tokens, whatever the lengths
// of the examples. Left out: MTP and balance losses.
import type { Model, PrecisionPolicy } from '../model/index.ts';
import { add, logprobs, mul, scale, sum } from '../tensor/index.ts';
import {
  aheadLoss,
  type BatchShape,
  type Losses,
  type Objective,
  type SequenceInputs,
  type TrainSequence,
  toSequenceBatch,
} from '../train/index.ts';

export type SftColumn = 'weight';

/** A conversation as tokens with its loss mask. */
export interface SftExample {
  readonly ids: ArrayLike<number>;
  /** 1 for each token that is learned, 0 for the others; the first token cannot be learned. */
  readonly mask: ArrayLike<number>;
}

export interface SftOptions {
  readonly policy: PrecisionPolicy;
  /** The weight of the MTP loss. */
  readonly mtpWeight: number;
}

export class SftObjective implements Objective<SequenceInputs> {
  readonly metricNames = ['loss'] as const;
  readonly #model: Model;
  readonly #shape: BatchShape<SftColumn>;
  readonly #options: SftOptions;

  constructor(model: Model, shape: BatchShape<SftColumn>, options: SftOptions) {
    this.#model = model;
    this.#shape = shape;
    this.#options = options;
  }

  losses(...inputs: SequenceInputs): Losses {
    const { policy, mtpWeight } = this.#options;
    const given = toSequenceBatch(inputs, this.#shape);
    const { batch, targets, columns } = given;
    const { out, routings } = this.#model.forward(batch, { policy });
    const own = logprobs(out, this.#model.unpackedHead, targets, { precision: policy.head });
    const loss = scale(sum(mul(own.logprobs, columns.weight)), -1);
    const ahead = mtpWeight > 0 ? aheadLoss(this.#model, given, out, { policy }) : null;
    if (ahead === null) return { total: loss, metrics: { loss }, routings };
    const total = add(loss, scale(ahead.loss, mtpWeight));
    return { total, metrics: { loss }, routings: [...routings, ...ahead.routings] };
  }
}

/** Returns the number of learned tokens. */
export function countLearned(examples: readonly SftExample[]): number {
  return examples.reduce((total, { mask }) => total + Array.from(mask).reduce((sum, learned) => sum + learned, 0), 0);
}

/** Weights examples so that the loss of a step on them is a mean over their learned tokens. */
export function toSequences(examples: readonly SftExample[]): TrainSequence<SftColumn>[] {
  const learned = countLearned(examples);
  return examples.map(({ ids, mask }) => {
    const promptLength = Array.from(mask).indexOf(1);
    const weight = Float32Array.from(Array.from(mask).slice(promptLength), (isLearned) => isLearned / learned);
    return { ids, promptLength, columns: { weight } };
  });
}

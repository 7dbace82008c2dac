// Supervised fine-tuning: cross-entropy on the tokens of a response, its end token included; the prompt is given.
//
// The one column of a micro-batch is each token's weight. With weights of 1 / (learned tokens of the step) the sum over
// the micro-batches is the mean over those tokens, whatever the lengths of the traces. Left out: MTP and balance losses.
import type { Model, PrecisionPolicy } from '../model/index.ts';
import { logprobs, mul, scale, sum, type Tensor } from '../tensor/index.ts';
import {
  type BatchShape,
  type Losses,
  type Objective,
  type SequenceInputs,
  sequenceBatch,
  type TrainSequence,
} from '../train/index.ts';

export class SftObjective implements Objective {
  readonly metricNames = ['loss'] as const;
  readonly #model: Model;
  readonly #shape: BatchShape;
  readonly #policy: PrecisionPolicy;

  constructor(model: Model, shape: BatchShape, policy: PrecisionPolicy) {
    this.#model = model;
    this.#shape = shape;
    this.#policy = policy;
  }

  of(...inputs: Tensor[]): Losses {
    const { batch, targets, columns } = sequenceBatch(inputs as unknown as SequenceInputs, this.#shape);
    const { out, routings } = this.#model.forward(batch, { policy: this.#policy });
    const own = logprobs(out, this.#model.unpackedHead, targets, { precision: this.#policy.head });
    const loss = scale(sum(mul(own.logprobs, columns[0])), -1);
    return { total: loss, metrics: { loss }, routings };
  }
}

/** A trace as tokens. */
export interface Lesson {
  readonly prompt: ArrayLike<number>;
  /** With the end token. */
  readonly response: ArrayLike<number>;
}

/** The lessons of one step, weighed so that its loss is a mean over their responses' tokens. */
export function lessonSequences(lessons: readonly Lesson[]): TrainSequence[] {
  const learned = lessons.reduce((total, { response }) => total + response.length, 0);
  return lessons.map(({ prompt, response }) => ({
    ids: [...Array.from(prompt), ...Array.from(response)],
    promptLength: prompt.length,
    columns: [new Float32Array(response.length).fill(1 / learned)],
  }));
}

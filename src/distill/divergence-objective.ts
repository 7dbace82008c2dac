// The objective of distillation by distributions: the divergence of the student from the teacher at each learned token,
// over the whole vocabulary.
//
// The one column of a micro-batch is each token's weight, as in sft-objective.ts, so a step's loss is a mean over its
// learned tokens. Both models read the same tokens in the same micro-batch; the teacher gets no gradient. Left out: MTP
// and balance losses.
import type { Model, PrecisionPolicy } from '../model/index.ts';
import type { SftColumn } from '../sft/index.ts';
import { divergence, mul, noGrad, sum } from '../tensor/index.ts';
import { type BatchShape, type Losses, type Objective, type SequenceInputs, toSequenceBatch } from '../train/index.ts';

export interface DivergenceOptions {
  readonly shape: BatchShape<SftColumn>;
  readonly policy: PrecisionPolicy;
  /** reverse: D(student || teacher); forward: D(teacher || student). */
  readonly direction: 'forward' | 'reverse';
}

export class DivergenceObjective implements Objective<SequenceInputs> {
  readonly metricNames = ['loss'] as const;
  readonly #student: Model;
  readonly #teacher: Model;
  readonly #options: DivergenceOptions;

  constructor(student: Model, teacher: Model, options: DivergenceOptions) {
    this.#student = student;
    this.#teacher = teacher;
    this.#options = options;
  }

  losses(...inputs: SequenceInputs): Losses {
    const { shape, policy, direction } = this.#options;
    const { batch, columns } = toSequenceBatch(inputs, shape);
    const { out, routings } = this.#student.forward(batch, { policy });
    const teacher = noGrad(() => this.#teacher.forward(batch, { policy }).out);
    const kl = divergence(
      { x: out, head: this.#student.unpackedHead },
      { x: teacher, head: this.#teacher.unpackedHead },
      columns.weight,
      { direction, precision: policy.head },
    );
    const loss = sum(mul(kl, columns.weight));
    return { total: loss, metrics: { loss }, routings };
  }
}

// The validation loss of fine-tuning: the objective over held-out examples, without gradients. Recorded once.
import { type PrecisionName, precisions } from '../model/index.ts';
import { copy, noGrad, type Replay, record, scope, type Tensor } from '../tensor/index.ts';
import { pack, type SequenceInputs, sequenceInputs, type TunedModel } from '../train/index.ts';
import { countLearned, type SftColumn, type SftExample, SftObjective, toSequences } from './sft-objective.ts';

export class SftValidation {
  readonly #tuned: TunedModel<SftColumn>;
  readonly #examples: readonly SftExample[];
  readonly #objective: SftObjective;
  #replay: Replay<SequenceInputs, Tensor> | null = null;

  constructor(tuned: TunedModel<SftColumn>, examples: readonly SftExample[], precision: PrecisionName) {
    this.#tuned = tuned;
    this.#examples = examples;
    this.#objective = new SftObjective(tuned.model, tuned.shape, { policy: precisions[precision], mtpWeight: 0 });
  }

  /** Returns the mean loss over the learned tokens, in nats, and their number. Rejects when the signal aborts. */
  async run(signal: AbortSignal): Promise<{ readonly loss: number; readonly tokens: number }> {
    const { shape, device } = this.#tuned;
    let sum = 0;
    for (const bin of pack(toSequences(this.#examples), shape)) {
      signal.throwIfAborted();
      const { loss } = scope(() => ({ loss: this.#loss(sequenceInputs(bin, shape, device)) }));
      sum += await loss;
    }
    return { loss: sum, tokens: countLearned(this.#examples) };
  }

  dispose(): void {
    this.#replay?.dispose();
  }

  #loss(inputs: SequenceInputs): Promise<number> {
    this.#replay ??= record(inputs, (...batch) => noGrad(() => copy(this.#objective.losses(...batch).total)));
    return this.#replay.replay(...inputs).item();
  }
}

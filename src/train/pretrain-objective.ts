// Pretraining's objective: every token of a window is a target; main loss, balance loss, MTP losses.
//
// The input of a micro-batch is one tensor of B windows shifted by 0, 1, ..., depth + 1 tokens: row 0 are the ids, row
// 1 the targets and MTP's first ids, row 2 MTP's first targets. As in V3's pretraining nothing masks other documents of
// a window. Shape letters: B windows, S tokens of a sequence, T = B S.
import type { Device } from '../kernels/index.ts';
import {
  type Batch,
  countMoeLayers,
  describeBlocks,
  type LayerRouting,
  type Model,
  type ModelConfig,
  type PrecisionPolicy,
  packSequences,
  type TrainingBatch,
} from '../model/index.ts';
import {
  add,
  balanceLoss,
  crossEntropy,
  fromArray,
  keep,
  mean,
  mul,
  narrow,
  reshape,
  scale,
  type Tensor,
  zeros,
} from '../tensor/index.ts';
import type { Losses, Objective } from './train-step.ts';

/**
 * How the load of experts is balanced. bias: V3's, the correction bias by sign and the sequence-wise loss with a small
 * alpha. loss: the classic auxiliary loss over the batch (GShard, Switch, V2), for comparison. none: no balancing.
 */
export type BalanceMethod = 'bias' | 'loss' | 'none';

export interface ObjectiveOptions {
  readonly sequences: number;
  readonly sequenceLength: number;
  readonly policy: PrecisionPolicy;
  readonly balance: BalanceMethod;
  /** Weight of the sequence-wise loss (bias) or of the auxiliary loss (loss). */
  readonly alpha: number;
}

function mtpDepth(config: ModelConfig): number {
  return describeBlocks(config).mtpModules;
}

/** Returns the tokens of a window: those of its sequence, a target, and one more for each MTP module. */
export function windowLength(config: ModelConfig, sequenceLength: number): number {
  return sequenceLength + 1 + mtpDepth(config);
}

/** Returns windows of equal length as [shifts, B S] i32. The caller's scope owns it. */
export function shiftedWindows(windows: readonly Int32Array[], sequenceLength: number, device: Device): Tensor {
  const shifts = windows[0].length - sequenceLength + 1;
  const T = windows.length * sequenceLength;
  const shifted = new Int32Array(shifts * T);
  for (let shift = 0; shift < shifts; shift++)
    windows.forEach((window, b) => {
      shifted.set(window.subarray(shift, shift + sequenceLength), shift * T + b * sequenceLength);
    });
  return fromArray(shifted, [shifts, T], { device });
}

export class PretrainObjective implements Objective<readonly [Tensor]> {
  readonly metricNames: readonly string[];
  readonly #model: Model;
  readonly #options: ObjectiveOptions;
  /** Positions and sequences, the same in every micro-batch. */
  readonly #positions: Batch;
  readonly #wholeBatch: Tensor;
  /** []: lambda, the weight of MTP */
  readonly #mtpWeight: Tensor;

  constructor(model: Model, options: ObjectiveOptions) {
    const { device } = model.embedTokens;
    const { sequences: B, sequenceLength: S } = options;
    const { config } = model;
    const withExperts = countMoeLayers(config) > 0;
    this.metricNames = [
      'loss',
      ...(mtpDepth(config) > 0 ? ['mtpLoss'] : []),
      ...(withExperts || mtpDepth(config) > 0 ? ['balanceLoss'] : []),
    ];
    this.#model = model;
    this.#options = options;
    this.#positions = packSequences(Array<Int32Array>(B).fill(new Int32Array(S)), undefined, device);
    this.#wholeBatch = keep(fromArray(Int32Array.of(0, B * S), [2], { device }));
    this.#mtpWeight = keep(zeros([], { device }));
    for (const tensor of this.#owned()) keep(tensor);
  }

  /** Sets lambda of the following steps. */
  set mtpWeight(lambda: number) {
    this.#mtpWeight.write(Float32Array.of(lambda));
  }

  /** Returns the losses of shifted windows [shifts, B S] i32. */
  losses(shifted: Tensor): Losses {
    const { policy, balance, alpha } = this.#options;
    const { main, balance: sequenceWise, mtp, routings } = this.#model.loss(this.#batch(shifted), policy);
    const metrics: Record<string, Tensor> = { loss: main };
    let total = main;
    if (mtp.length > 0) {
      const ahead = scale(
        mtp.reduce((sum, term) => add(sum, term)),
        1 / mtp.length,
      );
      total = add(total, mul(ahead, this.#mtpWeight));
      metrics.mtpLoss = ahead;
    }
    if (sequenceWise) {
      const term = balance === 'loss' ? this.#batchBalance(routings) : sequenceWise;
      metrics.balanceLoss = term;
      if (balance !== 'none') total = add(total, scale(term, alpha));
    }
    return { total, metrics, routings };
  }

  /** Returns the main loss alone, for validation: no MTP module runs. */
  evaluate(shifted: Tensor): { readonly loss: Tensor; readonly routings: readonly LayerRouting[] } {
    const { policy } = this.#options;
    const { targets, ...batch } = this.#batch(shifted);
    const { out, routings } = this.#model.forward(batch, { policy });
    return { loss: crossEntropy(out, this.#model.unpackedHead, targets, { precision: policy.head }), routings };
  }

  dispose(): void {
    for (const tensor of this.#owned()) tensor.dispose();
  }

  #owned(): Tensor[] {
    const { ids, positions, sequences } = this.#positions;
    return [ids, positions, sequences.queryStart, this.#wholeBatch, this.#mtpWeight];
  }

  #batch(shifted: Tensor): TrainingBatch {
    const count = shifted.shape[1];
    const row = (shift: number) => reshape(narrow(shifted, shift, 1), [count]);
    const ahead = Array.from({ length: shifted.shape[0] - 2 }, (_, k) => ({
      ids: row(k + 1),
      targets: row(k + 2),
      count,
    }));
    return { ...this.#positions, ids: row(0), targets: row(1), count, ahead };
  }

  /** Returns the balance loss with all tokens as one sequence, summed over layers. */
  #batchBalance(routings: readonly LayerRouting[]): Tensor {
    const each = routings.map(({ scores, indices }) => mean(balanceLoss(scores, indices, this.#wholeBatch, 1)));
    return each.reduce((sum, term) => add(sum, term));
  }
}

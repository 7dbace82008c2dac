// Validation: the main loss and the load of the experts over fixed windows. The forward pass is recorded once.
import type { Device } from '../kernels/index.ts';
import { estimateMean } from '../math/index.ts';
import { countMoeLayers, describeBlocks, type ModelConfig } from '../model/index.ts';
import {
  copy,
  countExperts,
  fill,
  keep,
  narrow,
  type Replay,
  record,
  reshape,
  scope,
  type Tensor,
  zeros,
} from '../tensor/index.ts';
import { type PretrainObjective, shiftedWindows } from './pretrain-objective.ts';

export interface ValidationResult {
  /** Nats a token. */
  readonly loss: number;
  /** Half of the 95 % interval of the loss, over the batches; null with few of them. */
  readonly margin: number | null;
  readonly tokens: number;
  /** The number of tokens that each expert got, by MoE layer of the main model. */
  readonly load: readonly (readonly number[])[];
}

/** Batches from which on their spread says something. */
const minBatches = 8;

export class Validation {
  readonly #objective: PretrainObjective;
  readonly #device: Device;
  readonly #sequenceLength: number;
  /** [MoE layers, E] i32 */
  readonly #counts: Tensor | null;
  #replay: Replay<readonly [Tensor], Tensor> | null = null;

  constructor(config: ModelConfig, objective: PretrainObjective, sequenceLength: number, device: Device) {
    this.#objective = objective;
    this.#device = device;
    this.#sequenceLength = sequenceLength;
    const layers = countMoeLayers(config);
    const shape = [layers, describeBlocks(config).experts?.routed ?? 0];
    this.#counts = layers > 0 ? keep(zeros(shape, { dtype: 'i32', device })) : null;
  }

  /**
   * Returns means over batches of windows (windowLength tokens each), all of the objective's size. Rejects when the
   * signal aborts.
   */
  async run(batches: Iterable<readonly Int32Array[]>, signal?: AbortSignal): Promise<ValidationResult> {
    const losses: number[] = [];
    let tokens = 0;
    if (this.#counts) fill(this.#counts, 0);
    for (const windows of batches) {
      signal?.throwIfAborted();
      const { loss } = scope(() => ({ loss: this.#loss(windows) }));
      losses.push(await loss);
      tokens += windows.length * this.#sequenceLength;
    }
    const { mean, margin } = estimateMean(losses);
    return { loss: mean, margin: losses.length < minBatches ? null : margin, tokens, load: await this.#load() };
  }

  dispose(): void {
    this.#replay?.dispose();
    this.#counts?.dispose();
  }

  #loss(windows: readonly Int32Array[]): Promise<number> {
    const shifted = shiftedWindows(windows, this.#sequenceLength, this.#device);
    this.#replay ??= record([shifted], (input) => this.#queue(input));
    return this.#replay.replay(shifted).item();
  }

  #queue(shifted: Tensor): Tensor {
    const { loss, routings } = this.#objective.evaluate(shifted);
    routings.forEach(({ indices }, layer) => {
      const counts = this.#counts as Tensor;
      countExperts(indices, reshape(narrow(counts, layer, 1), [counts.shape[1]]));
    });
    return copy(loss);
  }

  async #load(): Promise<number[][]> {
    if (!this.#counts) return [];
    const [layers, experts] = this.#counts.shape as [number, number];
    const all = (await this.#counts.read()) as Int32Array;
    return Array.from({ length: layers }, (_, l) => Array.from(all.subarray(l * experts, (l + 1) * experts)));
  }
}

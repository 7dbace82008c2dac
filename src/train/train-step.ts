// One optimizer step: micro-batches forward and backward, clip, optimizer, router balance. Recorded once, replayed.
//
// Contract: the objective turns the inputs of a micro-batch into a loss to minimize, metrics, and the choices of the
// routers; pretraining, fine-tuning and reinforcement learning differ in it alone. Gradients and metrics are means over
// the micro-batches, or sums over any number of them where the objective weights its tokens itself; gradient-tree.ts
// fixes the order of the additions, the counts of experts are whole numbers and need none. Steps queue: run()
// may be called again before the last promise resolves. A gradient that is not finite changes no weight and no moment.
// A kernel that meets a number it cannot use (a router whose logits are not finite) rejects the step, and the weights
// are not to be used any more. Left out: shapes that change from step to step.
import { OutOfMemoryError } from '../kernels/index.ts';
import { describeBlocks, type LayerRouting, listParameters, type ModelConfig, type WeightMap } from '../model/index.ts';
import {
  balanceBias,
  concat,
  copy,
  countExperts,
  fill,
  keep,
  narrow,
  type Replay,
  record,
  reshape,
  scale,
  scope,
  Tape,
  type Tensor,
  zeros,
} from '../tensor/index.ts';
import { TrainError } from './errors.ts';
import { GradientTree } from './gradient-tree.ts';
import { Optimizer, type OptimizerOptions } from './optimizer.ts';

/** The losses of a micro-batch: `total` and all metrics are [] f32. */
export interface Losses {
  readonly total: Tensor;
  readonly metrics: Readonly<Record<string, Tensor>>;
  readonly routings: readonly LayerRouting[];
}

export interface Objective<Inputs extends readonly Tensor[] = readonly Tensor[]> {
  /** The names of the metrics, always the same. */
  readonly metricNames: readonly string[];
  losses(...inputs: Inputs): Losses;
}

/** The rates of one step. */
export interface Rates {
  /** Counts from 1. */
  readonly step: number;
  readonly learningRate: number;
  /** gamma, by which correction biases move; 0 leaves them. */
  readonly biasUpdateSpeed: number;
}

export interface StepReport {
  readonly metrics: Readonly<Record<string, number>>;
  /** The norm before clipping; not finite when the step changed nothing. */
  readonly gradientNorm: number;
  /** The gradient norm of each router's gate, in the order of the layers. */
  readonly routerGradientNorms: readonly number[];
  /** The number of tokens that each expert got, by MoE layer. */
  readonly load: readonly (readonly number[])[];
}

export interface TrainStepOptions {
  /** Whether each block keeps its input only, and is computed again in backward: less memory, the same bits. */
  readonly gradientCheckpointing?: boolean;
}

/** What a micro-batch leaves: gradients in the order of the weights, and metrics in the order of their names. */
interface MicroOutputs {
  readonly gradients: readonly Tensor[];
  /** [metrics] f32 */
  readonly metrics: Tensor;
}

/** The two parts of a step, and the sums between them. */
interface Recorded<Inputs extends readonly Tensor[]> {
  readonly micro: Replay<Inputs, MicroOutputs>;
  readonly tree: GradientTree;
  readonly update: Replay<readonly [Tensor], StepOutputs>;
}

/** What is read back after a step. */
interface StepOutputs {
  /** [metrics, gradient norm, norms of all gradients] f32 */
  readonly numbers: Tensor;
  /** [MoE layers, E] i32 */
  readonly counts: Tensor | null;
}

const toVector = (x: Tensor) => reshape(x, [1]);

export class TrainStep<Inputs extends readonly Tensor[] = readonly Tensor[]> {
  readonly optimizer: Optimizer;
  readonly #objective: Objective<Inputs>;
  readonly #microBatches: number | 'sum';
  readonly #trained: ReadonlyMap<string, Tensor>;
  readonly #biases: readonly Tensor[];
  /** The indices of the routers' gates among the trained weights. */
  readonly #gates: readonly number[];
  /** [1]: gamma */
  readonly #rate: Tensor;
  readonly #recomputes: boolean;
  readonly #counts: Tensor | null;
  #recorded: Recorded<Inputs> | null = null;

  /** `weights` stay the caller's and are changed in place. `microBatches`: per step; sum: any number, added up. */
  constructor(
    config: ModelConfig,
    weights: WeightMap,
    optimizer: OptimizerOptions,
    microBatches: number | 'sum',
    objective: Objective<Inputs>,
    { gradientCheckpointing = false }: TrainStepOptions = {},
  ) {
    const parameters = listParameters(config).map(({ name, kind }) => ({
      name,
      kind,
      weight: weights.get(name) as Tensor,
    }));
    const { device } = weights.values().next().value as Tensor;
    const trained = parameters.filter(({ kind }) => kind !== 'correction');
    this.#objective = objective;
    this.#microBatches = microBatches;
    this.#recomputes = gradientCheckpointing;
    this.#trained = new Map(trained.map(({ name, weight }) => [name, weight]));
    this.#biases = parameters.filter(({ kind }) => kind === 'correction').map(({ weight }) => weight);
    this.#gates = trained.flatMap(({ name }, i) => (name.endsWith('mlp.gate.weight') ? [i] : []));
    this.optimizer = new Optimizer(this.#trained, optimizer);
    this.#rate = keep(zeros([1], { device }));
    const shape = [this.#gates.length, describeBlocks(config).experts?.routed ?? 0];
    this.#counts = this.#gates.length > 0 ? keep(zeros(shape, { dtype: 'i32', device })) : null;
  }

  /** Queues one step on micro-batches whose inputs have the shapes of the first step's. Resolves when it has run. */
  run(batches: readonly Inputs[], { step, learningRate, biasUpdateSpeed }: Rates): Promise<StepReport> {
    this.optimizer.prepare(step, learningRate, this.#share);
    this.#rate.write(Float32Array.of(biasUpdateSpeed));
    this.#recorded ??= scope(() => this.#record(batches[0]));
    const { micro, tree, update } = this.#recorded;
    batches.forEach((inputs, number) => {
      micro.replay(...inputs);
      tree.add(number, batches.length);
    });
    return this.#report(update.replay(this.#rate));
  }

  /** Returns the gradients of a micro-batch, in the order of the weights. */
  gradients(inputs: Inputs): Tensor[] {
    return this.#backward(inputs).gradients;
  }

  /** Frees moments, sums and recordings; the weights are the caller's. Await the last step first. */
  dispose(): void {
    for (const owned of Object.values(this.#recorded ?? {})) owned.dispose();
    this.optimizer.dispose();
    for (const tensor of [this.#rate, this.#counts]) tensor?.dispose();
  }

  /** The weight of a micro-batch in the gradients and metrics of a step. */
  get #share(): number {
    return this.#microBatches === 'sum' ? 1 : 1 / this.#microBatches;
  }

  #layerCounts(layer: number): Tensor {
    const counts = this.#counts as Tensor;
    return reshape(narrow(counts, layer, 1), [counts.shape[1]]);
  }

  #record(inputs: Inputs): Recorded<Inputs> {
    const micro = this.#recordMicroStep(inputs);
    const { gradients, metrics } = micro.result;
    const update = record<readonly [Tensor], StepOutputs>([this.#rate], () => this.#finish(gradients, metrics));
    return { micro, tree: new GradientTree([...gradients, metrics]), update };
  }

  /** Throws TrainError where the step's memory, which is known before it runs, is more than there is. */
  #recordMicroStep(inputs: Inputs): Replay<Inputs, MicroOutputs> {
    try {
      return record(inputs, (...given: Inputs) => this.#microStep(given));
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      const remedies = [
        ...(this.#recomputes ? [] : ['set gradientCheckpointing=true']),
        ...(this.optimizer.options.moments === 'bf16' ? [] : ['set optimizer.moments=bf16']),
        'make micro-batches smaller (microBatchSize or microBatchTokens)',
      ];
      const { reserved, limit } = this.#rate.device.memory;
      const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
      const problem = `a micro-batch does not fit beside the ${mebibytes(reserved)} of weights and moments`;
      throw new TrainError('memory', `${problem}; the limit is ${mebibytes(limit)}`, remedies.join(', or '));
    }
  }

  #backward(inputs: Inputs): { readonly gradients: Tensor[]; readonly losses: Losses } {
    const tape = new Tape([...this.#trained.values()], { recomputes: this.#recomputes });
    // A scope of its own: backward frees what the tape kept, as soon as it was used.
    const losses = scope(() => tape.run(() => this.#objective.losses(...inputs)));
    return { losses, gradients: tape.backward(losses.total) };
  }

  #microStep(inputs: Inputs): MicroOutputs {
    const { gradients, losses } = this.#backward(inputs);
    losses.routings.forEach(({ indices }, layer) => {
      countExperts(indices, this.#layerCounts(layer));
    });
    return { gradients, metrics: concat(this.#objective.metricNames.map((name) => toVector(losses.metrics[name]))) };
  }

  /** Updates the weights and the routers' biases by the sums of the micro-batches, and clears the counts. */
  #finish(gradients: readonly Tensor[], metrics: Tensor): StepOutputs {
    const { norm, norms } = this.optimizer.update(gradients);
    const numbers = concat([scale(metrics, this.#share), toVector(norm), norms]);
    const counts = this.#counts && copy(this.#counts);
    this.#biases.forEach((bias, layer) => {
      balanceBias(bias, this.#layerCounts(layer), this.#rate);
    });
    if (this.#counts) fill(this.#counts, 0);
    return { numbers, counts };
  }

  async #report({ numbers, counts }: StepOutputs): Promise<StepReport> {
    const [values, loads] = await Promise.all([numbers.read(), counts?.read()]);
    const names = this.#objective.metricNames;
    const experts = counts?.shape[1] ?? 0;
    return {
      metrics: Object.fromEntries(names.map((name, i) => [name, values[i]])),
      gradientNorm: values[names.length],
      routerGradientNorms: this.#gates.map((i) => values[names.length + 1 + i]),
      load: this.#gates.map((_, l) => Array.from((loads as Int32Array).subarray(l * experts, (l + 1) * experts))),
    };
  }
}

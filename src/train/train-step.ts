// One optimizer step: micro-batches forward and backward, clip, optimizer, balance the routers. Recorded once, replayed.
//
// Contract: `objective` turns the inputs of a micro-batch into a loss to minimise, numbers to report and what the
// routers chose; pretraining, fine-tuning and reinforcement learning differ in it alone. Gradients and numbers are means
// over the micro-batches, or sums of any number of them where the objective weighs its tokens itself. Steps queue: run() may be called again before the last one's promise resolves. A gradient
// that is not finite changes no weight and no moment; a kernel that meets a number it cannot use (a router whose logits
// are not finite) rejects the step instead, and its weights are not to be used any more. Left out: shapes that differ from step to step.
import { isDeepseek, type LayerRouting, listParameters, type ModelConfig, type WeightMap } from '../model/index.ts';
import {
  accumulate,
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
import { Optimizer, type OptimizerOptions } from './optimizer.ts';

/** What a micro-batch gives: `total` and all metrics are [] f32. */
export interface Losses {
  readonly total: Tensor;
  readonly metrics: Readonly<Record<string, Tensor>>;
  readonly routings: readonly LayerRouting[];
}

export interface Objective {
  /** Of `metrics`, always the same. */
  readonly metricNames: readonly string[];
  of(...inputs: Tensor[]): Losses;
}

/** The numbers of one step. */
export interface Rates {
  /** Counts from 1. */
  readonly step: number;
  readonly learningRate: number;
  /** gamma, by which correction biases move; 0 leaves them. */
  readonly biasUpdateSpeed: number;
}

export interface StepReport {
  readonly metrics: Readonly<Record<string, number>>;
  /** Before clipping; not finite when the step changed nothing. */
  readonly gradientNorm: number;
  /** Of each router's gate, in the order of the layers. */
  readonly routerGradientNorms: readonly number[];
  /** Tokens that each expert got, by MoE layer. */
  readonly load: readonly (readonly number[])[];
}

type Inputs = readonly Tensor[];

/** What a replay leaves to be read. */
interface Left {
  /** [metrics, gradient norm, router gradient norms] f32 */
  readonly numbers: Tensor;
  /** [MoE layers, E] i32 */
  readonly counts: Tensor | null;
}

const asOne = (x: Tensor) => reshape(x, [1]);

export class TrainStep {
  readonly optimizer: Optimizer;
  readonly #objective: Objective;
  readonly #microBatches: number | 'sum';
  readonly #trained: ReadonlyMap<string, Tensor>;
  readonly #biases: readonly Tensor[];
  /** Places of the routers' gates among the trained weights. */
  readonly #gates: readonly number[];
  /** [1]: gamma */
  readonly #rate: Tensor;
  readonly #counts: Tensor | null;
  /** Of the gradients over micro-batches, where there are several. */
  readonly #sums: readonly Tensor[];
  readonly #metricSums: Tensor;
  #micro: Replay<Inputs, Left | null> | null = null;
  #update: Replay<readonly [Tensor], Left> | null = null;

  /** `weights` stay the caller's and are changed in place. `microBatches`: of one step; sum: any number, added up. */
  constructor(
    config: ModelConfig,
    weights: WeightMap,
    optimizer: OptimizerOptions,
    microBatches: number | 'sum',
    objective: Objective,
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
    this.#trained = new Map(trained.map(({ name, weight }) => [name, weight]));
    this.#biases = parameters.filter(({ kind }) => kind === 'correction').map(({ weight }) => weight);
    this.#gates = trained.flatMap(({ name }, i) => (name.endsWith('mlp.gate.weight') ? [i] : []));
    this.optimizer = new Optimizer(this.#trained, optimizer);
    this.#metricSums = keep(zeros([objective.metricNames.length], { device }));
    this.#rate = keep(zeros([1], { device }));
    const shape = [this.#gates.length, isDeepseek(config) ? config.nRoutedExperts : 0];
    this.#counts = this.#gates.length > 0 ? keep(zeros(shape, { dtype: 'i32', device })) : null;
    this.#sums = microBatches !== 1 ? trained.map(({ weight }) => keep(zeros(weight.shape, { device }))) : [];
  }

  /** Queues one step on micro-batches whose inputs have the shapes of the first step's; resolves when it has run. */
  run(batches: readonly Inputs[], { step, learningRate, biasUpdateSpeed }: Rates): Promise<StepReport> {
    this.optimizer.prepare(step, learningRate, this.#share);
    this.#rate.write(Float32Array.of(biasUpdateSpeed));
    const [first] = batches as [Inputs];
    this.#micro ??= scope(() => record(first, (...inputs) => this.#whole(inputs)));
    let left: Left | null = null;
    for (const inputs of batches) left = this.#micro.replay(...inputs);
    if (this.#microBatches !== 1) {
      this.#update ??= scope(() => record<readonly [Tensor], Left>([this.#rate], () => this.#finish(this.#sums)));
      left = this.#update.replay(this.#rate);
    }
    return this.#report(left as Left);
  }

  /** Of a micro-batch in the gradients and numbers of a step. */
  get #share(): number {
    return this.#microBatches === 'sum' ? 1 : 1 / this.#microBatches;
  }

  /** The gradients of a micro-batch, in the order of the weights; its numbers are added to the sums. */
  gradients(inputs: Inputs): Tensor[] {
    const tape = new Tape([...this.#trained.values()]);
    let made: Losses | null = null;
    const total = tape.run(() => {
      made = this.#objective.of(...inputs);
      return made.total;
    });
    const { metrics, routings } = made as unknown as Losses;
    const numbers = this.#objective.metricNames.map((name) => asOne(metrics[name]));
    accumulate(this.#metricSums, concat(numbers));
    routings.forEach(({ indices }, layer) => {
      countExperts(indices, this.#countsOf(layer));
    });
    return tape.backward(total);
  }

  /** Frees moments, sums and recordings; the weights are the caller's. Await the last step first. */
  dispose(): void {
    this.#micro?.dispose();
    this.#update?.dispose();
    this.optimizer.dispose();
    for (const tensor of [this.#rate, this.#counts, this.#metricSums, ...this.#sums]) tensor?.dispose();
  }

  #countsOf(layer: number): Tensor {
    const counts = this.#counts as Tensor;
    return reshape(narrow(counts, layer, 1), [counts.shape[1]]);
  }

  #whole(inputs: Inputs): Left | null {
    const gradients = this.gradients(inputs);
    if (this.#microBatches === 1) return this.#finish(gradients);
    gradients.forEach((gradient, i) => {
      accumulate(this.#sums[i], gradient);
    });
    return null;
  }

  #finish(gradients: readonly Tensor[]): Left {
    const sums = this.#metricSums;
    const norm = this.optimizer.update(gradients);
    const ofRouters = this.#gates.map((i) => this.optimizer.normOf([gradients[i]]));
    const numbers = concat([scale(sums, this.#share), ...[norm, ...ofRouters].map(asOne)]);
    const counts = this.#counts && copy(this.#counts);
    this.#biases.forEach((bias, layer) => {
      balanceBias(bias, this.#countsOf(layer), this.#rate);
    });
    for (const used of [sums, this.#counts, ...this.#sums]) if (used) fill(used, 0);
    return { numbers, counts };
  }

  async #report({ numbers, counts }: Left): Promise<StepReport> {
    const [values, loads] = await Promise.all([numbers.read(), counts?.read()]);
    const names = this.#objective.metricNames;
    const experts = counts?.shape[1] as number;
    return {
      metrics: Object.fromEntries(names.map((name, i) => [name, values[i]])),
      gradientNorm: values[names.length],
      routerGradientNorms: Array.from(values.subarray(names.length + 1)),
      load: this.#gates.map((_, l) => Array.from((loads as Int32Array).subarray(l * experts, (l + 1) * experts))),
    };
  }
}

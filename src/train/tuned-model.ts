// A checkpoint's model that learns further from sequences: for fine-tuning, distillation and reinforcement learning.
//
// Its weights, and the moments of its optimizer, come from the run's last checkpoint or from the one it begins with.
import { existsSync } from 'node:fs';
import type { Device } from '../kernels/index.ts';
import { sum } from '../math/index.ts';
import {
  findConfigFile,
  importWeights,
  openCheckpoint,
  readJson,
  type TensorSource,
} from '../model/checkpoint/index.ts';
import {
  createModel,
  describeBlocks,
  type Model,
  type ModelConfig,
  readConfig,
  type SequenceFlops,
  sequenceFlops,
  type WeightMap,
} from '../model/index.ts';
import { scope } from '../tensor/index.ts';
import { TrainError } from './errors.ts';
import type { OptimizerOptions } from './optimizer.ts';
import { loadMoments } from './run/checkpoint.ts';
import type { Run } from './run/kind.ts';
import {
  type BatchShape,
  batchShape,
  pack,
  type SequenceInputs,
  sequenceInputs,
  type TrainSequence,
} from './sequence-batch.ts';
import { type Objective, type Rates, type StepReport, TrainStep } from './train-step.ts';

/** Reads the configuration of a checkpoint. Throws TrainError or ModelError where a folder is none. */
export function readBaseConfig(folder: string): ModelConfig {
  const file = findConfigFile(folder);
  if (!existsSync(file)) throw new TrainError(folder, 'has no config.json', 'name the folder of a checkpoint');
  return readConfig(readJson(file), file);
}

/** Reads the weights of a source as f32, and closes it. */
export async function loadWeights(config: ModelConfig, opening: Promise<TensorSource>): Promise<WeightMap> {
  const source = await opening;
  try {
    return (await importWeights(config, source, { dtype: 'f32' })).weights;
  } finally {
    await source.close();
  }
}

export interface TunedModelOptions<Column extends string> {
  readonly optimizer: OptimizerOptions;
  /** Rows of a micro-batch. */
  readonly microBatchTokens: number;
  readonly gradientCheckpointing: boolean;
  readonly columns: readonly Column[];
  /** Whether MTP modules learn too. @default false */
  readonly trainsAhead?: boolean;
  objective(model: Model, shape: BatchShape<Column>): Objective<SequenceInputs>;
}

export class TunedModel<Column extends string> {
  readonly device: Device;
  readonly model: Model;
  readonly weights: WeightMap;
  readonly shape: BatchShape<Column>;
  readonly trainStep: TrainStep<SequenceInputs>;
  readonly flops: SequenceFlops;

  private constructor(config: ModelConfig, weights: WeightMap, options: TunedModelOptions<Column>, device: Device) {
    const { optimizer, microBatchTokens, columns, gradientCheckpointing, trainsAhead = false } = options;
    const context = config.maxPositionEmbeddings;
    this.device = device;
    this.weights = weights;
    this.flops = sequenceFlops(config);
    this.model = createModel(config, weights, context);
    const depth = trainsAhead ? describeBlocks(config).mtpModules : 0;
    this.shape = batchShape(microBatchTokens, context, columns, depth);
    const objective = options.objective(this.model, this.shape);
    this.trainStep = new TrainStep(config, weights, optimizer, 'sum', objective, { gradientCheckpointing });
  }

  /** Opens the model of the run's checkpoint, or of the folder it begins from. */
  static async open<Column extends string>(
    folder: string,
    { checkpoint, device }: Pick<Run, 'checkpoint' | 'device'>,
    options: TunedModelOptions<Column>,
  ): Promise<TunedModel<Column>> {
    const config = readBaseConfig(folder);
    const weights = await loadWeights(config, openCheckpoint(checkpoint?.folder ?? folder));
    const tuned = new TunedModel(config, weights, options, device);
    if (checkpoint) await loadMoments(checkpoint.folder, tuned.trainStep.optimizer);
    return tuned;
  }

  /** Returns the FLOPs of learning from sequences, whose last token is only a target. */
  trainingFlops(sequences: readonly { readonly ids: ArrayLike<number> }[]): number {
    const { training, mtpTraining } = this.flops;
    const learnsAhead = this.shape.aheadDepth > 0;
    return sum(sequences.map(({ ids }) => training(ids.length - 1) + (learnsAhead ? mtpTraining(ids.length - 1) : 0)));
  }

  /** Takes one optimizer step on all of the sequences, in as many micro-batches as they need. */
  train(sequences: readonly TrainSequence<Column>[], rates: Rates): Promise<StepReport> {
    const { report } = scope(() => {
      const [first, ...others] = pack(sequences, this.shape).map((bin) => sequenceInputs(bin, this.shape, this.device));
      return { report: this.trainStep.run([first, ...others], rates) };
    });
    return report;
  }

  dispose(): void {
    this.trainStep.dispose();
    this.model.dispose();
    for (const weight of this.weights.values()) weight.dispose();
  }
}

/** Throws where the gradient of a step was not finite: it changed nothing, and the next one would not either. */
export function expectFinite(step: number, gradientNorm: number | null): void {
  if (gradientNorm !== null && Number.isFinite(gradientNorm)) return;
  const remedy = 'resume from the last checkpoint with a lower rate';
  throw new TrainError(`step ${step}`, 'the gradient is not finite', remedy);
}

// Fine-tuning on examples, a step at a time: shared by supervised fine-tuning and distillation.
//
// Contract: the examples of a step are a function of examples, seed and step number alone, so that a resumed run learns
// what it would have learned; each epoch has its own order and holds every example once. A gradient that is not finite
// ends the run; its last checkpoint stays.
import { z } from 'zod';
import { permuted } from '../math/index.ts';
import { precisions } from '../model/index.ts';
import {
  type Chart,
  type ChartSeries,
  chart,
  count,
  expectFinite,
  finite,
  fraction,
  gradientChart,
  learningRateAt,
  type NewEvent,
  nonnegative,
  optimizerSchema,
  type Prediction,
  type Run,
  runFields,
  type Snapshot,
  type StepReport,
  stepLine,
  stepNumber,
  TunedModel,
  throughputChart,
} from '../train/index.ts';
import type { FineTuningStep } from './sft-events.ts';
import { countLearned, type SftColumn, type SftExample, SftObjective, toSequences } from './sft-objective.ts';

/** The fields that the recipes of supervised fine-tuning and distillation share. */
export const fineTuningFields = {
  epochs: count.default(3),
  precision: z.enum(['f32', 'bf16', 'fp8']).default('bf16'),
  learningRate: z.number().positive().default(3e-4),
  /** The learning rate at the end of the cosine, as a fraction of the peak. */
  finalShare: fraction.default(0.1),
  warmupSteps: z.number().int().nonnegative().default(10),
  optimizer: optimizerSchema.prefault({ weightDecay: 0 }),
  /** The weight of the MTP loss, from which MTP modules alone learn; small, so that it does not clip the others. */
  mtpWeight: nonnegative.default(0.01),
  /** Rows of a micro-batch. */
  microBatchTokens: count.default(4096),
  /** Whether blocks are computed again in backward instead of keeping their intermediate results: the same bits. */
  gradientCheckpointing: z.boolean().default(false),
  ...runFields,
};

type Fields = z.infer<z.ZodObject<typeof fineTuningFields>>;

/** What the console says of a step. */
export function fineTuningLine({ epoch, loss, tokensPerSecond }: FineTuningStep): string {
  return `epoch ${epoch}  loss ${loss?.toFixed(4) ?? 'not finite'}  ${tokensPerSecond.toFixed(0)} tokens/s`;
}

export const fineTuningHeadline = [stepNumber('Loss', 'loss'), stepNumber('Tokens/s', 'tokensPerSecond')];

/** Returns the charts of fine-tuning; `others` are further lines of the loss. */
export const fineTuningCharts = (...others: readonly ChartSeries[]): Chart[] => [
  chart('loss', 'Loss', 'nats per learned token', [stepLine('training', 'loss'), ...others], {
    isWide: true,
    skipsStart: true,
  }),
  throughputChart('training', 'learned tokens per second', 'tokensPerSecond'),
  gradientChart,
];

/** Opens the model of a run that is fine-tuned. */
export function openTunedModel(folder: string, run: Run, { precision, mtpWeight, ...fields }: Fields) {
  return TunedModel.open<SftColumn>(folder, run, {
    ...fields,
    columns: ['weight'],
    trainsAhead: mtpWeight > 0,
    objective: (model, shape) => new SftObjective(model, shape, { policy: precisions[precision], mtpWeight }),
  });
}

export const stepsPerEpoch = (examples: number, batchSize: number) => Math.ceil(examples / batchSize);

/** Returns the examples of step 1, 2, ...; the last step of an epoch may have fewer. */
export function examplesForStep<Example>(
  examples: readonly Example[],
  step: number,
  { batchSize, seed }: { readonly batchSize: number; readonly seed: number },
): Example[] {
  const steps = stepsPerEpoch(examples.length, batchSize);
  const epoch = Math.floor((step - 1) / steps);
  const from = ((step - 1) % steps) * batchSize;
  const places = Array.from({ length: Math.min(batchSize, examples.length - from) }, (_, i) => from + i);
  return places.map((place) => examples[permuted(place, examples.length, seed, epoch)]);
}

export class FineTuning {
  readonly tuned: TunedModel<SftColumn>;
  readonly steps: number;
  readonly #examples: readonly SftExample[];
  readonly #config: Fields & { readonly batchSize: number };
  readonly #run: Run;
  readonly #teacherFlops: (examples: readonly SftExample[]) => number;

  /** `teacherFlops`: of a teacher that reads the examples of a step too. @default none does */
  constructor(
    tuned: TunedModel<SftColumn>,
    examples: readonly SftExample[],
    config: Fields & { readonly batchSize: number },
    run: Run,
    teacherFlops: (examples: readonly SftExample[]) => number = () => 0,
  ) {
    this.tuned = tuned;
    this.#teacherFlops = teacherFlops;
    this.steps = config.epochs * stepsPerEpoch(examples.length, config.batchSize);
    this.#examples = examples;
    this.#config = config;
    this.#run = run;
  }

  /** What all steps are predicted to compute. */
  get predicted(): Prediction {
    const flops = this.#config.epochs * (this.tuned.trainingFlops(this.#examples) + this.#teacherFlops(this.#examples));
    return { flops, hours: null, assumes: [] };
  }

  /** Takes a step, emits its event, and returns the number of tokens learned. */
  async step(step: number): Promise<number> {
    const { finalShare, warmupSteps, learningRate: peak, batchSize } = this.#config;
    const own = examplesForStep(this.#examples, step, this.#config);
    const schedule = { learningRate: peak, minLearningRate: finalShare * peak, warmupSteps } as const;
    const learningRate = learningRateAt({ ...schedule, decay: 'cosine', decayFrom: 0 }, step, this.steps);
    const rates = { step, learningRate, biasUpdateSpeed: 0 };
    const { metrics, gradientNorm }: StepReport = await this.tuned.train(toSequences(own), rates);
    this.#run.count({ training: this.tuned.trainingFlops(own), teacher: this.#teacherFlops(own) });
    const { secondsPerStep, secondsLeft } = this.#run.endStep();
    const event: NewEvent<FineTuningStep> = {
      event: 'step',
      step,
      epoch: Math.ceil(step / stepsPerEpoch(this.#examples.length, batchSize)),
      loss: finite(metrics.loss),
      gradientNorm: finite(gradientNorm),
      learningRate,
      tokensPerSecond: countLearned(own) / secondsPerStep,
      secondsLeft,
    };
    this.#run.emit(event);
    expectFinite(step, gradientNorm);
    return countLearned(own);
  }

  /** Returns what a checkpoint holds. `data`: what identifies the examples. */
  snapshot(data: unknown, writeBeside: Snapshot['writeBeside']): Snapshot {
    const { model, weights, trainStep } = this.tuned;
    return { config: model.config, weights, optimizer: trainStep.optimizer, data, writeBeside };
  }
}

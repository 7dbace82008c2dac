// The training of a reward model, a step at a time.
//
// Contract: the pairs of a step are a function of recipe and step number alone, so that a resumed run learns what it
// would have learned.
import { type BaseVocabulary, loadBaseVocabulary } from '../corpus/index.ts';
import type { Device } from '../kernels/index.ts';
import { estimateMean, mean, sum } from '../math/index.ts';
import { openCheckpoint } from '../model/checkpoint/index.ts';
import { countParameters, createModel, type Model, precisions, sequenceFlops, type WeightMap } from '../model/index.ts';
import { examplesForStep, stepsPerEpoch } from '../sft/index.ts';
import { toChatTemplate } from '../tasks/index.ts';
import { fromArray, scope } from '../tensor/index.ts';
import {
  expectFinite,
  finite,
  learningRateAt,
  loadMoments,
  loadWeights,
  type Run,
  readBaseConfig,
  type Snapshot,
  type StepReport,
  TrainError,
  type Trainer,
  TrainStep,
} from '../train/index.ts';
import { type PairInputs, PairObjective } from './pair-objective.ts';
import { type EncodedPair, encodePairs } from './pairs.ts';
import type { RewardEvent } from './reward-events.ts';
import { Scorer } from './reward-model.ts';
import type { RewardConfig } from './reward-recipe.ts';
import { packTexts, type ScoreShape, scoreInputs, scoreShape } from './score-batch.ts';

interface Parts {
  readonly vocabulary: BaseVocabulary;
  readonly model: Model;
  readonly weights: WeightMap;
  readonly shape: ScoreShape;
  readonly training: readonly EncodedPair[];
  readonly heldOut: readonly EncodedPair[];
  readonly tooLong: number;
}

/** Opens model and pairs. Throws TrainError where no pair can be learned. */
export async function openRewardTraining(config: RewardConfig, run: Run<RewardEvent>): Promise<RewardTrainer> {
  const { model: folder, template, pairs, heldOut, microBatchTokens } = config;
  const base = readBaseConfig(folder);
  const vocabulary = loadBaseVocabulary(folder, toChatTemplate(template));
  const shape = scoreShape(microBatchTokens, base.maxPositionEmbeddings);
  const longest = Math.min(shape.longest, Math.floor(shape.tokens / 2));
  const fits = ({ good, bad }: EncodedPair) => good.length <= longest && bad.length <= longest;
  const training = encodePairs(vocabulary, config, pairs, 'train').filter(fits);
  if (training.length === 0) {
    const problem = `none of ${pairs} pairs can be learned, all are longer than ${longest} tokens`;
    throw new TrainError('reward model', problem, 'raise microBatchTokens, or take a model with a longer context');
  }
  const weights = await loadWeights(base, openCheckpoint(run.checkpoint?.folder ?? folder));
  const trainer = new RewardTrainer(config, run, {
    vocabulary,
    model: createModel(base, weights, base.maxPositionEmbeddings),
    weights,
    shape,
    training,
    heldOut: encodePairs(vocabulary, config, heldOut, 'held-out').filter(fits),
    tooLong: pairs - training.length,
  });
  if (run.checkpoint) await trainer.restore(run.checkpoint.folder);
  return trainer;
}

export class RewardTrainer implements Trainer {
  readonly origin: Trainer['origin'];
  readonly started: object;
  readonly steps: number;
  readonly every: Trainer['every'];
  readonly #config: RewardConfig;
  readonly #run: Run<RewardEvent>;
  readonly #parts: Parts;
  readonly #objective: PairObjective;
  readonly #trainStep: TrainStep<PairInputs>;
  readonly #scorer: Scorer;

  constructor(config: RewardConfig, run: Run<RewardEvent>, parts: Parts) {
    const { model, weights, shape, training, vocabulary, tooLong } = parts;
    this.#config = config;
    this.#run = run;
    this.#parts = parts;
    const options = { shape, policy: precisions[config.precision], endId: vocabulary.endId };
    this.#objective = new PairObjective(model, options, run.device);
    this.#trainStep = new TrainStep(model.config, weights, config.optimizer, 'sum', this.#objective, config);
    this.#scorer = new Scorer(model, options, run.device);
    this.steps = config.epochs * stepsPerEpoch(training.length, config.batchSize);
    this.every = config.every;
    const predicted = { flops: config.epochs * this.#flops(training, 'training'), hours: null, assumes: [] };
    this.origin = { initial: config.model, predicted };
    const parameters = countParameters(model.config).total;
    this.started = { parameters, steps: this.steps, pairs: training.length, tooLong };
  }

  /** The FLOPs of passes over both texts of each pair. */
  #flops(pairs: readonly EncodedPair[], pass: 'training' | 'forward'): number {
    const flops = sequenceFlops(this.#parts.model.config);
    return sum(pairs.flatMap(({ good, bad }) => [flops[pass](good.length), flops[pass](bad.length)]));
  }

  restore(folder: string): Promise<void> {
    return loadMoments(folder, this.#trainStep.optimizer);
  }

  async step(step: number): Promise<number> {
    const { learningRate: peak, finalShare, warmupSteps, batchSize } = this.#config;
    const { training } = this.#parts;
    const pairs = examplesForStep(training, step, this.#config);
    const schedule = { learningRate: peak, minLearningRate: finalShare * peak, warmupSteps } as const;
    const learningRate = learningRateAt({ ...schedule, decay: 'cosine', decayFrom: 0 }, step, this.steps);
    const { metrics, gradientNorm } = await this.#train(pairs, { step, learningRate, biasUpdateSpeed: 0 });
    this.#run.count({ training: this.#flops(pairs, 'training') });
    const { secondsPerStep, secondsLeft } = this.#run.endStep();
    const tokens = pairs.reduce((sum, { good, bad }) => sum + good.length + bad.length, 0);
    this.#run.emit({
      event: 'step',
      step,
      epoch: Math.ceil(step / stepsPerEpoch(training.length, batchSize)),
      loss: finite(metrics.loss),
      gradientNorm: finite(gradientNorm),
      learningRate,
      tokensPerSecond: tokens / secondsPerStep,
      secondsLeft,
    });
    expectFinite(step, gradientNorm);
    return tokens;
  }

  async evaluate(step: number): Promise<void> {
    const { heldOut } = this.#parts;
    if (heldOut.length === 0) return;
    const scores = await this.#scorer.score(heldOut.flatMap(({ good, bad }) => [good, bad]));
    this.#run.count({ evaluation: this.#flops(heldOut, 'forward') });
    this.#run.signal.throwIfAborted();
    const correct = heldOut.map((_, i) => (scores[2 * i] > scores[2 * i + 1] ? 1 : 0));
    const byFault = (fault: string) => mean(correct.filter((_, i) => heldOut[i].fault === fault));
    const { mean: accuracy, margin } = estimateMean(correct);
    const faults = Object.fromEntries([...new Set(heldOut.map(({ fault }) => fault))].map((f) => [f, byFault(f)]));
    this.#run.emit({ event: 'evaluated', step, accuracy, margin, pairs: heldOut.length, faults });
  }

  snapshot(): Snapshot {
    const { model, weights, vocabulary } = this.#parts;
    return {
      config: model.config,
      weights,
      optimizer: this.#trainStep.optimizer,
      data: null,
      writeBeside: vocabulary.save,
    };
  }

  async close(): Promise<void> {
    const { model, weights } = this.#parts;
    for (const owned of [this.#scorer, this.#trainStep, this.#objective, model, ...weights.values()]) owned.dispose();
  }

  /** Takes an optimizer step on pairs, in as many micro-batches as they need. */
  #train(pairs: readonly EncodedPair[], rates: Parameters<TrainStep['run']>[1]): Promise<StepReport> {
    const { shape } = this.#parts;
    const { device } = this.#run;
    const { report } = scope(() => {
      const bins = packTexts(pairs, ({ good, bad }) => [good, bad], shape);
      const batches = bins.map((bin) => toInputs(bin, pairs.length, shape, device));
      return { report: this.#trainStep.run(batches, rates) };
    });
    return report;
  }
}

/** Returns the micro-batch of some of a step's `count` pairs. */
function toInputs(bin: readonly EncodedPair[], count: number, shape: ScoreShape, device: Device): PairInputs {
  const texts = bin.flatMap(({ good, bad }) => [good, bad]);
  const weights = new Float32Array(shape.texts / 2).fill(1 / count, 0, bin.length);
  return [...scoreInputs(texts, shape, device), fromArray(weights, [weights.length], { device })];
}

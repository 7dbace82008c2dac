// Pretraining, a step at a time: batches, model, objective, validation, samples.
//
// One step is queued while the one before is logged. A step whose gradient is not finite changes nothing; the alarm
// says which op made the first such number, and several of them in a row end the run.
import { type BatchState, BatchStream, type Dataset, validationBatches } from '../corpus/index.ts';
import { type Device, measure, type Work } from '../kernels/index.ts';
import { openCheckpoint } from '../model/checkpoint/index.ts';
import {
  countParameters,
  createModel,
  flopsPerToken,
  initialWeights,
  precisions,
  sequenceFlops,
  type WeightMap,
} from '../model/index.ts';
import { keep, linear, scope, type Tensor, unscoped, zeros } from '../tensor/index.ts';
import { findBadOp, Watch } from './alarms.ts';
import { TrainError } from './errors.ts';
import type { AlarmKind, PretrainEvent } from './events.ts';
import { worstViolation } from './load.ts';
import { openCorpus, type PretrainCorpus } from './pretrain-corpus.ts';
import { PretrainObjective, shiftedWindows, windowLength } from './pretrain-objective.ts';
import type { PretrainConfig } from './pretrain-recipe.ts';
import { loadMoments } from './run/checkpoint.ts';
import { finite } from './run/event-schema.ts';
import type { Run, Snapshot, Trainer } from './run/kind.ts';
import type { Lineage } from './run/lineage.ts';
import type { Prediction } from './run/work.ts';
import { sampleIds } from './sample.ts';
import { learningRateAt, switched } from './schedule.ts';
import { type Rates, type StepReport, TrainStep } from './train-step.ts';
import { loadWeights } from './tuned-model.ts';
import { Validation } from './validation.ts';

/** Steps in a row that changed nothing, after which a run fails. */
const maxBadSteps = 5;
/** The loads of all experts are logged once in this number of steps. */
const loadPeriod = 10;
/** Tokens of the validation text that samples continue, where the recipe has no prompt. */
const promptTokens = 12;
const remedyForNaN = 'resume from the last checkpoint with a lower rate: --resume --set schedule.learningRate=...';

interface QueuedStep {
  readonly rates: Rates;
  readonly windows: readonly Int32Array[];
  readonly report: Promise<StepReport>;
}

/** Reads the weights of a run's checkpoint or of the one it begins from, or makes fresh ones. */
function openWeights(config: PretrainConfig, corpus: PretrainCorpus, run: Run): Promise<WeightMap> | WeightMap {
  const folder = run.checkpoint?.folder ?? config.initial;
  if (folder !== null) return loadWeights(corpus.model, openCheckpoint(folder));
  return scope(() => {
    const weights = initialWeights(corpus.model, config.seed, run.device);
    for (const tensor of weights.values()) keep(tensor);
    return weights;
  });
}

export async function openPretraining(config: PretrainConfig, run: Run<PretrainEvent>): Promise<PretrainTrainer> {
  const corpus = await openCorpus(config, run);
  const weights = await openWeights(config, corpus, run);
  const trainer = new PretrainTrainer(config, run, corpus, weights, await measureGemmRate(run.device));
  if (run.checkpoint) await trainer.restore(run.checkpoint.folder, run.checkpoint.state.data as BatchState);
  return trainer;
}

class PretrainTrainer implements Trainer {
  readonly origin: Trainer['origin'];
  readonly started: object;
  readonly steps: number;
  readonly every: Trainer['every'];
  readonly #config: PretrainConfig;
  readonly #run: Run<PretrainEvent>;
  readonly #corpus: PretrainCorpus;
  readonly #weights: WeightMap;
  /** Measured bf16 GEMM, FLOP/s. */
  readonly #gemmRate: number;
  readonly #flopsPerToken: number;
  readonly #microBatch: number;
  readonly #model: ReturnType<typeof createModel>;
  readonly #objective: PretrainObjective;
  readonly #trainStep: TrainStep<readonly [Tensor]>;
  readonly #validation: Validation;
  readonly #stream: BatchStream;
  readonly #watch = new Watch();
  #queued: QueuedStep | null = null;
  #badSteps = 0;

  constructor(
    config: PretrainConfig,
    run: Run<PretrainEvent>,
    corpus: PretrainCorpus,
    weights: WeightMap,
    gemmRate: number,
  ) {
    const { sequenceLength, batchSize, optimizer } = config;
    const { model, dataset } = corpus;
    this.#config = config;
    this.#run = run;
    this.#corpus = corpus;
    this.#weights = weights;
    this.#gemmRate = gemmRate;
    this.#microBatch = config.microBatchSize ?? batchSize;
    const { training, mtpTraining } = flopsPerToken(model, sequenceLength);
    this.#flopsPerToken = training + mtpTraining;
    this.#model = createModel(model, weights, Math.max(sequenceLength, 2));
    this.#objective = new PretrainObjective(this.#model, objectiveOptions(config));
    const microBatches = batchSize / this.#microBatch;
    this.#trainStep = new TrainStep(model, weights, optimizer, microBatches, this.#objective, config);
    this.#validation = new Validation(model, this.#objective, sequenceLength, run.device);
    this.#stream = openStream(config, corpus);
    this.steps = config.steps;
    this.every = config.every;
    this.origin = { initial: config.initial, data: describeData(dataset), predicted: this.#predict() };
    const { total, active, mtp } = countParameters(model);
    this.started = {
      parameters: { total, active, mtp },
      flopsPerToken: this.#flopsPerToken,
      tokensPerStep: batchSize * sequenceLength,
      steps: config.steps,
      gemmRate,
    };
  }

  #predict(): Prediction {
    const { steps, batchSize, sequenceLength } = this.#config;
    return { flops: steps * batchSize * sequenceLength * this.#flopsPerToken, hours: null, assumes: [] };
  }

  async restore(folder: string, position: BatchState): Promise<void> {
    await loadMoments(folder, this.#trainStep.optimizer);
    this.#stream.restore(position);
  }

  async step(step: number): Promise<number> {
    const { steps, balance, mtp, schedule, batchSize, sequenceLength } = this.#config;
    const windows = this.#stream.next();
    const gamma = switched(balance.biasUpdateSpeed, 0, balance.biasFixedFrom, step, steps);
    const rates = {
      step,
      learningRate: learningRateAt(schedule, step, steps),
      biasUpdateSpeed: balance.method === 'bias' ? gamma : 0,
    };
    this.#objective.mtpWeight = switched(mtp.weight, mtp.lateWeight, mtp.lateFrom, step, steps);
    const { report } = scope(() => ({ report: this.#trainStep.run(this.#microBatches(windows), rates) }));
    await this.drain();
    this.#queued = { rates, windows, report };
    return batchSize * sequenceLength;
  }

  async drain(): Promise<void> {
    const queued = this.#queued;
    this.#queued = null;
    if (queued) await this.#finish(queued);
  }

  async evaluate(step: number): Promise<void> {
    const { sequenceLength, evaluateTokens } = this.#config;
    const { dataset, model } = this.#corpus;
    const shape = {
      batch: this.#microBatch,
      sequenceLength,
      windowLength: windowLength(model, sequenceLength),
    };
    const batches = validationBatches(dataset.validation, shape, evaluateTokens);
    const { load, ...measured } = await this.#validation.run(batches, this.#run.signal);
    this.#run.count({ evaluation: (measured.tokens * this.#flopsPerToken) / 3 }); // forward, MTP modules included
    if (measured.tokens > 0) this.#run.emit({ event: 'evaluated', step, ...measured, maxVio: worstViolation(load) });
  }

  async sample(step: number): Promise<void> {
    const { samplePrompt, sampleTokens, sequenceLength, precision, seed } = this.#config;
    const { dataset, vocabulary } = this.#corpus;
    const { tokenizer, endId } = vocabulary;
    const split = dataset.validation.tokens > 0 ? dataset.validation : dataset.train;
    const ids =
      samplePrompt === null
        ? split.read(0, Math.min(promptTokens, split.tokens))
        : tokenizer.encode(samplePrompt, { plain: true });
    const tokens = Math.min(sampleTokens, sequenceLength - ids.length);
    if (tokens <= 0) return;
    const sampled = await sampleIds(this.#model, ids, {
      policy: precisions[precision],
      tokens,
      seed,
      endId,
      signal: this.#run.signal,
    });
    const evaluation = sequenceFlops(this.#corpus.model).forward(ids.length + sampled.length);
    this.#run.count({ evaluation, generated: sampled.length });
    this.#run.emit({ event: 'sampled', step, prompt: tokenizer.decode(ids), text: tokenizer.decode(sampled) });
  }

  snapshot(): Snapshot {
    const { model, vocabulary } = this.#corpus;
    return {
      config: model,
      weights: this.#weights,
      optimizer: this.#trainStep.optimizer,
      data: this.#stream.state,
      writeBeside: vocabulary.save,
    };
  }

  async close(): Promise<void> {
    for (const owned of [this.#validation, this.#trainStep, this.#objective, this.#model]) owned.dispose();
    for (const weight of this.#weights.values()) weight.dispose();
    this.#corpus.dataset.close();
  }

  #microBatches(windows: readonly Int32Array[]): (readonly [Tensor])[] {
    const { sequenceLength } = this.#config;
    const size = this.#microBatch;
    return Array.from({ length: windows.length / size }, (_, i) => [
      shiftedWindows(windows.slice(i * size, (i + 1) * size), sequenceLength, this.#run.device),
    ]);
  }

  /** Waits for a queued step and logs it. */
  async #finish({ rates, windows, report: running }: QueuedStep): Promise<void> {
    const { step, learningRate } = rates;
    const report = await running.catch(async (error: Error) => {
      const message = `step ${step}: ${error.message}: ${await this.#findCause(windows)}`;
      this.#alarm(step, 'not-finite', message);
      throw new TrainError(`step ${step}`, message, remedyForNaN); // a kernel refused a number: nothing can continue
    });
    const { secondsPerStep, secondsLeft } = this.#run.endStep();
    const tokensPerStep = this.#config.batchSize * this.#config.sequenceLength;
    const tokensPerSecond = tokensPerStep / secondsPerStep;
    this.#run.count({ training: tokensPerStep * this.#flopsPerToken });
    const { loss, mtpLoss, balanceLoss } = report.metrics;
    this.#run.emit({
      event: 'step',
      step,
      tokens: step * tokensPerStep,
      loss: finite(loss),
      ...(mtpLoss !== undefined && { mtpLoss: finite(mtpLoss) }),
      ...(balanceLoss !== undefined && { balanceLoss: finite(balanceLoss) }),
      gradientNorm: finite(report.gradientNorm),
      learningRate,
      tokensPerSecond,
      mfu: (tokensPerSecond * this.#flopsPerToken) / this.#gemmRate,
      maxVio: worstViolation(report.load),
      memoryBytes: process.memoryUsage.rss(),
      secondsLeft,
      ...(step % loadPeriod === 0 && report.load.length > 0 && { load: report.load.map((layer) => [...layer]) }),
    });
    for (const { kind, message } of this.#watch.see(report)) this.#alarm(step, kind, message);
    if (Number.isFinite(report.gradientNorm)) this.#badSteps = 0;
    else await this.#reportBadStep(step, windows);
  }

  #alarm(step: number, kind: AlarmKind, message: string): void {
    this.#run.emit({ event: 'alarm', step, kind, message });
  }

  /** Finds where the first number of a step that is not finite comes from, in words. */
  async #findCause(windows: readonly Int32Array[]): Promise<string> {
    const count = windows.length / this.#microBatch;
    for (let i = 0; i < count; i++) {
      const found = await findBadOp(this.#weights, () => {
        this.#trainStep.gradients(this.#microBatches(windows)[i]);
      });
      if (found !== null) return found;
    }
    return 'it was finite when it was run again';
  }

  /** Says where a gradient that is not finite came from, and gives up after several of them. */
  async #reportBadStep(step: number, windows: readonly Int32Array[]): Promise<void> {
    this.#badSteps++;
    const message = `step ${step} has no finite gradient and changed nothing: ${await this.#findCause(windows)}`;
    this.#alarm(step, 'not-finite', message);
    if (this.#badSteps < maxBadSteps) return;
    const problem = `${maxBadSteps} steps in a row had no finite gradient: ${message}`;
    throw new TrainError(`step ${step}`, problem, remedyForNaN);
  }
}

function describeData(dataset: Dataset): Lineage['data'] {
  const { hash, tokenizerHash: tokenizer, documents, sources, train, validation } = dataset;
  return { hash, tokenizer, documents, tokens: train.tokens + validation.tokens, sources: [...sources] };
}

function objectiveOptions({ balance, ...config }: PretrainConfig) {
  return {
    sequences: config.microBatchSize ?? config.batchSize,
    sequenceLength: config.sequenceLength,
    policy: precisions[config.precision],
    balance: balance.method,
    alpha: balance.method === 'loss' ? balance.auxiliaryAlpha : balance.sequenceAlpha,
  };
}

function openStream(config: PretrainConfig, { model, vocabulary, dataset }: PretrainCorpus): BatchStream {
  const { batchSize, sequenceLength, seed, data } = config;
  const { fim, endId } = vocabulary;
  return new BatchStream(dataset.train, {
    batch: batchSize,
    sequenceLength,
    windowLength: windowLength(model, sequenceLength),
    seed,
    mode: data.mode,
    ...(data.fimRate > 0 && fim && { fim: { rate: data.fimRate, ids: fim, endId } }),
  });
}

/**
 * Returns the measured rate of a bf16 GEMM of 1024 x 1024 x 1024 in FLOP/s; smaller where there are no native kernels.
 */
async function measureGemmRate(device: Device): Promise<number> {
  const n = device.name === 'native' ? 1024 : device.name === 'wasm' ? 256 : 32;
  const [x, w] = unscoped(() => [0, 1].map(() => zeros([n, n], { dtype: 'bf16', device })));
  const work: Work = { encode: () => linear(x, w, { precision: 'bf16' }).dispose(), amount: 2 * n ** 3 };
  const [{ median }] = await measure(device, [work], 3);
  for (const operand of [x, w]) operand.dispose();
  return median;
}

// The loop of pretraining: evaluate, sample, save, test for stop, *step*, log.
//
// Contract: a run that was killed at any moment goes on from its last whole checkpoint and ends in the same weights to
// the bit, on any number of threads. One step is queued while the one before is logged. Left out: what is prepared
// before the first step (open-run.ts).
import { validationBatches } from '../corpus/index.ts';
import { flopsPerToken, precisions } from '../model/index.ts';
import { scope } from '../tensor/index.ts';
import { Watch } from './alarms.ts';
import { TrainError } from './errors.ts';
import { finite } from './events.ts';
import { firstBadOp } from './first-bad-op.ts';
import { worstViolation } from './load.ts';
import type { PretrainRun } from './open-run.ts';
import { shiftedWindows, windowLength } from './pretrain-objective.ts';
import type { Outcome } from './run/records.ts';
import { sampleIds } from './sample.ts';
import { learningRateAt, switched } from './schedule.ts';
import type { Rates, StepReport } from './train-step.ts';

/** Steps in a row that changed nothing, after which a run fails. */
const maxBadSteps = 5;
/** Steps over which tokens a second are averaged. */
const paceSteps = 20;
/** Loads of all experts are logged every so many steps. */
const loadEvery = 10;
/** Of the text held out, where the recipe names no prompt. */
const promptTokens = 12;
const remedyForNaN = 'resume from the last checkpoint with a lower rate: --resume --set schedule.learningRate=...';

interface Queued {
  readonly rates: Rates;
  readonly windows: readonly Int32Array[];
  readonly report: Promise<StepReport>;
}

export class PretrainLoop {
  readonly #run: PretrainRun;
  readonly #watch = new Watch();
  readonly #flopsPerToken: number;
  /** When the last steps ended, milliseconds. */
  #ends: number[] = [];
  #badSteps = 0;
  #step: number;

  constructor(run: PretrainRun) {
    this.#run = run;
    this.#step = run.fromStep;
    const { training, mtpTraining } = flopsPerToken(run.model.config, run.config.sequenceLength);
    this.#flopsPerToken = training + mtpTraining;
  }

  /** Runs to the last step, or until the signal; either way a checkpoint of the last step is on disk. */
  async run(signal?: AbortSignal): Promise<Outcome> {
    const { steps, every } = this.#run.config;
    let queued: Queued | null = null;
    const settle = async () => {
      if (queued) await this.#log(queued);
      queued = null;
    };
    for (;;) {
      const isLast = this.#step === steps;
      const isStopped = signal?.aborted === true && !isLast;
      const due = (period: number) => isLast || this.#step % period === 0;
      const isNew = this.#step > this.#run.fromStep;
      if (isStopped || due(every.evaluate) || (isNew && (due(every.sample) || due(every.save)))) {
        await settle();
        this.#ends = [];
      }
      if (due(every.evaluate) && (isNew || this.#step === 0)) await this.#evaluate();
      if (isNew && due(every.sample)) await this.#sample();
      if (isNew && (isStopped || due(every.save))) await this.#save();
      if (isLast || isStopped) return this.#run.records.end(this.#at, isLast ? 'completed' : 'stopped');
      const next = this.#queueStep(this.#step + 1);
      await settle();
      queued = next;
      this.#step++;
    }
  }

  /** What a run that cannot go on leaves: its lineage and its last event say why. */
  fail(error: Error): Promise<void> {
    return this.#run.records.fail(this.#at, error);
  }

  #ratesOf(step: number): Rates {
    const { schedule, steps, balance } = this.#run.config;
    const speed = switched(balance.biasUpdateSpeed, 0, balance.biasFixedFrom, step, steps);
    return {
      step,
      learningRate: learningRateAt(schedule, step, steps),
      biasUpdateSpeed: balance.method === 'bias' ? speed : 0,
    };
  }

  #queueStep(step: number): Queued {
    const { config, stream, objective, trainStep, model } = this.#run;
    const windows = stream.next();
    const rates = this.#ratesOf(step);
    const { weight, lateWeight, lateFrom } = config.mtp;
    objective.mtpWeight = switched(weight, lateWeight, lateFrom, step, config.steps);
    const size = config.microBatchSize ?? config.batchSize;
    const report = scope(() => {
      const batches = Array.from({ length: windows.length / size }, (_, i) => [
        shiftedWindows(windows.slice(i * size, (i + 1) * size), config.sequenceLength, model.embedTokens.device),
      ]);
      return { made: trainStep.run(batches, rates) };
    }).made;
    return { rates, windows, report };
  }

  async #log({ rates, windows, report: promise }: Queued): Promise<void> {
    const report = await promise.catch((error: Error) => this.#broken(rates.step, windows, error));
    const { config, records, gemmRate } = this.#run;
    const { step, learningRate } = rates;
    const tokensPerStep = config.batchSize * config.sequenceLength;
    this.#ends.push(performance.now());
    const [first, last] = [this.#ends.at(-1 - paceSteps) ?? this.#ends[0], this.#ends.at(-1)] as [number, number];
    const spans = Math.min(paceSteps, this.#ends.length - 1);
    const secondsPerStep = spans > 0 ? (last - first) / 1000 / spans : 0;
    const tokensPerSecond = spans > 0 ? tokensPerStep / secondsPerStep : 0;
    const { loss, mtpLoss, balanceLoss } = report.metrics;
    records.log.append({
      event: 'step',
      step,
      tokens: step * tokensPerStep,
      loss: finite(loss),
      ...(mtpLoss !== undefined && { mtpLoss: finite(mtpLoss) }),
      ...(balanceLoss !== undefined && { balanceLoss: finite(balanceLoss) }),
      gradientNorm: finite(report.gradientNorm),
      learningRate,
      tokensPerSecond,
      mfu: (tokensPerSecond * this.#flopsPerToken) / gemmRate,
      maxVio: worstViolation(report.load),
      memoryBytes: process.memoryUsage.rss(),
      secondsLeft: (config.steps - step) * secondsPerStep,
      ...(step % loadEvery === 0 && report.load.length > 0 && { load: report.load.map((layer) => [...layer]) }),
    });
    for (const alarm of this.#watch.see(report)) records.log.append({ event: 'alarm', step, ...alarm });
    if (Number.isFinite(report.gradientNorm)) this.#badSteps = 0;
    else await this.#notFinite(step, windows);
  }

  /** Where the first number of a step that is not finite comes from, in words. */
  async #whereFrom(windows: readonly Int32Array[]): Promise<string> {
    const { config, model, weights, trainStep } = this.#run;
    const size = config.microBatchSize ?? config.batchSize;
    for (let at = 0; at < windows.length; at += size) {
      const part = windows.slice(at, at + size);
      const found = await firstBadOp(weights, () => {
        trainStep.gradients([shiftedWindows(part, config.sequenceLength, model.embedTokens.device)]);
      });
      if (found !== null) return found;
    }
    return 'it was finite when it was run again';
  }

  /** A kernel refused a number: there is nothing to go on with. */
  async #broken(step: number, windows: readonly Int32Array[], error: Error): Promise<never> {
    const message = `step ${step}: ${error.message}: ${await this.#whereFrom(windows)}`;
    this.#run.records.log.append({ event: 'alarm', step, kind: 'not-finite', message });
    throw new TrainError(`step ${step}`, message, remedyForNaN);
  }

  /** A step whose gradient was not finite changed nothing; says where it came from, and gives up after several. */
  async #notFinite(step: number, windows: readonly Int32Array[]): Promise<void> {
    this.#badSteps++;
    const message = `step ${step} has no finite gradient and changed nothing: ${await this.#whereFrom(windows)}`;
    this.#run.records.log.append({ event: 'alarm', step, kind: 'not-finite', message });
    if (this.#badSteps >= maxBadSteps)
      throw new TrainError(
        `step ${step}`,
        `${maxBadSteps} steps in a row had no finite gradient: ${message}`,
        remedyForNaN,
      );
  }

  async #evaluate(): Promise<void> {
    const { config, dataset, evaluation, model, records } = this.#run;
    const batches = validationBatches(
      dataset.validation,
      {
        batch: config.microBatchSize ?? config.batchSize,
        sequenceLength: config.sequenceLength,
        windowLength: windowLength(model.config, config.sequenceLength),
      },
      config.evaluateTokens,
    );
    const { loss, tokens, load } = await evaluation.run(batches);
    if (tokens === 0) return;
    records.log.append({ event: 'evaluated', step: this.#step, loss, tokens, maxVio: worstViolation(load) });
  }

  async #sample(): Promise<void> {
    const { config, vocabulary, model, dataset, records } = this.#run;
    const { samplePrompt, sampleTokens, sequenceLength } = config;
    const { tokenizer, endId } = vocabulary;
    const split = dataset.validation.tokens > 0 ? dataset.validation : dataset.train;
    const ids =
      samplePrompt === null
        ? split.read(0, Math.min(promptTokens, split.tokens))
        : tokenizer.encode(samplePrompt, { plain: true });
    const prompt = tokenizer.decode(ids);
    const room = Math.min(sampleTokens, sequenceLength - ids.length);
    if (room <= 0) return;
    const policy = precisions[config.precision];
    const made = await sampleIds(model, ids, { policy, tokens: room, seed: config.seed, endId });
    records.log.append({ event: 'sampled', step: this.#step, prompt, text: tokenizer.decode(made) });
  }

  #save(): Promise<void> {
    const { config, model, weights, trainStep, stream, vocabulary, records } = this.#run;
    const { optimizer } = trainStep;
    return records.save(
      { ...this.#at, config: model.config, weights, optimizer, data: stream.state, beside: vocabulary.save },
      config.keepCheckpoints,
    );
  }

  get #at() {
    const { batchSize, sequenceLength } = this.#run.config;
    return { step: this.#step, tokens: this.#step * batchSize * sequenceLength };
  }
}

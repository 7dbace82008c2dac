// The loop of reinforcement learning: evaluate, sample, save, test for stop, *step*, log.
//
// A step: ask, judge, weigh, train. Contract: a run that was killed at any moment goes on from its last whole checkpoint
// and ends in the same weights to the bit. Source: DeepSeek-R1, 2.2.
import { join } from 'node:path';
import { evaluateInTraining, evaluationEvent } from '../eval/index.ts';
import { exportWeights, writeSafetensors } from '../model/checkpoint/index.ts';
import {
  expectFinite,
  finite,
  learningRateAt,
  type Outcome,
  type StepReport,
  stepOnSequences,
  type TrainSequence,
  worstViolation,
} from '../train/index.ts';
import { type Group, summary, trainSequences } from './batch.ts';
import { collectGroups } from './collect.ts';
import { Diagnosis } from './diagnosis.ts';
import { type RlRun, rlFiles } from './open-run.ts';

/** Numbers of a step's updates over all their tokens; the mismatch is the first one's, whose weights made the rollouts. */
function together(reports: readonly StepReport[], tokens: number) {
  const [first, last] = [reports[0], reports.at(-1)] as [StepReport, StepReport];
  const sum = (name: string) => reports.reduce((total, { metrics }) => total + metrics[name], 0);
  return {
    loss: finite(sum('loss') / reports.length),
    kl: finite(sum('kl') / tokens),
    clipped: finite(sum('clipped') / tokens),
    entropy: finite(sum('entropy') / tokens),
    mismatch: first.metrics.mismatch,
    gradientNorm: finite(Math.max(...reports.map(({ gradientNorm }) => gradientNorm))),
    maxVio: worstViolation(last.load),
  };
}

export class RlLoop {
  readonly #run: RlRun;
  readonly #diagnosis = new Diagnosis();
  readonly #began = performance.now();
  #step: number;
  #asked: number;
  #tokens: number;
  #latest: Group | null = null;

  constructor(run: RlRun) {
    this.#run = run;
    this.#step = run.fromStep;
    this.#asked = run.asked;
    this.#tokens = run.tokens;
  }

  /** Runs to the last step, or until the signal; either way a checkpoint of the last step is on disk. */
  async run(signal?: AbortSignal): Promise<Outcome> {
    const { steps, every, referenceEvery } = this.#run.config;
    for (;;) {
      const isLast = this.#step === steps;
      const isStopped = signal?.aborted === true && !isLast;
      const isNew = this.#step > this.#run.fromStep;
      const due = (period: number) => isLast || this.#step % period === 0;
      if (due(every.evaluate) && (isNew || this.#step === 0)) await this.#evaluate();
      if (isNew && due(every.sample)) this.#sample();
      if (isNew && this.#step % referenceEvery === 0) await this.#renewReference();
      if (isNew && (isStopped || due(every.save))) await this.#save();
      if (isLast || isStopped) return this.#run.records.end(this.#at, isLast ? 'completed' : 'stopped');
      await this.#one(this.#step + 1, signal);
    }
  }

  /** What a run that cannot go on leaves: its lineage and its last event say why. */
  fail(error: Error): Promise<void> {
    return this.#run.records.fail(this.#at, error);
  }

  async #one(step: number, signal?: AbortSignal): Promise<void> {
    const { config, records } = this.#run;
    const began = performance.now();
    const collected = await collectGroups(this.#run, step, this.#asked, signal).catch((error: unknown) => {
      if (signal?.aborted) return null;
      throw error;
    });
    if (collected === null) return; // stopped while asking: the step is not begun
    const { groups, asked, generated, ...asking } = collected;
    const rolled = performance.now();
    const trained = await this.#train(step, trainSequences(groups, config));
    const ended = performance.now();
    this.#step = step;
    this.#asked = asked;
    this.#tokens += trained.tokens;
    this.#latest = groups[step % groups.length];
    const perStep = (performance.now() - this.#began) / 1000 / (step - this.#run.fromStep);
    const told = {
      step,
      ...summary(groups),
      ...asking,
      ...trained.told,
      learningRate: this.#rate(step),
      rolloutSeconds: (rolled - began) / 1000,
      trainSeconds: (ended - rolled) / 1000,
      rolloutTokensPerSecond: (1000 * generated) / (rolled - began),
      secondsLeft: perStep * (config.steps - step),
    };
    records.log.append({ event: 'step', ...told });
    for (const { kind, message } of this.#diagnosis.see(told))
      records.log.append({ event: 'alarm', step, kind, message });
    expectFinite(step, told.gradientNorm);
  }

  #rate(step: number): number {
    const { learningRate, warmupSteps, steps } = this.#run.config;
    const schedule = {
      learningRate,
      minLearningRate: learningRate,
      warmupSteps,
      decay: 'constant',
      decayFrom: 1,
    } as const;
    return learningRateAt(schedule, step, steps);
  }

  /** The updates of a step, and what they say together. */
  async #train(step: number, updates: readonly (readonly TrainSequence[])[]) {
    const { trainStep, shape, model } = this.#run;
    const { device } = model.embedTokens;
    const learningRate = this.#rate(step);
    const reports: StepReport[] = [];
    for (const [update, sequences] of updates.entries()) {
      const rates = { step: (step - 1) * updates.length + update + 1, learningRate, biasUpdateSpeed: 0 };
      reports.push(await stepOnSequences(trainStep, sequences, { shape, rates, device }));
    }
    const tokens = updates.flat().reduce((sum, { ids, promptLength }) => sum + ids.length - promptLength, 0);
    return { tokens, told: together(reports, tokens) };
  }

  async #evaluate(): Promise<void> {
    const { config, answer, questions, records } = this.#run;
    const { evaluation, maxTokens } = config;
    for (const each of await evaluateInTraining(answer, questions, { ...evaluation, maxTokens }))
      records.log.append({ event: 'evaluated', step: this.#step, ...evaluationEvent(each) });
  }

  #sample(): void {
    if (this.#latest === null) return;
    const { question, responses } = this.#latest;
    const { text, verdict, reward } = responses[0];
    this.#run.records.log.append({
      event: 'sampled',
      step: this.#step,
      prompt: question.prompt.join(''),
      text,
      verdict,
      reward,
    });
  }

  async #renewReference(): Promise<void> {
    const { weights, reference } = this.#run;
    for (const [name, weight] of weights) reference.get(name)?.write((await weight.read()) as Float32Array);
  }

  #save(): Promise<void> {
    const { config, model, weights, reference, trainStep, vocabulary, records } = this.#run;
    const { optimizer } = trainStep;
    const beside = async (aside: string) => {
      vocabulary.save(aside);
      await writeSafetensors(join(aside, rlFiles.reference), exportWeights(model.config, reference, 'f32'));
    };
    const data = { asked: this.#asked };
    return records.save(
      { ...this.#at, config: model.config, weights, optimizer, data, beside },
      config.keepCheckpoints,
    );
  }

  get #at() {
    return { step: this.#step, tokens: this.#tokens };
  }
}

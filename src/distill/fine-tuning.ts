// The loop of supervised fine-tuning: evaluate, save, test for stop, *step*, log.
//
// Contract: a run that was killed at any moment goes on from its last whole checkpoint and ends in the same weights to
// the bit. A gradient that is not finite ends the run; its last checkpoint stays.
import { evaluationEvent } from '../eval/index.ts';
import { expectFinite, finite, learningRateAt, type Outcome, type Records, stepOnSequences } from '../train/index.ts';
import type { DistilConfig } from './config.ts';
import type { DistilEvent } from './events.ts';
import { lessonsOfStep, stepsOfEpoch } from './lessons.ts';
import type { Student } from './open-student.ts';
import { lessonSequences } from './sft-objective.ts';

export interface TuningState {
  readonly fromStep: number;
  /** Learned before. */
  readonly tokens: number;
  /** Of traces.jsonl. */
  readonly tracesSha256: string;
}

export class FineTuning {
  readonly #config: DistilConfig;
  readonly #student: Student;
  readonly #records: Records<DistilEvent>;
  readonly #state: TuningState;
  readonly #steps: number;
  #step: number;
  #tokens: number;
  #seconds = 0;

  constructor(config: DistilConfig, student: Student, records: Records<DistilEvent>, state: TuningState) {
    this.#config = config;
    this.#student = student;
    this.#records = records;
    this.#state = state;
    this.#steps = config.epochs * stepsOfEpoch(student.lessons.length, config.batch);
    this.#step = state.fromStep;
    this.#tokens = state.tokens;
  }

  get at(): { readonly step: number; readonly tokens: number } {
    return { step: this.#step, tokens: this.#tokens };
  }

  get steps(): number {
    return this.#steps;
  }

  /** Runs to the last step, or until the signal; either way a checkpoint of the last step is on disk. */
  async run(signal?: AbortSignal): Promise<Outcome> {
    const { saveEvery, evaluateEvery } = this.#config;
    for (;;) {
      const isLast = this.#step === this.#steps;
      const isStopped = signal?.aborted === true && !isLast;
      const isNew = this.#step > this.#state.fromStep;
      const due = (period: number) => isLast || this.#step % period === 0;
      if (due(evaluateEvery) && (isNew || this.#step === 0)) await this.#evaluate();
      if (isNew && (isStopped || due(saveEvery))) await this.#save();
      if (isLast || isStopped) return isLast ? 'completed' : 'stopped';
      await this.#one(this.#step + 1);
    }
  }

  async #evaluate(): Promise<void> {
    for (const each of await this.#student.evaluation.run())
      this.#records.log.append({ event: 'evaluated', step: this.#step, ...evaluationEvent(each) });
  }

  #rate(step: number): number {
    const { learningRate, finalShare, warmupSteps } = this.#config;
    const minLearningRate = finalShare * learningRate;
    const schedule = { learningRate, minLearningRate, warmupSteps, decay: 'cosine', decayFrom: 0 } as const;
    return learningRateAt(schedule, step, this.#steps);
  }

  async #one(step: number): Promise<void> {
    const { trainStep, shape, lessons, model } = this.#student;
    const { device } = model.embedTokens;
    const began = performance.now();
    const own = lessonsOfStep(lessons, step, this.#config);
    const learned = own.reduce((sum, { response }) => sum + response.length, 0);
    const rates = { step, learningRate: this.#rate(step), biasUpdateSpeed: 0 };
    const report = await stepOnSequences(trainStep, lessonSequences(own), { shape, rates, device });
    const { metrics, gradientNorm } = report;
    const seconds = (performance.now() - began) / 1000;
    this.#step = step;
    this.#tokens += learned;
    this.#seconds += seconds;
    this.#records.log.append({
      event: 'step',
      step,
      epoch: Math.ceil(step / stepsOfEpoch(lessons.length, this.#config.batch)),
      loss: finite(metrics.loss),
      gradientNorm: finite(gradientNorm),
      learningRate: rates.learningRate,
      tokensPerSecond: learned / seconds,
      secondsLeft: (this.#seconds / (step - this.#state.fromStep)) * (this.#steps - step),
    });
    expectFinite(step, gradientNorm);
  }

  #save(): Promise<void> {
    const { model, weights, trainStep, vocabulary } = this.#student;
    const { optimizer } = trainStep;
    const data = { traces: this.#state.tracesSha256 };
    return this.#records.save(
      { ...this.at, config: model.config, weights, optimizer, data, beside: vocabulary.save },
      this.#config.keepCheckpoints,
    );
  }
}

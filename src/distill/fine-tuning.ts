// The loop of supervised fine-tuning: *step*, log, save, test for stop.
//
// Contract: a run that was killed at any moment goes on from its last whole checkpoint and ends in the same weights to
// the bit. A gradient that is not finite ends the run; its last checkpoint stays.
import { scope } from '../tensor/index.ts';
import { learningRateAt, packed, saveCheckpoint, sequenceInputs, TrainError, writeLineage } from '../train/index.ts';
import type { DistilConfig } from './config.ts';
import { lessonsOfStep, stepsOfEpoch } from './lessons.ts';
import type { Student } from './open-student.ts';
import type { Records } from './records.ts';
import { lessonSequences } from './sft-objective.ts';

const finite = (x: number | undefined) => (x !== undefined && Number.isFinite(x) ? x : null);

export interface TuningState {
  readonly folder: string;
  readonly fromStep: number;
  /** Learned before. */
  readonly tokens: number;
  /** Of traces.jsonl. */
  readonly tracesSha256: string;
}

export class FineTuning {
  readonly #config: DistilConfig;
  readonly #student: Student;
  readonly #records: Records;
  readonly #state: TuningState;
  readonly #steps: number;
  #step: number;
  #tokens: number;
  #seconds = 0;

  constructor(config: DistilConfig, student: Student, records: Records, state: TuningState) {
    this.#config = config;
    this.#student = student;
    this.#records = records;
    this.#state = state;
    this.#steps = config.epochs * stepsOfEpoch(student.lessons.length, config.batch);
    this.#step = state.fromStep;
    this.#tokens = state.tokens;
  }

  get step(): number {
    return this.#step;
  }

  get steps(): number {
    return this.#steps;
  }

  /** Runs to the last step, or until the signal; either way a checkpoint of the last step is on disk. */
  async run(signal?: AbortSignal): Promise<'completed' | 'stopped'> {
    const { saveEvery } = this.#config;
    while (this.#step < this.#steps && !signal?.aborted) {
      await this.#one(this.#step + 1);
      const isDue = this.#step === this.#steps || this.#step % saveEvery === 0 || signal?.aborted;
      if (isDue) await this.#save();
    }
    return this.#step === this.#steps ? 'completed' : 'stopped';
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
    const { report } = scope(() => ({
      report: trainStep.run(
        packed(lessonSequences(own), shape).map((bin) => sequenceInputs(bin, shape, device)),
        rates,
      ),
    }));
    const { metrics, gradientNorm } = await report;
    const seconds = (performance.now() - began) / 1000;
    this.#step = step;
    this.#tokens += learned;
    this.#seconds += seconds;
    this.#records.log.append({
      ...{ event: 'step', step, epoch: Math.ceil(step / stepsOfEpoch(lessons.length, this.#config.batch)) },
      ...{ loss: finite(metrics.loss), gradientNorm: finite(gradientNorm), learningRate: rates.learningRate },
      tokensPerSecond: learned / seconds,
      secondsLeft: (this.#seconds / (step - this.#state.fromStep)) * (this.#steps - step),
    });
    if (!Number.isFinite(gradientNorm))
      throw new TrainError(
        `step ${step}`,
        'the gradient is not finite',
        'resume from the last checkpoint with a lower rate',
      );
  }

  async #save(): Promise<void> {
    const { model, weights, trainStep, saveTokenizer } = this.#student;
    const { folder, tracesSha256: traces } = this.#state;
    const [step, tokens] = [this.#step, this.#tokens];
    const { keepCheckpoints } = this.#config;
    const saved = await saveCheckpoint(
      folder,
      {
        ...{ config: model.config, weights, optimizer: trainStep.optimizer, step, tokens, data: { traces } },
        beside: async (aside, sha256) => {
          saveTokenizer(aside);
          const reason = 'checkpoint of a run';
          await writeLineage(aside, { ...this.#records.lineage, reason, weights: sha256, steps: step, tokens });
        },
      },
      keepCheckpoints,
    );
    await this.#records.write({ weights: saved.sha256, steps: step, tokens });
    this.#records.log.append({ event: 'saved', step, folder: saved.folder, sha256: saved.sha256 });
  }
}

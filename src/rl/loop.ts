// The loop of reinforcement learning: evaluate, sample, save, test for stop, *step*, log.
//
// A step: ask, judge, weigh, train. Contract: a run that was killed at any moment goes on from its last whole checkpoint
// and ends in the same weights to the bit. Source: DeepSeek-R1, 2.2; DAPO for other questions in place of silent groups.
import { join } from 'node:path';
import { hash32 } from '../data/index.ts';
import { exportWeights, writeSafetensors } from '../model/checkpoint/index.ts';
import { scope } from '../tensor/index.ts';
import {
  learningRateAt,
  packed,
  type StepReport,
  saveCheckpoint,
  sequenceInputs,
  TrainError,
  withSeconds,
  worstViolation,
  writeLineage,
} from '../train/index.ts';
import { ask, type Group, hasSignal, summary, trainSequences } from './batch.ts';
import { Diagnosis } from './diagnosis.ts';
import { passAt1 } from './evaluation.ts';
import { type RlRun, rlFiles } from './open-run.ts';
import { questionsOf, trainQuestions } from './question.ts';

export type RlOutcome = 'completed' | 'stopped';

/** Streams of chance. */
const streams = { rollout: 1, evaluation: 2 } as const;

const finite = (x: number | undefined) => (x !== undefined && Number.isFinite(x) ? x : null);

export class RlLoop {
  readonly #run: RlRun;
  readonly #diagnosis = new Diagnosis();
  readonly #began = performance.now();
  #step: number;
  #asked: number;
  #tokens = 0;
  #weightsSha256: string | null = null;
  #latest: Group | null = null;

  constructor(run: RlRun) {
    this.#run = run;
    this.#step = run.fromStep;
    this.#asked = run.asked;
  }

  /** Runs to the last step, or until the signal; either way a checkpoint of the last step is on disk. */
  async run(signal?: AbortSignal): Promise<RlOutcome> {
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
      if (isLast || isStopped) return this.#end(isLast ? 'completed' : 'stopped');
      await this.#one(this.#step + 1, signal);
    }
  }

  /** What a run that cannot go on leaves: its lineage and its last event say why. */
  async fail(error: Error): Promise<void> {
    await this.#writeLineage('failed', error.message);
    this.#run.log.append({ event: 'ended', step: this.#step, status: 'failed', reason: error.message });
  }

  async #one(step: number, signal?: AbortSignal): Promise<void> {
    const { config, log } = this.#run;
    const began = performance.now();
    const { groups, silent } = await this.#collect(step, signal).catch((error: unknown) => {
      if (signal?.aborted) return { groups: null, silent: 0 };
      throw error;
    });
    if (groups === null) return; // stopped while asking: the step is not begun
    const rolled = performance.now();
    const sequences = trainSequences(groups, config);
    const learned = sequences.reduce((sum, { ids, promptLength }) => sum + ids.length - promptLength, 0);
    const { first, last } = await this.#train(step, sequences);
    const ended = performance.now();
    this.#step = step;
    this.#tokens += learned;
    this.#latest = groups[step % groups.length] as Group;
    const perStep = (performance.now() - this.#began) / 1000 / (step - this.#run.fromStep);
    const told = {
      step,
      ...summary(groups),
      silentGroups: silent,
      loss: finite(first.metrics.loss),
      kl: finite((first.metrics.kl as number) / learned),
      clipped: finite((last.metrics.clipped as number) / learned),
      entropy: finite((first.metrics.entropy as number) / learned),
      mismatch: first.metrics.mismatch as number,
      gradientNorm: finite(last.gradientNorm),
      learningRate: this.#rate(step),
      maxVio: worstViolation(last.load),
      rolloutSeconds: (rolled - began) / 1000,
      trainSeconds: (ended - rolled) / 1000,
      rolloutTokensPerSecond: (1000 * learned) / (rolled - began),
      secondsLeft: perStep * (config.steps - step),
    };
    log.append({ event: 'step', ...told });
    for (const { kind, message } of this.#diagnosis.see(told)) log.append({ event: 'alarm', step, kind, message });
    if (!Number.isFinite(last.gradientNorm))
      throw new TrainError(
        `step ${step}`,
        'the gradient is not finite',
        'resume from the last checkpoint with a lower rate',
      );
  }

  /** Groups of the step; with resamplings, silent ones are replaced by other questions. */
  async #collect(step: number, signal?: AbortSignal): Promise<{ groups: Group[]; silent: number }> {
    const { config, rollouts, questions, decode } = this.#run;
    const { questions: wanted, groupSize: samples, resamplings, temperature, rewards, seed } = config;
    const kept: Group[] = [];
    const spare: Group[] = [];
    let seen = 0;
    for (let round = 0; round <= resamplings && kept.length < wanted; round++) {
      const asked = await trainQuestions(questions, this.#asked, this.#asked + wanted);
      this.#asked += wanted;
      const made = await ask(rollouts, asked, {
        ...{ samples, rewards, decode, signal, sampling: { temperature } },
        seed: hash32(seed, step, round, streams.rollout),
      });
      seen += made.length;
      for (const group of made) (hasSignal(group) ? kept : spare).push(group);
    }
    const silent = spare.length / seen;
    return { groups: [...kept, ...spare].slice(0, wanted), silent };
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

  /** The updates of a step; the first one's numbers are those of the weights that made the rollouts. */
  async #train(
    step: number,
    sequences: ReturnType<typeof trainSequences>,
  ): Promise<{ first: StepReport; last: StepReport }> {
    const { config, trainStep, shape, model } = this.#run;
    const { device } = model.embedTokens;
    const each = Math.ceil(sequences.length / config.updates);
    const reports: StepReport[] = [];
    for (let update = 0; update < config.updates; update++) {
      const part = sequences.slice(update * each, (update + 1) * each);
      const rates = {
        step: (step - 1) * config.updates + update + 1,
        learningRate: this.#rate(step),
        biasUpdateSpeed: 0,
      };
      const { report } = scope(() => ({
        report: trainStep.run(
          packed(part, shape).map((bin) => sequenceInputs(bin, shape, device)),
          rates,
        ),
      }));
      reports.push(await report);
    }
    return { first: reports[0] as StepReport, last: reports.at(-1) as StepReport };
  }

  async #evaluate(): Promise<void> {
    const { config, rollouts, questions, decode, log } = this.#run;
    const { problems, samples, temperature, topP } = config.evaluation;
    for (const chosen of questions.tasks) {
      const asked = await questionsOf(questions, chosen, [...Array(problems).keys()], 'held-out');
      const groups = await ask(rollouts, asked, {
        ...{ samples, rewards: config.rewards, decode, sampling: { temperature, topP } },
        seed: hash32(config.seed, streams.evaluation),
      });
      const { format, tokens } = summary(groups);
      const result = passAt1(groups.map(({ responses }) => responses.map(({ isRight }) => isRight)));
      log.append({
        ...{ event: 'evaluated', step: this.#step, task: chosen.task.name, difficulty: chosen.difficulty },
        ...{ passAt1: result.mean, margin: result.margin, format, tokens, problems, samples },
      });
    }
  }

  #sample(): void {
    if (this.#latest === null) return;
    const { question, responses } = this.#latest;
    const { text, verdict, reward } = responses[0] as (typeof responses)[0];
    this.#run.log.append({ event: 'sampled', step: this.#step, prompt: question.text, text, verdict, reward });
  }

  async #renewReference(): Promise<void> {
    const { weights, reference } = this.#run;
    for (const [name, weight] of weights) reference.get(name)?.write((await weight.read()) as Float32Array);
  }

  async #save(): Promise<void> {
    const { folder, config, model, weights, reference, trainStep, log } = this.#run;
    const saved = await saveCheckpoint(
      folder,
      {
        ...{ config: model.config, weights, optimizer: trainStep.optimizer, step: this.#step, tokens: this.#tokens },
        data: { asked: this.#asked },
        beside: async (aside, sha256) => {
          this.#run.saveTokenizer(aside);
          await writeSafetensors(join(aside, rlFiles.reference), exportWeights(model.config, reference, 'f32'));
          this.#weightsSha256 = sha256;
          await writeLineage(aside, this.#lineage('running', 'checkpoint of a run'));
        },
      },
      config.keepCheckpoints,
    );
    await this.#writeLineage('running', '');
    log.append({ event: 'saved', step: this.#step, folder: saved.folder, sha256: saved.sha256 });
  }

  async #end(status: RlOutcome): Promise<RlOutcome> {
    const reason = status === 'completed' ? 'all steps are done' : 'asked to stop';
    await this.#writeLineage(status, reason);
    this.#run.log.append({ event: 'ended', step: this.#step, status, reason });
    return status;
  }

  #lineage(status: 'running' | RlOutcome | 'failed', reason: string) {
    const { lineage } = this.#run;
    const weights = this.#weightsSha256 ?? lineage.weights;
    const tokens = lineage.tokens + this.#tokens;
    return withSeconds(
      { ...lineage, status, reason, weights, steps: this.#step, tokens },
      (performance.now() - this.#began) / 1000,
    );
  }

  #writeLineage(status: 'running' | RlOutcome | 'failed', reason: string): Promise<void> {
    return writeLineage(this.#run.folder, this.#lineage(status, reason));
  }
}

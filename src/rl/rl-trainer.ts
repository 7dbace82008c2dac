// Reinforcement learning, a step at a time: sample, judge, weight, train. Source: DeepSeek-R1, 2.2.
//
// Rollouts read the very weights that the optimizer changes. The reference is the model that the run begins from,
// renewed every `referenceEvery` steps; a checkpoint has it beside the weights, and the state of curriculum, length
// budget and the count of steps without signal.
import { join } from 'node:path';
import { evaluateInTraining, evaluationEvent, expectVerdicts, type GraderFaults, sumFaults } from '../eval/index.ts';
import { sum } from '../math/index.ts';
import { exportWeights, writeSafetensors } from '../model/checkpoint/index.ts';
import { countParameters } from '../model/index.ts';
import { closeTasks } from '../tasks/index.ts';
import {
  counting,
  eventsNamed,
  expectFinite,
  finite,
  learningRateAt,
  type Run,
  readEvents,
  runFiles,
  type Snapshot,
  type StepReport,
  TrainError,
  type Trainer,
  type TrainSequence,
  withoutSuperseded,
  worstViolation,
} from '../train/index.ts';
import { type RolloutGroup, summarize, toUpdates } from './batch.ts';
import { type CollectedGroups, collectGroups } from './collect.ts';
import { Curriculum } from './curriculum.ts';
import { Diagnosis } from './diagnosis.ts';
import { type RlEvent, type RlStepEvent, rlEvents } from './events.ts';
import { expectGatePassed, takeGate } from './gate.ts';
import type { GrpoColumn } from './grpo-objective.ts';
import { LengthBudget, type LengthBudgetState } from './length-budget.ts';
import { NoSignal } from './no-signal.ts';
import { describePlateau } from './plateau.ts';
import { predictRl } from './predict.ts';
import { summarizeReplies } from './reply-reward.ts';
import { RewardHackingWatch, type RewardHistory } from './reward-hacking.ts';
import { type RlParts, referenceFile } from './rl-parts.ts';
import type { RlConfig } from './rl-recipe.ts';

/** Steps over which failing graders are counted. */
const faultSpan = 10;

/** What a checkpoint holds of a run besides weights and moments. */
interface RlState {
  /** Questions since the run began. */
  readonly asked: number;
  readonly learnability: Readonly<Record<string, number>>;
  readonly length: LengthBudgetState;
  /** Steps in a row without signal. */
  readonly silentSteps: number;
  /** What the reward model and rules gave in the last steps. */
  readonly rewards: RewardHistory;
}

/** Adds up the loads of experts over a step's updates. */
function sumLoads(reports: readonly StepReport[]): number[][] {
  const [first] = reports;
  return first.load.map((experts, l) => experts.map((_, e) => reports.reduce((sum, { load }) => sum + load[l][e], 0)));
}

/** Merges the reports of a step's updates; the mismatch is that of the first one, whose weights made the rollouts. */
function mergeReports(reports: readonly StepReport[], tokens: number, responses: number) {
  const [first, last] = [reports[0], reports[reports.length - 1]];
  const ahead = Math.max(1, tokens - responses); // tokens that an MTP module can predict
  const sum = (name: string) => reports.reduce((total, { metrics }) => total + metrics[name], 0);
  return {
    loss: finite(sum('loss') / reports.length),
    kl: finite(sum('kl') / tokens),
    clipped: finite(sum('clipped') / tokens),
    entropy: finite(sum('entropy') / tokens),
    mismatch: first.metrics.mismatch,
    bounded: sum('bounded'),
    ...('changed' in first.metrics && { changed: sum('changed') / tokens }),
    ...('mtpLoss' in first.metrics && {
      mtpLoss: finite(sum('mtpLoss') / ahead),
      draftAcceptance: (tokens - sum('rejected')) / ahead,
    }),
    gradientNorm: finite(Math.max(...reports.map(({ gradientNorm }) => gradientNorm))),
    maxVio: worstViolation(last.load),
    ...(last.load.length > 0 && { load: sumLoads(reports) }),
  };
}

export class RlTrainer implements Trainer {
  readonly origin: Trainer['origin'];
  readonly started: object;
  readonly every: Trainer['every'];
  readonly #config: RlConfig;
  readonly #run: Run<RlEvent>;
  readonly #parts: RlParts;
  readonly #diagnosis = new Diagnosis();
  readonly #curriculum: Curriculum;
  readonly #length: LengthBudget;
  readonly #noSignal: NoSignal;
  readonly #hacking: RewardHackingWatch;
  #steps: number;
  #questionsConsumed: number;
  /** How graders did in the last steps. */
  #faults: readonly GraderFaults[] = [];
  /** The group of the last step that is shown as a sample. */
  #shownGroup: RolloutGroup | null = null;

  constructor(config: RlConfig, run: Run<RlEvent>, parts: RlParts) {
    const { steps, every, model, questions, groupSize } = config;
    this.#config = config;
    this.#run = run;
    this.#parts = parts;
    const state = (run.checkpoint?.state.data ?? {}) as Partial<RlState>;
    this.#questionsConsumed = state.asked ?? 0;
    this.#curriculum = new Curriculum(parts.questions.tasks, config.curriculum, state.learnability);
    this.#length = new LengthBudget(config, state.length);
    this.#noSignal = new NoSignal(config.noSignal, state.silentSteps);
    parts.rollouts.resize(this.#length.maxTokens);
    this.#hacking = new RewardHackingWatch(state.rewards);
    const isLearned = config.noSignal.steps > 0 && this.#noSignal.count >= config.noSignal.steps;
    this.#steps = isLearned || this.#hacking.isGamed ? (run.checkpoint?.state.step ?? steps) : steps;
    this.every = every;
    const { rewardModel } = config;
    this.origin = {
      initial: model,
      others: rewardModel ? [{ role: 'reward model', path: rewardModel.model }] : [],
      predicted: predictRl(config, parts),
    };
    const parameters = countParameters(parts.tuned.model.config).total;
    this.started = { parameters, steps, responsesPerStep: questions * groupSize };
  }

  /** The number of steps: fewer than in the recipe where all that can be learned is learned. */
  get steps(): number {
    return this.#steps;
  }

  /** Takes the gate before the first step. Throws TrainError where the base does not pass. */
  async prepare(): Promise<boolean> {
    const { gate } = this.#config;
    const { checkpoint, signal } = this.#run;
    if (checkpoint !== null || gate.samples === 0) return true;
    const progress = (done: number) => this.#run.progress('gate', done, gate.samples);
    const options = { maxTokens: this.#length.maxTokens, signal, progress };
    const take = () => takeGate(this.#config, this.#parts, options);
    const result = await counting(this.#run, 'evaluation', this.#parts.rollouts, take).catch((error: unknown) => {
      if (signal.aborted) return null;
      throw error;
    });
    if (result === null) return false;
    this.#run.emit({ event: 'gated', ...result });
    expectGatePassed(result, gate);
    return true;
  }

  async step(step: number): Promise<number | null> {
    const began = performance.now();
    const collected = await this.#collect(step);
    if (collected === null) return null;
    const { groups, questionsConsumed, generatedTokens, statistics } = collected;
    this.#faults = [...this.#faults, statistics].slice(-faultSpan);
    expectVerdicts(sumFaults(this.#faults)); // before anything is learned from them
    const rolled = performance.now();
    const learningRate = this.#learningRate(step);
    const { report, tokens } = await this.#train(step, learningRate, toUpdates(groups, this.#config));
    this.#questionsConsumed = questionsConsumed;
    this.#shownGroup = groups[step % groups.length];
    const event = {
      step,
      ...summarize(groups, this.#config.pilot.responses),
      ...statistics,
      ...report,
      ...(this.#config.rewardModel && summarizeReplies(groups, this.#config.rewardModel.weight)),
      maxTokens: this.#length.maxTokens,
      learningRate,
      rolloutSeconds: (rolled - began) / 1000,
      trainSeconds: (performance.now() - rolled) / 1000,
      rolloutTokensPerSecond: (1000 * generatedTokens) / (rolled - began),
      secondsLeft: this.#run.endStep().secondsLeft,
    };
    this.#run.emit({ event: 'step', ...event });
    for (const finding of this.#diagnosis.see(event)) this.#run.emit({ event: 'alarm', step, ...finding });
    expectFinite(step, event.gradientNorm);
    this.#adapt(step, collected, event.truncated);
    if (step % this.#config.referenceEvery === 0) await this.#renewReference();
    this.#expectSignal(step, event);
    this.#watchRewards(step, event);
    return tokens;
  }

  async evaluate(step: number): Promise<void> {
    const { answer, questions } = this.#parts;
    const { evaluation } = this.#config;
    const { signal } = this.#run;
    const options = { ...evaluation, maxTokens: this.#length.maxTokens, signal };
    const ask = () => evaluateInTraining(answer, questions, options);
    const evaluations = await counting(this.#run, 'evaluation', this.#parts.rollouts, ask);
    for (const each of evaluations) this.#run.emit({ event: 'evaluated', step, ...evaluationEvent(each) });
    expectVerdicts(sumFaults(evaluations));
    if (step === this.#steps) this.#fit(step);
  }

  /** Says where the accuracy levels off, from the steps of all sessions. */
  #fit(step: number): void {
    const events = withoutSuperseded(readEvents(join(this.#run.folder, runFiles.events), rlEvents));
    const steps = eventsNamed(events, 'step').map((event) => ({ step: event.step, value: event.accuracy }));
    const plateau = describePlateau(steps);
    if (plateau !== null) this.#run.emit({ event: 'fitted', step, plateau });
  }

  async sample(step: number): Promise<void> {
    if (this.#shownGroup === null) return;
    const { question, responses } = this.#shownGroup;
    const { text, verdict, reward } = responses[0];
    this.#run.emit({ event: 'sampled', step, prompt: question.prompt.join(''), text, verdict, reward });
  }

  snapshot(): Snapshot {
    const { vocabulary, reference, tuned } = this.#parts;
    const { config } = tuned.model;
    const data: RlState = {
      asked: this.#questionsConsumed,
      learnability: this.#curriculum.estimates,
      length: this.#length.state,
      silentSteps: this.#noSignal.count,
      rewards: this.#hacking.history,
    };
    return {
      config,
      weights: tuned.weights,
      optimizer: tuned.trainStep.optimizer,
      data,
      writeBeside: async (folder) => {
        vocabulary.save(folder);
        await writeSafetensors(join(folder, referenceFile), exportWeights(config, reference.weights, 'f32'));
      },
    };
  }

  async close(): Promise<void> {
    const { rollouts, tuned, reference, rewardModel, questions } = this.#parts;
    for (const owned of [rollouts, tuned, rewardModel, reference.model, ...reference.weights.values()])
      owned?.dispose();
    await closeTasks(questions.tasks);
  }

  /** Returns null where the signal aborted it. */
  async #collect(step: number): Promise<CollectedGroups | null> {
    const { questions, answer, rewards } = this.#parts;
    const { signal } = this.#run;
    const source = { answer, rewards, questions: { ...questions, tasks: this.#curriculum.weighted() } };
    const position = {
      step,
      questionsConsumed: this.#questionsConsumed,
      maxTokens: this.#length.maxTokens,
      signal,
    };
    const { rewardModel } = this.#parts;
    const scored = rewardModel?.flops ?? 0;
    const collect = () => collectGroups(this.#config, source, position);
    const collected = counting(this.#run, 'inference', this.#parts.rollouts, collect);
    return collected
      .finally(() => this.#run.count({ inference: (rewardModel?.flops ?? 0) - scored }))
      .catch((error: unknown) => {
        if (signal.aborted) return null;
        throw error;
      });
  }

  /** Changes what the next step is asked, and for how long, by what this one gave. */
  #adapt(step: number, { sampled }: CollectedGroups, truncated: number): void {
    const practiced = this.#curriculum.see(sampled);
    if (this.#parts.questions.tasks.length > 1)
      for (const each of practiced) this.#run.emit({ event: 'practiced', step, ...each });
    const from = this.#length.maxTokens;
    const cutOff = this.#length.see(truncated);
    if (cutOff === null) return;
    const to = this.#length.maxTokens;
    this.#parts.rollouts.resize(to);
    this.#run.emit({ event: 'lengthened', step, from, to, truncated: cutOff });
  }

  /** Ends a run whose groups carry no signal any more: as completed where nearly all answers are correct. */
  #expectSignal(step: number, event: Omit<RlStepEvent, 'event' | 'time'>): void {
    const cause = this.#noSignal.see(event);
    if (cause === null) return;
    const { kind, problem, remedy } = cause;
    if (kind !== 'no-signal-easy') throw new TrainError(`step ${step}`, problem, `${remedy} (noSignal.steps)`);
    this.#run.emit({ event: 'alarm', step, kind: 'learned', message: `${problem}: the run ends here; ${remedy}` });
    this.#steps = step;
  }

  /** Ends a run whose reward model is gamed, as completed: what it has learned so far is sound. */
  #watchRewards(step: number, { replyScore, ruleReward }: Pick<RlStepEvent, 'replyScore' | 'ruleReward'>): void {
    if (this.#parts.rewardModel === null || replyScore === undefined || ruleReward === undefined) return;
    const message = this.#hacking.see(replyScore, ruleReward);
    if (message === null) return;
    this.#run.emit({ event: 'alarm', step, kind: 'reward-hacking', message });
    this.#steps = step;
  }

  #learningRate(step: number): number {
    const { learningRate, warmupSteps, steps } = this.#config;
    const schedule = {
      learningRate,
      minLearningRate: learningRate,
      warmupSteps,
      decay: 'constant',
      decayFrom: 1,
    } as const;
    return learningRateAt(schedule, step, steps);
  }

  /** Takes the updates of a step. */
  async #train(step: number, learningRate: number, updates: readonly TrainSequence<GrpoColumn>[][]) {
    const reports: StepReport[] = [];
    for (const [i, sequences] of updates.entries()) {
      const rates = { step: (step - 1) * updates.length + i + 1, learningRate, biasUpdateSpeed: 0 };
      reports.push(await this.#parts.tuned.train(sequences, rates));
    }
    const all = updates.flat();
    const { tuned } = this.#parts;
    const readByReference = this.#config.klBeta === 0 ? [] : all;
    this.#run.count({
      training: tuned.trainingFlops(all),
      inference: sum(readByReference.map(({ ids }) => tuned.flops.forward(ids.length - 1))),
    });
    const tokens = all.reduce((sum, { ids, promptLength }) => sum + ids.length - promptLength, 0);
    return { tokens, report: mergeReports(reports, tokens, all.length) };
  }

  async #renewReference(): Promise<void> {
    const { tuned, reference } = this.#parts;
    for (const [name, weight] of tuned.weights)
      reference.weights.get(name)?.write((await weight.read()) as Float32Array);
  }
}

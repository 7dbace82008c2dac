// Reinforcement learning, a step at a time: sample, judge, weight, train. Source: DeepSeek-R1, 2.2.
//
// Rollouts read the very weights that the optimizer changes. The reference is the model that the run begins from,
// renewed every `referenceEvery` steps; a checkpoint has it beside the weights.
import { join } from 'node:path';
import { type BaseVocabulary, loadBaseVocabulary } from '../corpus/index.ts';
import { Rollouts, unusedIds } from '../engine/index.ts';
import {
  evaluateInTraining,
  evaluationEvent,
  expectVerdicts,
  type GraderFaults,
  openQuestions,
  rolloutAnswerer,
  sumFaults,
} from '../eval/index.ts';
import { exportWeights, openCheckpoint, openSafetensors, writeSafetensors } from '../model/checkpoint/index.ts';
import { countParameters, createModel, type Model, precisions, type WeightMap } from '../model/index.ts';
import { closeTasks, toChatTemplate } from '../tasks/index.ts';
import {
  expectFinite,
  finite,
  learningRateAt,
  loadWeights,
  type Run,
  readBaseConfig,
  type Snapshot,
  type StepReport,
  type Trainer,
  type TrainSequence,
  TunedModel,
  worstViolation,
} from '../train/index.ts';
import { type RolloutGroup, summarize, toUpdates } from './batch.ts';
import { collectGroups, type RolloutSource } from './collect.ts';
import { Diagnosis } from './diagnosis.ts';
import type { RlEvent } from './events.ts';
import { type GrpoColumn, GrpoObjective, grpoColumns } from './grpo-objective.ts';
import type { RlConfig } from './rl-recipe.ts';

const referenceFile = 'reference.safetensors';
/** Steps over which failing graders are counted. */
const faultSpan = 10;

/** What a run trains and samples with. */
export interface RlParts extends RolloutSource {
  readonly vocabulary: BaseVocabulary;
  readonly tuned: TunedModel<GrpoColumn>;
  readonly reference: { readonly model: Model; readonly weights: WeightMap };
  readonly rollouts: Rollouts;
}

/** Opens models and tasks. Throws TrainError, TaskError, EvaluationError or CheckpointError. */
export async function openRlParts(config: RlConfig, run: Run<RlEvent>): Promise<RlParts> {
  const base = readBaseConfig(config.model);
  const vocabulary = loadBaseVocabulary(config.model, toChatTemplate(config.template));
  const { tokenizer, endId } = vocabulary;
  const contextLength = base.maxPositionEmbeddings;
  const questions = await openQuestions(config, tokenizer, contextLength - config.maxTokens);
  const { checkpoint } = run;
  const saved = checkpoint && join(checkpoint.folder, referenceFile);
  const weights = await loadWeights(base, saved ? openSafetensors(saved) : openCheckpoint(config.model));
  const reference = { model: createModel(base, weights, contextLength), weights };
  const policy = precisions[config.precision];
  const tuned = await TunedModel.open(config.model, run, {
    ...config,
    columns: grpoColumns,
    objective: (model, shape) => new GrpoObjective(model, reference.model, { ...config, shape, policy }),
  });
  const rollouts = new Rollouts(tuned.model, {
    policy,
    maxSequences: config.parallel,
    contextLength,
    endId,
    temperature: config.temperature,
    banned: unusedIds(tokenizer, base.vocabSize),
  });
  const answer = rolloutAnswerer(rollouts, tokenizer);
  return { vocabulary, tuned, reference, rollouts, questions, answer };
}

/** Merges the reports of a step's updates; the mismatch is that of the first one, whose weights made the rollouts. */
function mergeReports(reports: readonly StepReport[], tokens: number) {
  const [first, last] = [reports[0], reports[reports.length - 1]];
  const sum = (name: string) => reports.reduce((total, { metrics }) => total + metrics[name], 0);
  return {
    loss: finite(sum('loss') / reports.length),
    kl: finite(sum('kl') / tokens),
    clipped: finite(sum('clipped') / tokens),
    entropy: finite(sum('entropy') / tokens),
    mismatch: first.metrics.mismatch,
    bounded: sum('bounded'),
    gradientNorm: finite(Math.max(...reports.map(({ gradientNorm }) => gradientNorm))),
    maxVio: worstViolation(last.load),
  };
}

export class RlTrainer implements Trainer {
  readonly origin: Trainer['origin'];
  readonly started: object;
  readonly steps: number;
  readonly every: Trainer['every'];
  readonly #config: RlConfig;
  readonly #run: Run<RlEvent>;
  readonly #parts: RlParts;
  readonly #diagnosis = new Diagnosis();
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
    const state = run.checkpoint?.state.data as { readonly asked?: number } | undefined;
    this.#questionsConsumed = state?.asked ?? 0;
    this.steps = steps;
    this.every = every;
    this.origin = { initial: model };
    const parameters = countParameters(parts.tuned.model.config).total;
    this.started = { parameters, steps, responsesPerStep: questions * groupSize };
  }

  async step(step: number): Promise<number | null> {
    const began = performance.now();
    const { signal } = this.#run;
    const position = { step, questionsConsumed: this.#questionsConsumed, signal };
    const collected = await collectGroups(this.#config, this.#parts, position).catch((error: unknown) => {
      if (signal.aborted) return null;
      throw error;
    });
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
      ...summarize(groups),
      ...statistics,
      ...report,
      learningRate,
      rolloutSeconds: (rolled - began) / 1000,
      trainSeconds: (performance.now() - rolled) / 1000,
      rolloutTokensPerSecond: (1000 * generatedTokens) / (rolled - began),
      secondsLeft: this.#run.endStep().secondsLeft,
    };
    this.#run.emit({ event: 'step', ...event });
    for (const finding of this.#diagnosis.see(event)) this.#run.emit({ event: 'alarm', step, ...finding });
    expectFinite(step, event.gradientNorm);
    if (step % this.#config.referenceEvery === 0) await this.#renewReference();
    return tokens;
  }

  async evaluate(step: number): Promise<void> {
    const { answer, questions } = this.#parts;
    const { evaluation, maxTokens } = this.#config;
    const { signal } = this.#run;
    const evaluations = await evaluateInTraining(answer, questions, { ...evaluation, maxTokens, signal });
    for (const each of evaluations) this.#run.emit({ event: 'evaluated', step, ...evaluationEvent(each) });
    expectVerdicts(sumFaults(evaluations));
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
    return {
      config,
      weights: tuned.weights,
      optimizer: tuned.trainStep.optimizer,
      data: { asked: this.#questionsConsumed },
      writeBeside: async (folder) => {
        vocabulary.save(folder);
        await writeSafetensors(join(folder, referenceFile), exportWeights(config, reference.weights, 'f32'));
      },
    };
  }

  async close(): Promise<void> {
    const { rollouts, tuned, reference, questions } = this.#parts;
    for (const owned of [rollouts, tuned, reference.model, ...reference.weights.values()]) owned.dispose();
    await closeTasks(questions.tasks);
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
    const tokens = updates.flat().reduce((sum, { ids, promptLength }) => sum + ids.length - promptLength, 0);
    return { tokens, report: mergeReports(reports, tokens) };
  }

  async #renewReference(): Promise<void> {
    const { tuned, reference } = this.#parts;
    for (const [name, weight] of tuned.weights)
      reference.weights.get(name)?.write((await weight.read()) as Float32Array);
  }
}

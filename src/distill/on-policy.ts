// On-policy distillation, a step at a time: the student answers, the teacher's distributions at each of its tokens are
// learned. Source: GKD (arXiv 2306.13649), here with the exact reverse divergence over the whole vocabulary instead of
// an estimate from the sampled tokens.
//
// Contract: questions and rollouts of a step are a function of recipe and step, so that a resumed run learns what it
// would have learned. Rewards are not learned; they are reported, because they say what the student can do.
import { basename } from 'node:path';
import type { BaseVocabulary } from '../corpus/index.ts';
import { Rollouts, unusedIds } from '../engine/index.ts';
import {
  type Answerer,
  evaluateInTraining,
  evaluationEvent,
  expectVerdicts,
  type Judgement,
  longestTrainingPrompt,
  openQuestions,
  type QuestionSource,
  type RolloutAnswer,
  rolloutAnswerer,
  sampleAnswers,
  sumFaults,
  trainingQuestions,
} from '../eval/index.ts';
import { deriveSeed, mean } from '../math/index.ts';
import { countParameters, precisions } from '../model/index.ts';
import { countLearned, type SftExample, toSequences } from '../sft/index.ts';
import { closeTasks } from '../tasks/index.ts';
import {
  counting,
  expectFinite,
  finite,
  learningRateAt,
  type Prediction,
  type Run,
  readBaseConfig,
  readTeacher,
  type Snapshot,
  type Trainer,
} from '../train/index.ts';
import type { DistillEvent } from './distill-events.ts';
import type { DistillConfig } from './distill-recipe.ts';
import { type Learner, openLearner } from './teacher-model.ts';

/** The stream of random numbers of a run's rollouts; its evaluations have another. */
const rolloutStream = 1;

/** What is open while a run works. */
interface Parts {
  readonly learner: Learner;
  readonly questions: QuestionSource;
  readonly rollouts: Rollouts;
  readonly answer: Answerer<RolloutAnswer>;
  /** The length of a long prompt. */
  readonly promptTokens: number;
}

/** Opens both models and the tasks. Throws TrainError, TaskError or EvaluationError. */
export async function openOnPolicy(
  config: DistillConfig,
  run: Run<DistillEvent>,
  vocabulary: BaseVocabulary,
): Promise<OnPolicyTrainer> {
  const { tokenizer, endId } = vocabulary;
  const { maxPositionEmbeddings: contextLength, vocabSize } = readBaseConfig(config.student);
  const { maxTokens, parallel } = config.onPolicy;
  const questions = await openQuestions(config, tokenizer, contextLength - maxTokens);
  const learner = await openLearner(config, run);
  const promptTokens = await longestTrainingPrompt(questions, tokenizer);
  const rollouts = new Rollouts(learner.tuned.model, {
    policy: precisions[config.precision],
    maxSequences: parallel,
    contextLength,
    cacheLength: promptTokens + maxTokens,
    endId,
    banned: unusedIds(tokenizer, vocabSize),
  });
  const parts = { learner, questions, rollouts, answer: rolloutAnswerer(rollouts, tokenizer), promptTokens };
  return new OnPolicyTrainer(config, run, vocabulary, parts);
}

const toExample = ({ prompt, ids }: RolloutAnswer): SftExample => ({
  ids: [...prompt, ...ids],
  mask: [...prompt.map(() => 0), ...Array<number>(ids.length).fill(1)],
});

/** Returns what all steps are predicted to compute, before the first answer. */
function predictOnPolicy({ onPolicy }: DistillConfig, { learner, promptTokens }: Parts): Prediction {
  const { steps, questions, samples, maxTokens } = onPolicy;
  const { tuned, teacher } = learner;
  const response = maxTokens / 2;
  const example = { ids: { length: promptTokens + response + 1 } };
  const { forward } = tuned.flops;
  const shared = forward(promptTokens);
  const own = forward(promptTokens + response) - shared + tuned.trainingFlops([example]);
  const each = own + (teacher?.flops([example]) ?? 0);
  const assumes = [`responses of ${response} tokens, half of maxTokens`];
  return { flops: steps * questions * (shared + samples * each), hours: null, assumes };
}

export class OnPolicyTrainer implements Trainer {
  readonly origin: Trainer['origin'];
  readonly started: object;
  readonly steps: number;
  readonly every: Trainer['every'];
  readonly #config: DistillConfig;
  readonly #run: Run<DistillEvent>;
  readonly #vocabulary: BaseVocabulary;
  readonly #parts: Parts;
  /** Tokens at which the teacher was read, since the run began. */
  #tokens: number;

  constructor(config: DistillConfig, run: Run<DistillEvent>, vocabulary: BaseVocabulary, parts: Parts) {
    this.#config = config;
    this.#run = run;
    this.#vocabulary = vocabulary;
    this.#parts = parts;
    const state = run.checkpoint?.state.data as { readonly tokens?: number } | undefined;
    this.#tokens = state?.tokens ?? 0;
    this.origin = { initial: config.student, predicted: predictOnPolicy(config, parts) };
    this.started = { teacher: config.teacher, parameters: countParameters(parts.learner.tuned.model.config).total };
    this.steps = config.onPolicy.steps;
    this.every = { evaluate: config.evaluateEvery, save: config.saveEvery };
  }

  async step(step: number): Promise<number | null> {
    const began = performance.now();
    const answers = () => this.#answers(step);
    const responses = await counting(this.#run, 'inference', this.#parts.rollouts, answers).catch((error: unknown) => {
      if (this.#run.signal.aborted) return null;
      throw error;
    });
    if (responses === null) return null;
    const rolloutSeconds = (performance.now() - began) / 1000;
    const examples = responses.map(toExample);
    const learningRate = this.#learningRate(step);
    const rates = { step, learningRate, biasUpdateSpeed: 0 };
    const { metrics, gradientNorm } = await this.#parts.learner.tuned.train(toSequences(examples), rates);
    const { tuned, teacher } = this.#parts.learner;
    this.#run.count({ training: tuned.trainingFlops(examples), teacher: teacher?.flops(examples) ?? 0 });
    const learned = countLearned(examples);
    this.#tokens += learned;
    const { secondsPerStep, secondsLeft } = this.#run.endStep();
    const share = (holds: (response: RolloutAnswer & Judgement) => boolean) =>
      mean(responses.map((response) => (holds(response) ? 1 : 0)));
    this.#run.emit({
      event: 'step',
      step,
      epoch: 1,
      loss: finite(metrics.loss),
      gradientNorm: finite(gradientNorm),
      learningRate,
      accuracy: share(({ isCorrect }) => isCorrect),
      format: share(({ isWellFormed }) => isWellFormed),
      truncated: share(({ isEnded }) => !isEnded),
      tokens: learned / responses.length,
      rolloutSeconds,
      tokensPerSecond: learned / secondsPerStep,
      secondsLeft,
    });
    expectFinite(step, gradientNorm);
    return learned;
  }

  async evaluate(step: number): Promise<void> {
    const { answer, questions } = this.#parts;
    const { evaluation, onPolicy, teacher } = this.#config;
    const { signal } = this.#run;
    await this.#run.annotate(await readTeacher(basename(teacher), teacher, this.#tokens));
    const { maxTokens } = onPolicy;
    const ask = () => evaluateInTraining(answer, questions, { ...evaluation, maxTokens, signal });
    const evaluations = await counting(this.#run, 'evaluation', this.#parts.rollouts, ask);
    for (const each of evaluations) this.#run.emit({ event: 'evaluated', step, ...evaluationEvent(each) });
    expectVerdicts(sumFaults(evaluations));
  }

  snapshot(): Snapshot {
    const { model, weights, trainStep } = this.#parts.learner.tuned;
    return {
      config: model.config,
      weights,
      optimizer: trainStep.optimizer,
      data: { tokens: this.#tokens },
      writeBeside: this.#vocabulary.save,
    };
  }

  async close(): Promise<void> {
    const { learner, rollouts, questions } = this.#parts;
    for (const owned of [rollouts, learner.tuned, learner.teacher]) owned?.dispose();
    await closeTasks(questions.tasks);
  }

  /** Samples the student's responses of a step. */
  async #answers(step: number) {
    const { onPolicy, seed } = this.#config;
    const { questions: count, samples, maxTokens } = onPolicy;
    const questions = await trainingQuestions(this.#parts.questions, (step - 1) * count, step * count);
    const answered = await sampleAnswers(this.#parts.answer, questions, {
      samples,
      sampling: { temperature: 1, topP: 1, maxTokens },
      seed: deriveSeed(seed, step, 0, rolloutStream),
      signal: this.#run.signal,
    });
    return answered.flatMap(({ responses }) => responses);
  }

  #learningRate(step: number): number {
    const { finalShare, warmupSteps, learningRate: peak } = this.#config;
    const schedule = { learningRate: peak, minLearningRate: finalShare * peak, warmupSteps } as const;
    return learningRateAt({ ...schedule, decay: 'cosine', decayFrom: 0 }, step, this.steps);
  }
}

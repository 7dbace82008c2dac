// The evaluation of a model in training: it answers held-out problems of the recipe's tasks with its current weights.
//
// Rollouts read the tensors that the optimizer changes, so nothing is copied. Responses have at most `maxTokens`
// tokens, or as many as fit the model's context. Without tasks there is no evaluation.
import { type BaseVocabulary, encodePrompt } from '../corpus/index.ts';
import { Rollouts, type RolloutWork, unusedIds } from '../engine/index.ts';
import { deriveSeed } from '../math/index.ts';
import { type Model, type PrecisionName, precisions } from '../model/index.ts';
import { closeTasks } from '../tasks/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import { type Answerer, rolloutAnswerer } from './answerer.ts';
import { EvaluationError } from './errors.ts';
import { type Evaluation, type EvaluationConfig, evaluate } from './evaluate.ts';
import { openQuestions, type QuestionConfig, type QuestionSource, readQuestions } from './question.ts';

export interface TrainingEvaluationConfig extends QuestionConfig {
  readonly evaluation: EvaluationConfig;
  readonly precision: PrecisionName;
  readonly maxTokens: number;
}

export interface TrainingEvaluation {
  /** Evaluates the current weights on each task. Rejects when the signal aborts. */
  run(signal: AbortSignal): Promise<Evaluation[]>;
  /** What all evaluations computed. */
  readonly work: RolloutWork;
  close(): Promise<void>;
}

/** The stream of random numbers of a run's evaluations. */
const evaluationStream = 2;
/** Responses that are generated at once. */
const maxSequences = 64;

/** Opens the tasks. Throws TaskError, or EvaluationError where a problem does not fit; then nothing stays open. */
export async function openTrainingEvaluation(
  config: TrainingEvaluationConfig,
  model: Model,
  { tokenizer, endId }: Pick<BaseVocabulary, 'tokenizer' | 'endId'>,
): Promise<TrainingEvaluation> {
  const { evaluation, precision } = config;
  const context = model.config.maxPositionEmbeddings;
  const questions = await openQuestions(config, tokenizer, context);
  try {
    const longest = await longestPrompt(questions, evaluation.problems, tokenizer);
    const contextLength = Math.min(context, longest + config.maxTokens);
    const maxTokens = contextLength - longest;
    if (maxTokens < 1)
      throw new EvaluationError(
        'evaluation',
        `a problem of ${longest} tokens fills the context`,
        'choose easier tasks',
      );
    const policy = precisions[precision];
    const banned = unusedIds(tokenizer, model.config.vocabSize);
    const rollouts = new Rollouts(model, { policy, maxSequences, contextLength, endId, banned });
    const answer = rolloutAnswerer(rollouts, tokenizer);
    return {
      get work() {
        return rollouts.work;
      },
      run: (signal) => evaluateInTraining(answer, questions, { ...evaluation, maxTokens, signal }),
      close: async () => {
        rollouts.dispose();
        await closeTasks(questions.tasks);
      },
    };
  } catch (error) {
    await closeTasks(questions.tasks);
    throw error;
  }
}

async function longestPrompt(source: QuestionSource, problems: number, tokenizer: Tokenizer): Promise<number> {
  const indices = [...Array(problems).keys()];
  const each = await Promise.all(source.tasks.map((chosen) => readQuestions(source, chosen, indices, 'held-out')));
  return Math.max(0, ...each.flat().map(({ prompt }) => encodePrompt(tokenizer, prompt).length));
}

/** Evaluates an answerer on each task of a run, with seeds that no rollout of the run uses. */
export async function evaluateInTraining(
  answer: Answerer,
  questions: QuestionSource,
  options: EvaluationConfig & { readonly maxTokens: number; readonly signal: AbortSignal },
): Promise<Evaluation[]> {
  const seed = deriveSeed(questions.seed, evaluationStream);
  const evaluations: Evaluation[] = [];
  for (const chosen of questions.tasks)
    evaluations.push(await evaluate(answer, questions, chosen, { ...options, seed }));
  return evaluations;
}

// A step's data: groups of responses with their rewards, and what each token of a response counts in training.
//
// GRPO (DeepSeekMath 4.1): A = (r - mean) / std over the group's responses, each response's tokens averaged. Dr. GRPO
// (arXiv 2503.20783) divides by neither std nor length. DAPO (arXiv 2503.14476) averages over all tokens of the batch.
import type { AnsweredQuestion, Judgement, Question, RolloutAnswer } from '../eval/index.ts';
import { mean, variance } from '../math/index.ts';
import type { TrainSequence } from '../train/index.ts';
import type { GrpoColumn } from './grpo-objective.ts';
import type { RlConfig } from './rl-recipe.ts';

export interface ScoredResponse extends RolloutAnswer, Judgement {
  readonly reward: number;
}

/** The responses to one question. */
export interface RolloutGroup {
  readonly question: Question;
  readonly responses: readonly ScoredResponse[];
}

/** Whether a group's rewards differ: only then does it say which responses to prefer. */
export function isInformative({ responses }: RolloutGroup): boolean {
  return responses.some(({ reward }) => reward !== responses[0]?.reward);
}

/** Adds the reward to each response of an answered question. */
export function toGroup(answered: AnsweredQuestion<RolloutAnswer>, rewards: RlConfig['rewards']): RolloutGroup {
  const responses = answered.responses.map((response) => ({
    ...response,
    reward: (response.isCorrect ? rewards.accuracy : 0) + (response.isWellFormed ? rewards.format : 0),
  }));
  return { question: answered.question, responses };
}

/**
 * Returns the advantages of a group's responses: 0 where all rewards are equal, whatever rounding does to their mean.
 */
export function computeAdvantages(rewards: readonly number[], scale: RlConfig['advantage']): number[] {
  if (rewards.every((r) => r === rewards[0])) return rewards.map(() => 0);
  const center = mean(rewards);
  const deviation = Math.sqrt(variance(rewards));
  return rewards.map((r) => (r - center) / (scale === 'deviation' ? deviation : 1));
}

/**
 * Returns the weight of each token of responses of n tokens, R responses with N tokens in all and at most L each.
 * response: 1 / (R n), GRPO. token: 1 / N, DAPO. constant: 1 / (R L), Dr. GRPO.
 */
export function tokenWeights(lengths: readonly number[], weight: RlConfig['tokenWeight'], maxTokens: number): number[] {
  const [responses, tokens] = [lengths.length, lengths.reduce((sum, n) => sum + n, 0)];
  return lengths.map(
    (n) => ({ response: 1 / (responses * n), token: 1 / tokens, constant: 1 / (responses * maxTokens) })[weight],
  );
}

/**
 * Returns what each update of a step reads: its share of the responses, with the columns of the objective. Advantages
 * are those of the whole groups, weights those among the responses of the update.
 */
export function toUpdates(groups: readonly RolloutGroup[], config: RlConfig): TrainSequence<GrpoColumn>[][] {
  const all = groups.flatMap(({ responses }) => {
    const rewards = responses.map(({ reward }) => reward);
    const advantages = computeAdvantages(rewards, config.advantage);
    return responses.map((response, r) => ({ response, advantage: advantages[r] }));
  });
  const border = (update: number) => Math.floor((update * all.length) / config.updates);
  return Array.from({ length: config.updates }, (_, update) => {
    const own = all.slice(border(update), border(update + 1));
    const lengths = own.map(({ response }) => response.ids.length);
    const weights = tokenWeights(lengths, config.tokenWeight, config.maxTokens);
    return own.map(({ response: { prompt, ids, logprobs }, advantage }, r) => {
      const fill = (value: number) => new Float32Array(ids.length).fill(value);
      return {
        ids: Int32Array.of(...prompt, ...ids),
        promptLength: prompt.length,
        columns: { rolloutLogprob: logprobs, advantage: fill(advantage), weight: fill(weights[r]), mask: fill(1) },
      };
    });
  });
}

/** Returns the number of words that check or turn back. */
export function countVerificationPhrases(text: string): number {
  return text.match(/\b(?:check|wait|no|wrong|again|instead)\b/gi)?.length ?? 0;
}

/** Summarizes the responses of a step, as its event has them. */
export function summarize(groups: readonly RolloutGroup[]) {
  const all = groups.flatMap(({ responses }) => responses);
  const share = (holds: (response: ScoredResponse) => boolean) =>
    mean(all.map((response) => (holds(response) ? 1 : 0)));
  const meanLength = (responses: readonly ScoredResponse[]) =>
    responses.length === 0 ? null : mean(responses.map(({ ids }) => ids.length));
  return {
    reward: mean(all.map(({ reward }) => reward)),
    accuracy: share(({ isCorrect }) => isCorrect),
    format: share(({ isWellFormed }) => isWellFormed),
    tokens: mean(all.map(({ ids }) => ids.length)),
    tokensRight: meanLength(all.filter(({ isCorrect }) => isCorrect)),
    tokensWrong: meanLength(all.filter(({ isCorrect }) => !isCorrect)),
    truncated: share(({ isEnded }) => !isEnded),
    checks: mean(all.map(({ text }) => countVerificationPhrases(text))),
  };
}

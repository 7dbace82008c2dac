// A step's data: groups of responses with their rewards, and what each token of a response counts in training.
//
// GRPO (DeepSeekMath 4.1): A = (r - mean) / std over the group's responses, each response's tokens averaged. Dr. GRPO
// (arXiv 2503.20783) divides by neither std nor length. DAPO (arXiv 2503.14476) averages over all tokens of the batch.
import type { Judgement, Question, RolloutAnswer } from '../eval/index.ts';
import { mean, variance } from '../math/index.ts';
import type { TrainSequence } from '../train/index.ts';
import type { GrpoColumn } from './grpo-objective.ts';
import type { RlConfig } from './rl-recipe.ts';

export interface ScoredResponse extends RolloutAnswer, Judgement {
  /** The score of each reward, by its name. */
  readonly scores: Readonly<Record<string, number>>;
  readonly reward: number;
}

/** The responses to one question. */
export interface RolloutGroup {
  readonly question: Question;
  readonly responses: readonly ScoredResponse[];
  /** What the group counts in training: 1, or as many groups as it stands for; 0 where it stopped early (pilot.ts). */
  readonly weight: number;
}

/** Whether a group's rewards differ: only then does it say which responses to prefer. */
export function isInformative({ responses }: RolloutGroup): boolean {
  return responses.some(({ reward }) => reward !== responses[0]?.reward);
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

/** How many responses and tokens a batch stands for. */
interface BatchSize {
  readonly responses: number;
  readonly tokens: number;
  /** The maximum number of tokens of a response. */
  readonly longest: number;
}

/**
 * Returns the weight of each token of responses of n tokens, in a batch of R responses with N tokens in all and at most
 * L each. response: 1 / (R n), GRPO. token: 1 / N, DAPO. constant: 1 / (R L), Dr. GRPO.
 */
export function tokenWeights(
  lengths: readonly number[],
  weight: RlConfig['tokenWeight'],
  { responses, tokens, longest }: BatchSize,
): number[] {
  return lengths.map(
    (n) => ({ response: 1 / (responses * n), token: 1 / tokens, constant: 1 / (responses * longest) })[weight],
  );
}

/**
 * Returns what each update of a step reads: its share of the responses, with the columns of the objective. Advantages
 * are those of the whole groups, weights those among the responses of the update, times the weight of the group.
 */
export function toUpdates(groups: readonly RolloutGroup[], config: RlConfig): TrainSequence<GrpoColumn>[][] {
  const { updates, groupSize, maxTokens, maxTokensLimit = maxTokens } = config;
  const planned = groups.reduce((sum, { responses, weight }) => sum + (weight === 0 ? groupSize : responses.length), 0);
  const all = groups
    .filter((group) => group.weight > 0)
    .flatMap(({ responses, weight }) => {
      const rewards = responses.map(({ reward }) => reward);
      const advantages = computeAdvantages(rewards, config.advantage);
      return responses.map((response, r) => ({ response, weight, advantage: advantages[r] }));
    });
  const border = (update: number) => Math.floor((update * all.length) / updates);
  return Array.from({ length: updates }, (_, update) => {
    const own = all.slice(border(update), border(update + 1));
    const lengths = own.map(({ response }) => response.ids.length);
    const weights = tokenWeights(lengths, config.tokenWeight, {
      responses: own.length * (planned / all.length), // with those of groups that stopped
      tokens: own.reduce((sum, { response, weight }) => sum + weight * response.ids.length, 0),
      longest: maxTokensLimit,
    });
    return own.map(({ response: { prompt, ids, logprobs }, advantage, weight }, r) => {
      const fill = (value: number) => new Float32Array(ids.length).fill(value);
      return {
        ids: Int32Array.of(...prompt, ...ids),
        promptLength: prompt.length,
        columns: {
          rolloutLogprob: logprobs,
          advantage: fill(advantage),
          weight: fill(weight * weights[r]),
          mask: fill(1),
        },
      };
    });
  });
}

/** Returns the number of words that check or turn back. */
export function countVerificationPhrases(text: string): number {
  return text.match(/\b(?:check|wait|no|wrong|again|instead)\b/gi)?.length ?? 0;
}

/**
 * Returns responses with the weights that make a mean over them that of full groups: a further response of a group that
 * was continued by chance stands for those of the groups that stopped.
 */
function weighResponses(
  groups: readonly RolloutGroup[],
  pilotResponses: number,
): { readonly response: ScoredResponse; readonly weight: number }[] {
  return groups.flatMap(({ responses, weight }) =>
    responses.map((response, r) => ({ response, weight: r < pilotResponses ? 1 : weight })),
  );
}

/** Summarizes the responses of a step, as its event has them: means over full groups (weighResponses). */
export function summarize(groups: readonly RolloutGroup[], pilotResponses: number) {
  const all = weighResponses(groups, pilotResponses);
  const average = (value: (response: ScoredResponse) => number, among = all) => {
    const total = among.reduce((sum, { weight }) => sum + weight, 0);
    return among.reduce((sum, { response, weight }) => sum + weight * value(response), 0) / total;
  };
  const share = (holds: (response: ScoredResponse) => boolean) => average((response) => (holds(response) ? 1 : 0));
  const meanLength = (holds: (response: ScoredResponse) => boolean) => {
    const own = all.filter(({ response }) => holds(response));
    return own.length === 0 ? null : average(({ ids }) => ids.length, own);
  };
  return {
    reward: average(({ reward }) => reward),
    accuracy: share(({ isCorrect }) => isCorrect),
    format: share(({ isWellFormed }) => isWellFormed),
    language: average(({ language }) => language),
    tokens: average(({ ids }) => ids.length),
    tokensRight: meanLength(({ isCorrect }) => isCorrect),
    tokensWrong: meanLength(({ isCorrect }) => !isCorrect),
    truncated: share(({ isEnded }) => !isEnded),
    checks: average(({ text }) => countVerificationPhrases(text)),
  };
}

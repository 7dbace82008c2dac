// A step's data: groups of responses with their rewards, and what training reads of them.
import type { Rollout } from '../engine/index.ts';
import type { AnsweredQuestion, Judgement, Question, RolloutAnswer } from '../eval/index.ts';
import type { TrainSequence } from '../train/index.ts';
import { advantagesOf, tokenWeights } from './advantage.ts';
import type { RlConfig } from './config.ts';

export interface Response extends RolloutAnswer, Judgement {
  readonly reward: number;
}

export interface Group {
  readonly question: Question;
  readonly responses: readonly Response[];
}

/** Whether a group's rewards differ: only then does it say which answers to prefer. */
export function hasSignal({ responses }: Group): boolean {
  return responses.some(({ reward }) => reward !== responses[0]?.reward);
}

/** Adds the reward to each response of an answered question. */
export function toGroup(answered: AnsweredQuestion<RolloutAnswer>, rewards: RlConfig['rewards']): Group {
  const responses = answered.responses.map((response) => ({
    ...response,
    reward: (response.isCorrect ? rewards.accuracy : 0) + (response.isWellFormed ? rewards.format : 0),
  }));
  return { question: answered.question, responses };
}

/**
 * What each update of a step reads: its share of the responses, with the columns of the objective. Advantages are those
 * of the whole groups, weights those among the responses of the update.
 */
export function trainSequences(groups: readonly Group[], config: RlConfig): TrainSequence[][] {
  const learned = groups.flatMap(({ responses }) => {
    const rewards = responses.map(({ reward }) => reward);
    const advantages = advantagesOf(rewards, config.advantage);
    return responses.map((response, r) => ({ ...response, advantage: advantages[r] }));
  });
  const border = (update: number) => Math.floor((update * learned.length) / config.updates);
  return Array.from({ length: config.updates }, (_, update) =>
    weighed(learned.slice(border(update), border(update + 1)), config),
  );
}

function weighed(
  responses: readonly (Rollout & { readonly advantage: number })[],
  { tokenWeight, maxTokens }: RlConfig,
): TrainSequence[] {
  const lengths = responses.map(({ ids }) => ids.length);
  const weights = tokenWeights(lengths, tokenWeight, maxTokens);
  return responses.map(({ prompt, ids, logprobs, advantage }, r) => {
    const each = (value: number) => new Float32Array(ids.length).fill(value);
    return {
      ids: Int32Array.of(...prompt, ...ids),
      promptLength: prompt.length,
      columns: [logprobs, each(advantage), each(weights[r]), each(1)],
    };
  });
}

/** The number of words that check or turn back. */
export function countVerificationPhrases(text: string): number {
  return text.match(/\b(?:check|wait|no|wrong|again|instead)\b/gi)?.length ?? 0;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** What a step's responses say together. */
export function summary(groups: readonly Group[]) {
  const all = groups.flatMap(({ responses }) => responses);
  const share = (of: (response: Response) => boolean) => mean(all.map((response) => (of(response) ? 1 : 0)));
  const meanLength = (some: readonly Response[]) =>
    some.length === 0 ? null : mean(some.map(({ ids }) => ids.length));
  return {
    reward: mean(all.map(({ reward }) => reward)),
    accuracy: share(({ isCorrect }) => isCorrect),
    format: share(({ isWellFormed }) => isWellFormed),
    tokens: meanLength(all) as number,
    tokensRight: meanLength(all.filter(({ isCorrect }) => isCorrect)),
    tokensWrong: meanLength(all.filter(({ isCorrect }) => !isCorrect)),
    truncated: share(({ isEnded }) => !isEnded),
    checks: mean(all.map(({ text }) => countVerificationPhrases(text))),
    faults: all.filter(({ isFault }) => isFault).length,
  };
}

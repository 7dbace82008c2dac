// Rewards: what a response earns, as a weighted sum of named scores.
//
// Contract: a score depends on the question and the response alone, never on other responses of the group, so that a
// group may be scored in parts. A recipe gives each its weight; those of weight 0 are not computed.
import type { AnsweredQuestion, RolloutAnswer } from '../eval/index.ts';
import type { RolloutGroup } from './batch.ts';
import type { RlConfig } from './rl-recipe.ts';

type Answered = AnsweredQuestion<RolloutAnswer>;

/** A part of the reward. */
export interface Reward {
  readonly name: string;
  readonly weight: number;
  /** Returns the scores of all responses, by question. */
  score(answered: readonly Answered[]): Promise<readonly (readonly number[])[]>;
}

/** Returns a reward that is computed for each response by itself. */
function rule(score: (response: Answered['responses'][number]) => number): Reward['score'] {
  return async (answered) => answered.map(({ responses }) => responses.map(score));
}

const scores: Readonly<Record<keyof RlConfig['rewards'], Reward['score']>> = {
  accuracy: rule(({ isCorrect }) => (isCorrect ? 1 : 0)),
  format: rule(({ isWellFormed }) => (isWellFormed ? 1 : 0)),
  language: rule(({ language }) => language),
};

/** Returns the rewards of a recipe that have a weight. */
export function openRewards({ rewards }: Pick<RlConfig, 'rewards'>): Reward[] {
  const names = Object.keys(rewards) as (keyof typeof rewards)[];
  return names
    .map((name) => ({ name, weight: rewards[name], score: scores[name] }))
    .filter(({ weight }) => weight !== 0);
}

/** Adds the rewards to the responses of answered questions. */
export async function toGroups(answered: readonly Answered[], rewards: readonly Reward[]): Promise<RolloutGroup[]> {
  const each = await Promise.all(rewards.map((reward) => reward.score(answered)));
  return answered.map(({ question, responses }, q) => ({
    question,
    weight: 1,
    responses: responses.map((response, r) => ({
      ...response,
      scores: Object.fromEntries(rewards.map(({ name }, n) => [name, each[n][q][r]])),
      reward: rewards.reduce((sum, { weight }, n) => sum + weight * each[n][q][r], 0),
    })),
  }));
}

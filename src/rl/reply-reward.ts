// The reward for replies to small talk: a reward model's score, where rules see only whether a reply is short.
//
// R1 rewards reasoning by rules and general prompts by reward models (report, 2.3.4): problems get no score here, and a
// reply that did not end or has no form gets 0. Contract: a response's score depends on its tokens alone.
import type { AnsweredQuestion, Question, RolloutAnswer } from '../eval/index.ts';
import { mean } from '../math/index.ts';
import type { RewardModel } from '../reward/index.ts';
import { smallTalkTask } from '../tasks/index.ts';
import type { RolloutGroup, ScoredResponse } from './batch.ts';
import type { Reward } from './reward.ts';

/** The name of this reward. */
export const replyRewardName = 'reply';

const isSmallTalk = ({ task }: Question) => task.name === smallTalkTask;

type Response = AnsweredQuestion<RolloutAnswer>['responses'][number];

export function replyReward(model: Pick<RewardModel, 'score'>, weight: number): Reward {
  const isScored = (question: Question, response: Response) =>
    isSmallTalk(question) && response.isEnded && response.isWellFormed;
  return {
    name: replyRewardName,
    weight,
    score: async (answered) => {
      const texts = answered.flatMap(({ question, responses }) =>
        responses
          .filter((response) => isScored(question, response))
          .map(({ prompt, ids }) => Int32Array.of(...prompt, ...ids)),
      );
      const scores = await model.score(texts);
      return answered.map(({ question, responses }) =>
        responses.map((response) => (isScored(question, response) ? (scores.shift() as number) : 0)),
      );
    },
  };
}

/** What a step's replies earned: the mean score, and the mean of what rules gave to all responses. */
export interface ReplySummary {
  readonly replyScore: number;
  readonly ruleReward: number;
}

/** Summarizes a step; null where it has no small talk. */
export function summarizeReplies(groups: readonly RolloutGroup[], weight: number): ReplySummary | null {
  const replies = groups.filter(({ question }) => isSmallTalk(question)).flatMap(({ responses }) => responses);
  if (replies.length === 0) return null;
  const scoreIn = ({ scores }: ScoredResponse) => scores[replyRewardName] ?? 0;
  const rules = groups.flatMap(({ responses }) => responses.map((each) => each.reward - weight * scoreIn(each)));
  return { replyScore: mean(replies.map(scoreIn)), ruleReward: mean(rules) };
}

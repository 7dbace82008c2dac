// The groups of a step: questions sampled and judged, with dynamic sampling further ones where rewards do not differ.
//
// Contract: a function of recipe, step and the number of questions before, so that a step that was stopped while it
// sampled is sampled again as it was. Rounds end when there are enough informative groups, or after `resamplings`
// further ones; then zero-variance groups complete the batch. Source: DAPO (arXiv 2503.14476), 3.2.
import {
  type Answerer,
  countFaults,
  type GraderFaults,
  type QuestionSource,
  type RolloutAnswer,
  sampleAnswers,
  trainingQuestions,
} from '../eval/index.ts';
import { deriveSeed } from '../math/index.ts';
import { isInformative, type RolloutGroup, type ScoredResponse, toGroup } from './batch.ts';
import type { RlConfig } from './rl-recipe.ts';

/** The stream of random numbers of a run's rollouts; its evaluations have another. */
const rolloutStream = 1;

/** The format problem of a response that did not end, whatever else is wrong with it. */
export const cutOff = 'cut off by maxTokens';
/** The number of format problems that an event lists. */
const maxFormatProblems = 5;

/** Returns the most frequent format problems, as shares of all responses. */
function countFormatProblems(responses: readonly ScoredResponse[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { formatProblem, isEnded } of responses) {
    if (formatProblem === null) continue;
    const problem = isEnded ? formatProblem : cutOff;
    counts.set(problem, (counts.get(problem) ?? 0) + 1);
  }
  const frequent = [...counts].sort(([, a], [, b]) => b - a).slice(0, maxFormatProblems);
  return Object.fromEntries(frequent.map(([problem, count]) => [problem, count / responses.length]));
}

export interface CollectedGroups {
  readonly groups: readonly RolloutGroup[];
  /** Questions since the run began. */
  readonly questionsConsumed: number;
  /** Tokens of all responses, also of groups that were replaced. */
  readonly generatedTokens: number;
  /** Fields of the step's event. */
  readonly statistics: {
    readonly rounds: number;
    readonly silentGroups: number;
    readonly formlessGroups: number;
    readonly formProblems: Readonly<Record<string, number>>;
    readonly filled: number;
  } & GraderFaults;
}

export interface RolloutSource {
  readonly answer: Answerer<RolloutAnswer>;
  readonly questions: QuestionSource;
}

export async function collectGroups(
  config: RlConfig,
  { answer, questions }: RolloutSource,
  { step, questionsConsumed, signal }: { step: number; questionsConsumed: number; signal?: AbortSignal },
): Promise<CollectedGroups> {
  const { questions: perRound, groupSize: samples, resamplings, temperature, maxTokens, rewards, seed } = config;
  const [informative, zeroVariance]: [RolloutGroup[], RolloutGroup[]] = [[], []];
  let rounds = 0;
  while (rounds <= resamplings && informative.length < perRound) {
    const from = questionsConsumed + rounds * perRound;
    const answered = await sampleAnswers(answer, await trainingQuestions(questions, from, from + perRound), {
      samples,
      signal,
      sampling: { temperature, topP: 1, maxTokens },
      seed: deriveSeed(seed, step, rounds, rolloutStream),
    });
    for (const group of answered.map((each) => toGroup(each, rewards)))
      (isInformative(group) ? informative : zeroVariance).push(group);
    rounds++;
  }
  const groups = [...informative, ...zeroVariance];
  const responses = groups.flatMap((group) => group.responses);
  const isMalformed = (group: RolloutGroup) => group.responses.every(({ isWellFormed }) => !isWellFormed);
  return {
    groups: groups.slice(0, perRound),
    questionsConsumed: questionsConsumed + rounds * perRound,
    generatedTokens: responses.reduce((sum, { ids }) => sum + ids.length, 0),
    statistics: {
      rounds,
      silentGroups: zeroVariance.length / groups.length,
      formlessGroups: zeroVariance.filter(isMalformed).length / groups.length,
      formProblems: countFormatProblems(responses),
      filled: Math.max(0, perRound - informative.length),
      ...countFaults(groups),
    },
  };
}

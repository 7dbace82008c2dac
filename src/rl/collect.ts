// The groups of a step: questions sampled and judged, with dynamic sampling further ones where rewards do not differ.
//
// Contract: a function of recipe, step, shares of the tasks and the number of questions before, so that a step that was
// stopped while it sampled is sampled again as it was. Rounds end when there are enough informative groups, or after
// `resamplings` further ones; then zero-variance groups complete the batch. Source: DAPO (arXiv 2503.14476), 3.2. With
// `pilot`, a group whose first responses earn the same is continued with a probability only (pilot.ts).
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
import { isInformative, type RolloutGroup, type ScoredResponse } from './batch.ts';
import { choosePilots, joinGroups } from './pilot.ts';
import { type Reward, toGroups } from './reward.ts';
import type { RlConfig } from './rl-recipe.ts';

/** The stream of random numbers of a run's rollouts; its evaluations have another. */
const rolloutStream = 1;

/** The format problem of a response that did not end, whatever else is wrong with it. */
export const cutOff = 'cut off by maxTokens';
/** The number of format problems that an event lists. */
const maxFormatProblems = 5;

/** Returns the most frequent format problems, as shares of all responses. */
export function countFormatProblems(
  responses: readonly Pick<ScoredResponse, 'formatProblem' | 'isEnded'>[],
): Record<string, number> {
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
  /** All groups that were sampled, also those that were replaced. */
  readonly sampled: readonly RolloutGroup[];
  /** Questions since the run began. */
  readonly questionsConsumed: number;
  /** Tokens of all responses, also of groups that were replaced. */
  readonly generatedTokens: number;
  /** Fields of the step's event. */
  readonly statistics: {
    readonly rounds: number;
    readonly silentGroups: number;
    readonly formlessGroups: number;
    readonly stoppedGroups: number;
    readonly formProblems: Readonly<Record<string, number>>;
    readonly filled: number;
  } & GraderFaults;
}

export interface RolloutSource {
  readonly answer: Answerer<RolloutAnswer>;
  readonly questions: QuestionSource;
  readonly rewards: readonly Reward[];
}

/** Where a run is when it samples. */
export interface RolloutPosition {
  readonly step: number;
  readonly questionsConsumed: number;
  /** The maximum number of tokens of a response. */
  readonly maxTokens: number;
  readonly signal?: AbortSignal;
}

/** Samples one round of questions: whole groups, or with a pilot those that are continued. */
async function sampleRound(
  { questions: perRound, groupSize, pilot, temperature, seed }: RlConfig,
  { answer, questions, rewards }: RolloutSource,
  { step, maxTokens, signal, from, round }: RolloutPosition & { readonly from: number; readonly round: number },
): Promise<RolloutGroup[]> {
  const asked = await trainingQuestions(questions, from, from + perRound);
  const roundSeed = deriveSeed(seed, step, round, rolloutStream);
  const sample = async (numbers: readonly number[], firstSample: number, samples: number) => {
    const chosen = numbers.map((n) => asked[n]);
    const sampling = { temperature, topP: 1, maxTokens };
    const options = { samples, firstSample, numbers, signal, sampling, seed: roundSeed };
    return toGroups(await sampleAnswers(answer, chosen, options), rewards);
  };
  const all = [...asked.keys()];
  if (pilot.responses === 0) return sample(all, 0, groupSize);
  const pilots = choosePilots(await sample(all, 0, pilot.responses), pilot.keep, roundSeed);
  const continued = all.filter((n) => pilots[n].weight > 0);
  const rests = await sample(continued, pilot.responses, groupSize - pilot.responses);
  return joinGroups(pilots, continued, rests);
}

export async function collectGroups(
  config: RlConfig,
  source: RolloutSource,
  position: RolloutPosition,
): Promise<CollectedGroups> {
  const { questions: perRound, resamplings } = config;
  const { questionsConsumed } = position;
  const [informative, zeroVariance]: [RolloutGroup[], RolloutGroup[]] = [[], []];
  let rounds = 0;
  while (rounds <= resamplings && informative.length < perRound) {
    const from = questionsConsumed + rounds * perRound;
    for (const group of await sampleRound(config, source, { ...position, from, round: rounds }))
      (isInformative(group) ? informative : zeroVariance).push(group);
    rounds++;
  }
  const sampled = [...informative, ...zeroVariance];
  const responses = sampled.flatMap((group) => group.responses);
  const isMalformed = (group: RolloutGroup) => group.responses.every(({ isWellFormed }) => !isWellFormed);
  return {
    groups: sampled.slice(0, perRound),
    sampled,
    questionsConsumed: questionsConsumed + rounds * perRound,
    generatedTokens: responses.reduce((sum, { ids }) => sum + ids.length, 0),
    statistics: {
      rounds,
      silentGroups: zeroVariance.length / sampled.length,
      formlessGroups: zeroVariance.filter(isMalformed).length / sampled.length,
      stoppedGroups: zeroVariance.filter(({ weight }) => weight === 0).length / sampled.length,
      formProblems: countFormatProblems(responses),
      filled: Math.max(0, perRound - informative.length),
      ...countFaults(sampled),
    },
  };
}

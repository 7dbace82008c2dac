// The groups of a step: asked, judged, and with dynamic sampling asked for anew where they say nothing.
//
// Contract: a function of configuration, step and the questions that were asked before, so that a step that was stopped
// while it asked is asked again as it was. Rounds end when there are enough groups with signal, or after `resamplings`
// further ones; then silent groups fill the batch. Source: DAPO (arXiv 2503.14476), 3.2.
import { hash32 } from '../corpus/index.ts';
import { sampleAnswers, trainingQuestions } from '../eval/index.ts';
import { type Group, hasSignal, toGroup } from './batch.ts';
import type { RlRun } from './open-run.ts';

/** The stream of random numbers of a run's rollouts; its evaluations have another. */
const rolloutStream = 1;

/** What is wrong with a response that did not come to its end, whatever else is. */
export const cutOff = 'cut off by maxTokens';
/** Problems of the form that are told. */
const mostProblems = 5;

function formProblemsOf(responses: Group['responses']): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { formatProblem, isEnded } of responses) {
    if (formatProblem === null) continue;
    const problem = isEnded ? formatProblem : cutOff;
    counts.set(problem, (counts.get(problem) ?? 0) + 1);
  }
  const commonest = [...counts].sort(([, a], [, b]) => b - a).slice(0, mostProblems);
  return Object.fromEntries(commonest.map(([problem, count]) => [problem, count / responses.length]));
}

const isFormless = ({ responses }: Group) => responses.every(({ isWellFormed }) => !isWellFormed);

export interface Collected {
  readonly groups: readonly Group[];
  /** Questions asked since the run began. */
  readonly asked: number;
  readonly rounds: number;
  /** Share of silent groups among all that were asked. */
  readonly silentGroups: number;
  /** Of these, the ones without a response in form. */
  readonly formlessGroups: number;
  /** What keeps responses from the form, the commonest first, as shares of all responses. */
  readonly formProblems: Readonly<Record<string, number>>;
  /** Silent groups that stand in `groups`, because no others were found. */
  readonly filled: number;
  /** Tokens of all responses, those of groups that were replaced too. */
  readonly generated: number;
}

export async function collectGroups(
  { config, answer, questions }: Pick<RlRun, 'config' | 'answer' | 'questions'>,
  step: number,
  askedBefore: number,
  signal?: AbortSignal,
): Promise<Collected> {
  const { questions: wanted, groupSize: samples, resamplings, temperature, maxTokens, rewards, seed } = config;
  const [loud, silent]: [Group[], Group[]] = [[], []];
  let rounds = 0;
  while (rounds <= resamplings && loud.length < wanted) {
    const from = askedBefore + rounds * wanted;
    const answered = await sampleAnswers(answer, await trainingQuestions(questions, from, from + wanted), {
      samples,
      signal,
      sampling: { temperature, topP: 1, maxTokens },
      seed: hash32(seed, step, rounds, rolloutStream),
    });
    for (const group of answered.map((each) => toGroup(each, rewards))) (hasSignal(group) ? loud : silent).push(group);
    rounds++;
  }
  const responses = [...loud, ...silent].flatMap((group) => group.responses);
  return {
    groups: [...loud, ...silent].slice(0, wanted),
    rounds,
    asked: askedBefore + rounds * wanted,
    silentGroups: silent.length / (rounds * wanted),
    formlessGroups: silent.filter(isFormless).length / (rounds * wanted),
    formProblems: formProblemsOf(responses),
    filled: Math.max(0, wanted - loud.length),
    generated: responses.reduce((sum, { ids }) => sum + ids.length, 0),
  };
}

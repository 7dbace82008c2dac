// The groups of a step: asked, judged, and with dynamic sampling asked for anew where they say nothing.
//
// Contract: a function of configuration, step and the questions that were asked before, so that a step that was stopped
// while it asked is asked again as it was. Rounds end when there are enough groups with signal, or after `resamplings`
// further ones; then silent groups fill the batch. Source: DAPO (arXiv 2503.14476), 3.2.
import { hash32 } from '../corpus/index.ts';
import { ask, type Group, hasSignal } from './batch.ts';
import type { RlRun } from './open-run.ts';
import { trainQuestions } from './question.ts';

/** Streams of chance of a run, so that none repeats another. */
export const streams = { rollout: 1, evaluation: 2 } as const;

/** What is wrong with a response that did not come to its end, whatever else is. */
export const cutOff = 'cut off by maxTokens';
/** Problems of the form that are told. */
const mostProblems = 5;

function formProblemsOf(responses: Group['responses']): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { formProblem, isEnded } of responses) {
    if (formProblem === null) continue;
    const problem = isEnded ? formProblem : cutOff;
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
  { config, rollouts, questions, decode }: Pick<RlRun, 'config' | 'rollouts' | 'questions' | 'decode'>,
  step: number,
  askedBefore: number,
  signal?: AbortSignal,
): Promise<Collected> {
  const { questions: wanted, groupSize: samples, resamplings, temperature, rewards, seed } = config;
  const [loud, silent]: [Group[], Group[]] = [[], []];
  let rounds = 0;
  while (rounds <= resamplings && loud.length < wanted) {
    const from = askedBefore + rounds * wanted;
    const made = await ask(rollouts, await trainQuestions(questions, from, from + wanted), {
      samples,
      rewards,
      decode,
      signal,
      sampling: { temperature },
      seed: hash32(seed, step, rounds, streams.rollout),
    });
    for (const group of made) (hasSignal(group) ? loud : silent).push(group);
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

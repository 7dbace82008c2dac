// The gate before the first step: whether the base's own answers give reinforcement learning anything to select from.
//
// Reward can only make likelier what the base already does. At least one answer in a hundred must be well-formed and
// one correct; otherwise nearly all groups are alike for most of a run. Contract: a function of recipe and base, so
// that a run that was stopped here takes the same gate again.
import { countFaults, expectVerdicts, sampleAnswers, trainingQuestions } from '../eval/index.ts';
import { deriveSeed, formatPercent, mean } from '../math/index.ts';
import { TrainError } from '../train/index.ts';
import { countFormatProblems, cutOff, type RolloutSource } from './collect.ts';
import { sortByTask } from './curriculum.ts';
import type { RlGateEvent } from './events.ts';
import type { RlConfig } from './rl-recipe.ts';

export type GateResult = Omit<RlGateEvent, 'event' | 'time'>;

/** The stream of random numbers of the gate's answers. */
const gateStream = 3;

const percent = (share: number) => formatPercent(share, 1);

interface GateOptions {
  readonly maxTokens: number;
  readonly signal: AbortSignal;
  readonly progress: (done: number) => void;
}

/** Asks the base one answer to each of the first training questions. Rejects where the signal aborts. */
export async function takeGate(
  { gate, temperature, seed }: Pick<RlConfig, 'gate' | 'temperature' | 'seed'>,
  { answer, questions }: Pick<RolloutSource, 'answer' | 'questions'>,
  { maxTokens, signal, progress }: GateOptions,
): Promise<GateResult> {
  const asked = await trainingQuestions(questions, 0, gate.samples);
  let done = 0;
  const answered = await sampleAnswers(answer, asked, {
    samples: 1,
    sampling: { temperature, topP: 1, maxTokens },
    seed: deriveSeed(seed, gateStream),
    signal,
    progress: () => progress(++done),
  });
  expectVerdicts(countFaults(answered));
  const summarize = (own: typeof answered) => {
    const responses = own.flatMap((each) => each.responses);
    return {
      samples: responses.length,
      wellFormed: mean(responses.map(({ isWellFormed }) => (isWellFormed ? 1 : 0))),
      correct: mean(responses.map(({ isCorrect }) => (isCorrect ? 1 : 0))),
    };
  };
  const all = summarize(answered);
  return {
    ...all,
    formProblems: countFormatProblems(answered.flatMap((each) => each.responses)),
    tasks: [...sortByTask(answered).values()].map((own) => {
      const { task, difficulty } = own[0].question;
      return { task: task.name, difficulty, ...summarize(own) };
    }),
    isPassed: all.wellFormed >= gate.wellFormed && all.correct >= gate.correct,
  };
}

/** Says what the base's answers are like. */
export function describeGate({ samples, wellFormed, correct, tasks, formProblems }: GateResult): string {
  const [problem] = Object.entries(formProblems);
  const parts = [
    `${percent(wellFormed)} of ${samples} answers of the base are well-formed, ${percent(correct)} correct`,
  ];
  if (tasks.length > 1)
    parts.push(
      `correct by task: ${tasks.map((each) => `${each.task} ${each.difficulty} ${percent(each.correct)}`).join(', ')}`,
    );
  if (problem !== undefined) parts.push(`most often: ${problem[0]} (${formatPercent(problem[1])})`);
  return parts.join('; ');
}

/** Says what helps a base that lacks the form, or the answers. */
function remedy({ wellFormed, formProblems }: GateResult, gate: RlConfig['gate']): string {
  const [problem] = Object.keys(formProblems);
  const otherwise = 'or lower gate.wellFormed and gate.correct to train nevertheless';
  if (wellFormed >= gate.wellFormed)
    return `choose an easier level (--task name:level), let the base read worked examples of its tasks, ${otherwise}`;
  if (problem === cutOff) return `raise maxTokens, or take a base that ends its answers, ${otherwise}`;
  const cold = 'fine-tune it on a few answers in the template first (a cold start: minke sft or minke distill)';
  return `take a base that has read worked examples with tags, or ${cold}, ${otherwise}`;
}

/** Throws TrainError where the gate is not passed. */
export function expectGatePassed(result: GateResult, gate: RlConfig['gate']): void {
  if (result.isPassed) return;
  const needed = `${percent(gate.wellFormed)} and ${percent(gate.correct)} are needed`;
  const problem = `${describeGate(result)}; ${needed}, or rewards do not differ and nothing is learned`;
  throw new TrainError('gate', problem, remedy(result, gate));
}

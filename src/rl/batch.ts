// A step's data: groups of responses with their rewards, and what training reads of them.
import { hash32 } from '../corpus/index.ts';
import type { SamplingOptions } from '../engine/index.ts';
import type { TrainSequence } from '../train/index.ts';
import { advantagesOf, tokenWeights } from './advantage.ts';
import type { RlConfig } from './config.ts';
import type { Question } from './question.ts';
import { checksIn, type Judged, judge } from './reward.ts';
import type { Rollout, Rollouts } from './rollout.ts';

export interface Response extends Rollout, Judged {
  readonly text: string;
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

export interface AskOptions {
  readonly samples: number;
  readonly seed: number;
  readonly sampling: SamplingOptions;
  readonly rewards: RlConfig['rewards'];
  readonly decode: (ids: ArrayLike<number>) => string;
  readonly signal?: AbortSignal | undefined;
}

/** Asks each question `samples` times and judges what comes back. */
export async function ask(rollouts: Rollouts, questions: readonly Question[], options: AskOptions): Promise<Group[]> {
  const { samples, seed, sampling, rewards, decode, signal } = options;
  const asks = questions.flatMap(({ ids }, q) =>
    Array.from({ length: samples }, (_, g) => ({ prompt: ids, seed: hash32(seed, q, g) })),
  );
  const made = await rollouts.run(asks, sampling, signal);
  const texts = made.map(({ ids, isEnded }) => decode(isEnded ? ids.subarray(0, -1) : ids));
  const responses = await judgedAll(questions, made, texts, rewards);
  return questions.map((question, q) => ({ question, responses: responses.slice(q * samples, (q + 1) * samples) }));
}

/** Responses with their verdicts, one call of a grader for each task. */
async function judgedAll(
  questions: readonly Question[],
  made: readonly Rollout[],
  texts: readonly string[],
  rewards: RlConfig['rewards'],
): Promise<Response[]> {
  const samples = made.length / questions.length;
  const questionOf = (r: number) => questions[Math.floor(r / samples)];
  const responses: Response[] = [];
  for (const task of new Set(questions.map((question) => question.task))) {
    const own = [...made.keys()].filter((r) => questionOf(r).task === task);
    const verdicts = await judge(
      task,
      own.map((r) => ({ problem: questionOf(r).problem, text: texts[r] })),
    );
    own.forEach((r, i) => {
      const judged = verdicts[i];
      const reward = (judged.isRight ? rewards.accuracy : 0) + (judged.isWellFormed ? rewards.format : 0);
      responses[r] = { ...made[r], ...judged, text: texts[r], reward };
    });
  }
  return responses;
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

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** What a step's responses say together. */
export function summary(groups: readonly Group[]) {
  const all = groups.flatMap(({ responses }) => responses);
  const share = (of: (response: Response) => boolean) => mean(all.map((response) => (of(response) ? 1 : 0)));
  const meanLength = (some: readonly Response[]) =>
    some.length === 0 ? null : mean(some.map(({ ids }) => ids.length));
  return {
    reward: mean(all.map(({ reward }) => reward)),
    accuracy: share(({ isRight }) => isRight),
    format: share(({ isWellFormed }) => isWellFormed),
    tokens: meanLength(all) as number,
    tokensRight: meanLength(all.filter(({ isRight }) => isRight)),
    tokensWrong: meanLength(all.filter(({ isRight }) => !isRight)),
    truncated: share(({ isEnded }) => !isEnded),
    checks: mean(all.map(({ text }) => checksIn(text))),
    faults: all.filter(({ isFault }) => isFault).length,
  };
}

// A model examined while it learns: held-out problems of each task, pass@1 with its interval, form and length.
import { hash32 } from '../corpus/index.ts';
import { ask, summary } from './batch.ts';
import { streams } from './collect.ts';
import type { RlConfig } from './config.ts';
import { passAt1 } from './evaluation.ts';
import { type QuestionSource, questionsOf } from './question.ts';
import type { Rollouts } from './rollout.ts';

export interface Examined {
  readonly task: string;
  readonly difficulty: number;
  readonly passAt1: number;
  /** Half of the 95 % confidence interval. */
  readonly margin: number;
  readonly format: number;
  /** Of a response, mean. */
  readonly tokens: number;
  readonly problems: number;
  readonly samples: number;
}

/** The same problems with the same chance each time, so that what changes is the model. */
export async function examine(
  rollouts: Rollouts,
  questions: QuestionSource,
  { problems, samples, temperature, topP }: RlConfig['evaluation'],
): Promise<Examined[]> {
  const { tasks, tokenizer, config } = questions;
  const examined: Examined[] = [];
  for (const chosen of tasks) {
    const asked = await questionsOf(questions, chosen, [...Array(problems).keys()], 'held-out');
    const groups = await ask(rollouts, asked, {
      samples,
      rewards: { accuracy: 1, format: 1 },
      sampling: { temperature, topP },
      decode: (ids) => tokenizer.decode(Array.from(ids)),
      seed: hash32(config.seed, streams.evaluation),
    });
    const { format, tokens } = summary(groups);
    const { mean, margin } = passAt1(groups.map(({ responses }) => responses.map(({ isRight }) => isRight)));
    const { task, difficulty } = chosen;
    examined.push({ task: task.name, difficulty, passAt1: mean, margin, format, tokens, problems, samples });
  }
  return examined;
}

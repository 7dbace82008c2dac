// How often a model solves a problem that is asked as `minke chat` asks it: by the chat template, as one message.
import type { SamplingOptions, ServedModel } from '../src/engine/index.ts';
import type { TaskProblem, TaskVerdict } from '../src/server/protocol-tasks.ts';
import { gradeAnswer } from '../src/server/tasks.ts';

async function solves(model: ServedModel, { task, problem }: TaskProblem, options: SamplingOptions): Promise<boolean> {
  const text = { thinking: '', answer: '' };
  for await (const event of model.chat([{ role: 'user', content: problem.prompt }], options))
    if (event.type === 'part') text[event.channel] += event.text;
    else if (event.error) throw event.error;
  const response = await gradeAnswer(
    { tasks: [] },
    { task, problem, reasoning_content: text.thinking, content: text.answer },
  );
  return ((await response.json()) as TaskVerdict).correct;
}

/** Returns the number of seeds with which the model's answer is correct. The answers are generated in one batch. */
export async function countSolved(
  model: ServedModel,
  example: TaskProblem,
  sampling: SamplingOptions,
  seeds: readonly number[],
): Promise<number> {
  const verdicts = await Promise.all(seeds.map((seed) => solves(model, example, { ...sampling, seed })));
  return verdicts.filter(Boolean).length;
}

// The student's examination while it learns: held-out problems of the recipe's tasks, answered by its weights as they are.
//
// Rollouts read the tensors that the optimizer changes, so nothing is copied. Responses are as long as traces may be, or
// as the student's context has room for. Without tasks (traces of another run) nothing is asked.

import type { BaseVocabulary } from '../corpus/index.ts';
import { type Model, precisions } from '../model/index.ts';
import { type Examined, examine, openQuestions, questionsOf, Rollouts } from '../rl/index.ts';
import { closeTasks } from '../tasks/index.ts';
import { TrainError } from '../train/index.ts';
import type { DistilConfig } from './config.ts';

export interface Exam {
  run(): Promise<Examined[]>;
  close(): Promise<void>;
}

/** Responses that are generated at once. */
const maxSequences = 64;

export async function openExam(config: DistilConfig, model: Model, vocabulary: BaseVocabulary): Promise<Exam> {
  const { evaluation, precision, traces } = config;
  const { tokenizer, endId } = vocabulary;
  const context = model.config.maxPositionEmbeddings;
  const questions = await openQuestions(config, tokenizer, context);
  const close = () => closeTasks(questions.tasks);
  try {
    const indices = [...Array(evaluation.problems).keys()];
    const each = await Promise.all(questions.tasks.map((task) => questionsOf(questions, task, indices, 'held-out')));
    const longest = Math.max(0, ...each.flat().map(({ ids }) => ids.length));
    const contextLength = Math.min(context, longest + traces.maxTokens);
    const maxTokens = contextLength - longest;
    if (maxTokens < 1)
      throw new TrainError(
        'evaluation',
        `a problem of ${longest} tokens fills the student's context`,
        'take easier tasks',
      );
    const policy = precisions[precision];
    const rollouts = new Rollouts(model, { policy, maxSequences, contextLength, maxTokens, endId });
    return {
      run: () => examine(rollouts, questions, evaluation),
      close: async () => {
        rollouts.dispose();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

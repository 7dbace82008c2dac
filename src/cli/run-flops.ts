// The FLOPs of a distillation or of reinforcement learning, from the folder of the run alone.
//
// What counts: every token that the student generates or reads (one forward pass), every token that it learns from
// (forward and backward, three passes), the pass of the reference in reinforcement learning, and every token that the
// teacher generated, kept or not, or read for its distributions. What does not: evaluations, which are alike for all,
// and what trained the teacher. Prompts count at the mean length of the first ones of the run.
import { join } from 'node:path';
import { encodePrompt } from '../corpus/index.ts';
import { type DistillConfig, distill, readAnswered } from '../distill/index.ts';
import { openQuestions, trainingQuestions } from '../eval/index.ts';
import { mean, sum } from '../math/index.ts';
import { flopsPerToken } from '../model/index.ts';
import { type RlConfig, rl } from '../rl/index.ts';
import { closeTasks } from '../tasks/index.ts';
import { loadTokenizer } from '../tokenizer/index.ts';
import {
  eventsNamed,
  holdsRun,
  readBaseConfig,
  readEvents,
  readRunRecipe,
  runFiles,
  TrainError,
} from '../train/index.ts';

export interface RunFlops {
  readonly student: number;
  readonly teacher: number;
}

/** Prompts whose mean length counts for all. */
const countedPrompts = 64;

/** Tokens of a model in a run, by what a token costs. */
interface Passes {
  readonly forward: number;
  readonly training: number;
}

async function meanPromptTokens({ tasks, seed, template }: DistillConfig | RlConfig, model: string): Promise<number> {
  const { tokenizer } = loadTokenizer(model);
  const questions = await openQuestions({ tasks, seed, template }, tokenizer, Number.POSITIVE_INFINITY);
  try {
    const first = await trainingQuestions(questions, 0, countedPrompts);
    return mean(first.map(({ prompt }) => encodePrompt(tokenizer, prompt).length));
  } finally {
    await closeTasks(questions.tasks);
  }
}

/** `context`: the mean tokens of a sequence. */
function toFlops(model: string, context: number, { forward, training }: Passes): number {
  const cost = flopsPerToken(readBaseConfig(model), context);
  return forward * cost.prefill + training * cost.training;
}

async function countDistillation(run: string): Promise<RunFlops> {
  const recipe = readRunRecipe(distill, run);
  const { student, teacher, method, epochs, onPolicy } = recipe;
  const events = readEvents(join(run, runFiles.events), distill.events);
  const prompt = await meanPromptTokens(recipe, student);
  if (method === 'on-policy') {
    const steps = eventsNamed(events, 'step');
    const responses = onPolicy.questions * onPolicy.samples;
    const generated = sum(steps.map(({ tokens = 0 }) => tokens * responses));
    const prefilled = steps.length * onPolicy.questions * prompt;
    const read = generated + steps.length * responses * prompt;
    const context = read / Math.max(1, steps.length * responses);
    return {
      student: toFlops(student, context, { forward: generated + prefilled, training: read }),
      teacher: toFlops(teacher, context, { forward: read, training: 0 }),
    };
  }
  const [training] = eventsNamed(events, 'training');
  if (training === undefined) throw new TrainError(run, 'has not begun to train', 'run it to its end');
  const answered = readAnswered(run);
  const generated = sum(answered.map(({ tokens }) => tokens)) + answered.length * prompt;
  const epoch = training.tokens + training.traces * prompt;
  const context = epoch / training.traces;
  const read = method === 'logits' ? epochs * epoch : 0;
  return {
    student: toFlops(student, context, { forward: 0, training: epochs * epoch }),
    teacher: toFlops(teacher, context, { forward: generated + read, training: 0 }),
  };
}

async function countReinforcement(run: string): Promise<RunFlops> {
  const recipe = readRunRecipe(rl, run);
  const { model, questions, groupSize } = recipe;
  const steps = eventsNamed(readEvents(join(run, runFiles.events), rl.events), 'step');
  const prompt = await meanPromptTokens(recipe, model);
  const responses = questions * groupSize;
  const generated = sum(steps.map((step) => step.rolloutTokensPerSecond * step.rolloutSeconds));
  const prefilled = sum(steps.map(({ rounds }) => rounds * questions * prompt));
  const read = sum(steps.map(({ tokens }) => responses * (tokens + prompt)));
  const context = read / Math.max(1, steps.length * responses);
  return { student: toFlops(model, context, { forward: generated + prefilled + read, training: read }), teacher: 0 };
}

/** Counts the FLOPs of a run. Throws TrainError where it is of another kind, or has not begun. */
export async function countRunFlops(run: string): Promise<RunFlops> {
  if (holdsRun(run, distill)) return countDistillation(run);
  if (holdsRun(run, rl)) return countReinforcement(run);
  throw new TrainError(run, 'is neither a distillation nor reinforcement learning', 'compare runs of these kinds');
}

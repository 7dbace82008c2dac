// minke eval: how often a model, local or behind an API, solves held-out problems of a task.
import { type Answerer, type Evaluation, evaluate, openAnswerer } from '../eval/index.ts';
import { type Estimate, formatPercent } from '../math/index.ts';
import { closeTasks, openTasks, type TemplateName, taskChoice } from '../tasks/index.ts';
import { type EngineFlags, engineOptions, type SamplingFlags } from './engine-flags.ts';
import { Progress } from './progress.ts';
import { parseTask } from './recipe.ts';

/** What a model is asked, and how its answers are sampled. */
export interface EvaluationRecipe {
  readonly task: string;
  /** @default the task's default */
  readonly difficulty?: number;
  readonly problems: number;
  /** Answers to each problem. */
  readonly samples: number;
  readonly temperature: number;
  readonly topP: number;
  readonly maxTokens: number;
  readonly template: TemplateName;
  readonly seed: number;
}

export interface EvalFlags extends EngineFlags, SamplingFlags {
  readonly task: string[];
  readonly problems: number;
  readonly samples: number;
  readonly maxTokens: number;
  readonly template: TemplateName;
  readonly seed: number;
  readonly model?: string;
  readonly json?: boolean;
}

const formatEstimate = ({ mean, margin }: Estimate) => `${formatPercent(mean, 1)} ± ${(100 * margin).toFixed(1)}`;

function toLine({ task, difficulty, problems, samples, passAt1, consensus, format, tokens }: Evaluation): string {
  const estimates = `pass@1 ${formatEstimate(passAt1)}, cons@${samples} ${formatEstimate(consensus)}`;
  const form = `well-formed ${formatPercent(format, 1)}, ${tokens.toFixed(0)} tokens`;
  return `${task} ${difficulty}: ${estimates}, ${form} (${problems} held-out problems)`;
}

/** Evaluates an answerer by a recipe. */
export async function evaluateByRecipe(
  answer: Answerer,
  { task, difficulty, seed, template, ...options }: EvaluationRecipe,
): Promise<Evaluation> {
  const tasks = await openTasks([taskChoice.parse({ task, ...(difficulty !== undefined && { difficulty }) })], seed);
  const progress = new Progress(task, options.problems * options.samples);
  try {
    const source = { tasks, seed, template };
    return await evaluate(answer, source, tasks[0], { ...options, parallel: 64, progress: () => progress.advance(1) });
  } finally {
    progress.end();
    await closeTasks(tasks);
  }
}

export async function evalCommand(target: string, flags: EvalFlags): Promise<void> {
  const { problems, samples, temperature, topP, maxTokens, seed, template } = flags;
  const key = process.env.OPENAI_API_KEY ?? null;
  const api = { model: flags.model ?? 'default', key, keySource: 'OPENAI_API_KEY' };
  const { answer, close } = await openAnswerer(target, { engine: engineOptions(flags), api });
  try {
    for (const text of flags.task) {
      const options = { problems, samples, temperature, topP, maxTokens, template, seed };
      const evaluation = await evaluateByRecipe(answer, { ...parseTask(text), ...options });
      console.log(flags.json ? JSON.stringify(evaluation) : toLine(evaluation));
    }
  } finally {
    await close();
  }
}

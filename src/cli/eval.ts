// minke eval: how often a model, ours or behind an API, solves held-out problems of a task.
import { type Evaluation, evaluate, openAnswerer } from '../eval/index.ts';
import { type Estimate, formatPercent } from '../math/index.ts';
import { closeTasks, openTasks, type TemplateName, taskChoice } from '../tasks/index.ts';
import { type EngineFlags, engineOptions, positiveOf } from './engine-flags.ts';
import { Progress } from './progress.ts';
import { taskOf } from './recipe.ts';

export interface EvalFlags extends EngineFlags {
  readonly task: string[];
  readonly problems: string;
  readonly samples: string;
  readonly temperature: string;
  readonly topP: string;
  readonly maxTokens: string;
  readonly template: TemplateName;
  readonly seed: string;
  readonly model?: string;
  readonly json?: boolean;
}

const formatEstimate = ({ mean, margin }: Estimate) => `${formatPercent(mean, 1)} ± ${(100 * margin).toFixed(1)}`;

/** A line for people. */
function line({ task, difficulty, problems, samples, passAt1, consensus, format, tokens }: Evaluation): string {
  const estimates = `pass@1 ${formatEstimate(passAt1)}, cons@${samples} ${formatEstimate(consensus)}`;
  const form = `well-formed ${formatPercent(format, 1)}, ${tokens.toFixed(0)} tokens`;
  return `${task} ${difficulty}: ${estimates}, ${form} (${problems} held-out problems)`;
}

export async function evalCommand(target: string, flags: EvalFlags): Promise<void> {
  const [problems, samples] = [positiveOf(flags.problems, '--problems'), positiveOf(flags.samples, '--samples')];
  const maxTokens = positiveOf(flags.maxTokens, '--max-tokens');
  const [temperature, topP, seed] = [flags.temperature, flags.topP, flags.seed].map(Number);
  const key = process.env.OPENAI_API_KEY ?? null;
  const api = { model: flags.model ?? 'default', key, keySource: 'OPENAI_API_KEY' };
  const { answer, close } = await openAnswerer(target, { engine: engineOptions(flags), api });
  try {
    for (const text of flags.task) {
      const tasks = await openTasks([taskChoice.parse(taskOf(text))], seed);
      try {
        const progress = new Progress(text, problems * samples);
        const evaluation = await evaluate(answer, { tasks, seed, template: flags.template }, tasks[0], {
          problems,
          samples,
          temperature,
          topP,
          maxTokens,
          parallel: 64,
          progress: () => progress.advance(1),
        });
        progress.end();
        console.log(flags.json ? JSON.stringify(evaluation) : line(evaluation));
      } finally {
        await closeTasks(tasks);
      }
    }
  } finally {
    await close();
  }
}

// minke eval: how often a model, ours or behind an API, solves held-out problems of a task.
import { openModel } from '../engine/index.ts';
import { type Answerer, type Evaluated, evaluate, ofApi, ofModel } from '../rl/index.ts';
import { openTask, type TemplateName } from '../tasks/index.ts';
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

const percent = ({ mean, margin }: Evaluated['passAt1']) =>
  `${(100 * mean).toFixed(1)} % ± ${(100 * margin).toFixed(1)}`;

async function answererOf(target: string, flags: EvalFlags): Promise<{ answer: Answerer; close: () => Promise<void> }> {
  if (/^https?:/.test(target)) {
    const key = process.env.OPENAI_API_KEY ?? null;
    return {
      answer: ofApi({ base: target, model: flags.model ?? 'default', key, keySource: 'OPENAI_API_KEY' }),
      close: async () => undefined,
    };
  }
  const model = await openModel(target, engineOptions(flags));
  return { answer: ofModel(model), close: () => model.close() };
}

export async function evalCommand(target: string, flags: EvalFlags): Promise<void> {
  const { answer, close } = await answererOf(target, flags);
  try {
    for (const text of flags.task) {
      const { task: name, difficulty } = taskOf(text);
      const task = await openTask(name);
      try {
        const [problems, samples] = [positiveOf(flags.problems, '--problems'), positiveOf(flags.samples, '--samples')];
        const progress = new Progress(text, problems * samples);
        const result = await evaluate(task, answer, {
          problems,
          samples,
          template: flags.template,
          seed: Number(flags.seed),
          difficulty: difficulty ?? task.difficulty.usual,
          temperature: Number(flags.temperature),
          topP: Number(flags.topP),
          maxTokens: positiveOf(flags.maxTokens, '--max-tokens'),
          progress: (n) => progress.advance(n),
        });
        progress.end();
        if (flags.json) console.log(JSON.stringify(result));
        else
          console.log(
            `${result.task} ${result.difficulty}: pass@1 ${percent(result.passAt1)}, cons@${samples} ${percent(result.consensus)}, form ${(100 * result.format).toFixed(1)} %, ${result.tokens.toFixed(0)} tokens (${problems} held-out problems)`,
          );
      } finally {
        await task.close();
      }
    }
  } finally {
    await close();
  }
}

// minke eval: how often a model, local or behind an API, solves held-out problems of a task.
import {
  type Answerer,
  type Evaluation,
  evaluate,
  expectVerdicts,
  isAddress,
  type OpenedAnswerer,
  openAnswerer,
  openRunTasks,
} from '../eval/index.ts';
import { type Estimate, formatPercent } from '../math/index.ts';
import { closeTasks, type Phrasing, type TemplateName, taskChoice } from '../tasks/index.ts';
import { TrainError } from '../train/index.ts';
import { chooseSampling, type EngineFlags, type SamplingFlags } from './engine-flags.ts';
import { recordEvaluation } from './evaluation-record.ts';
import { UsageError } from './exit-codes.ts';
import { findTrainedModel } from './find-trained-model.ts';
import { engineOptions } from './load-model.ts';
import { openDeviceForLongWork } from './long-work.ts';
import { Progress } from './progress.ts';
import { loadRecipe, parseTask } from './recipe.ts';

/** What a model is asked, and how its answers are sampled. */
export interface EvaluationRecipe {
  readonly task: string;
  /** @default the task's default */
  readonly difficulty?: number;
  /** @default 'canonical' */
  readonly phrasing?: Phrasing;
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
  readonly task?: string[];
  readonly problems: number;
  readonly samples: number;
  readonly maxTokens: number;
  readonly template: TemplateName;
  readonly phrasing: Phrasing;
  readonly seed: number;
  readonly model?: string;
  readonly json?: boolean;
}

const formatEstimate = ({ mean, margin }: Estimate) => `${formatPercent(mean, 1)} ± ${(100 * margin).toFixed(1)}`;

function toLine(evaluation: Evaluation): string {
  const { task, difficulty, problems, samples, passAt1, consensus, format, tokens, draftAcceptance } = evaluation;
  const { faults, graded } = evaluation;
  const estimates = `pass@1 ${formatEstimate(passAt1)}, cons@${samples} ${formatEstimate(consensus)}`;
  const form = `well-formed ${formatPercent(format, 1)}, ${tokens.toFixed(0)} tokens`;
  const drafts = draftAcceptance === null ? '' : `, ${formatPercent(draftAcceptance)} of drafts accepted`;
  const graders = faults > 0 ? `, ${faults} of ${graded} graded answers without a verdict` : '';
  return `${task} ${difficulty}: ${estimates}, ${form}${drafts} (${problems} held-out problems)${graders}`;
}

/** Evaluates an answerer by a recipe. */
export async function evaluateByRecipe(
  answer: Answerer,
  { task, difficulty, phrasing, seed, template, ...options }: EvaluationRecipe,
  signal?: AbortSignal,
): Promise<Evaluation> {
  const tasks = await openRunTasks([taskChoice.parse({ task, difficulty, phrasing })], seed);
  const progress = new Progress(task, options.problems * options.samples);
  try {
    const source = { tasks, seed, template };
    return await evaluate(answer, source, tasks[0], {
      ...options,
      parallel: 64,
      progress: () => progress.advance(1),
      ...(signal && { signal }),
    });
  } finally {
    progress.end();
    await closeTasks(tasks);
  }
}

/** A recipe whose sampling follows from flags and the model where it is left out. */
type AskedRecipe = Omit<EvaluationRecipe, keyof SamplingFlags> & SamplingFlags;

/** Reads what is asked: a recipe of its own, or the tasks and options of the command line. Throws TrainError. */
async function readRecipes(target: string | undefined, flags: EvalFlags): Promise<AskedRecipe[]> {
  const { task: tasks = [], problems, samples, maxTokens, seed, template, phrasing } = flags;
  if ((target === undefined) === (tasks.length === 0))
    throw new UsageError('eval', 'expected either a recipe or tasks', 'as in: minke eval my-model --task countdown');
  if (target === undefined)
    return tasks.map((text) => ({
      ...parseTask(text),
      problems,
      samples,
      maxTokens,
      template,
      phrasing,
      seed,
    }));
  const { recipe } = await loadRecipe<EvaluationRecipe>(target);
  if ('problems' in recipe) return [recipe];
  throw new TrainError(target, 'is not the recipe of an evaluation', 'use countdown-eval, or --task');
}

export async function evalCommand(target: string, recipe: string | undefined, flags: EvalFlags): Promise<void> {
  const recipes = await readRecipes(recipe, flags);
  const key = process.env.OPENAI_API_KEY ?? null;
  const api = { model: flags.model ?? 'default', key, keySource: 'OPENAI_API_KEY' };
  const isApi = isAddress(target);
  const path = isApi ? target : (await findTrainedModel(target, flags)).path;
  const device = isApi ? null : await openDeviceForLongWork();
  try {
    const engine = await engineOptions(flags);
    const opened = await openAnswerer(path, { engine: device ? { ...engine, device } : engine, api });
    const about = [...new Set(recipes.map(({ task }) => task))].join(', ');
    const work = device && { path, device, seed: recipes[0].seed, about };
    const ask = (answer: Answerer) => evaluateAll(answer, opened.defaults, recipes, flags);
    try {
      const evaluations = await (work ? recordEvaluation(work, opened.answer, ask) : ask(opened.answer));
      for (const evaluation of evaluations) expectVerdicts(evaluation);
    } finally {
      await opened.close();
    }
  } finally {
    await device?.close();
  }
}

/** Evaluates by each of the recipes and prints what came of it. */
async function evaluateAll(
  answer: Answerer,
  defaults: OpenedAnswerer['defaults'],
  recipes: readonly AskedRecipe[],
  flags: EvalFlags,
): Promise<Evaluation[]> {
  const evaluations: Evaluation[] = [];
  for (const each of recipes) {
    const sampling = chooseSampling({ ...flags, ...each }, defaults);
    const evaluation = await evaluateByRecipe(answer, { ...each, ...sampling });
    evaluations.push(evaluation);
    console.log(flags.json ? JSON.stringify(evaluation) : toLine(evaluation));
    if (evaluation.fault !== null) console.error(evaluation.fault);
  }
  return evaluations;
}

// The same speedrun with several seeds, one after another, each in its own folder: a table of what each came to.
//
// Contract: finished stages are not repeated. A seed that fails in words (a base that does not pass the gate) is a row
// of the table, and the others are run; a stop ends all.
import { basename, join } from 'node:path';
import { MinkeError } from '../kernels/index.ts';
import { formatPercent, mean } from '../math/index.ts';
import { readLineage } from '../train/index.ts';
import { readReport } from './report.ts';
import type { ResultPart } from './results.ts';
import type { Speedrun } from './speedrun.ts';
import type { PipelineOptions, StageEvaluations } from './stage-runner.ts';

/** What one seed came to. */
export interface SeedResult {
  readonly seed: number;
  readonly folder: string;
  /** Null where it failed. */
  readonly evaluations: StageEvaluations | null;
  readonly problem: string | null;
  /** Minutes of all stages. */
  readonly minutes: number;
}

export interface SeedOptions {
  readonly seeds: readonly number[];
  readonly signal: AbortSignal;
  /** Runs a speedrun in a folder. */
  run(folder: string, options: PipelineOptions): Promise<StageEvaluations>;
}

/** Runs a speedrun with each seed. Rejects with the signal's reason where that aborts. */
export async function runSeeds(
  { stages }: Pick<Speedrun, 'stages'>,
  root: string,
  { seeds, signal, run }: SeedOptions,
): Promise<SeedResult[]> {
  const results: SeedResult[] = [];
  for (const seed of seeds) {
    const folder = join(root, `seed-${seed}`);
    let [evaluations, problem]: [StageEvaluations | null, string | null] = [null, null];
    try {
      evaluations = await run(folder, { seed, signal });
    } catch (error) {
      if (signal.aborted || !(error instanceof MinkeError)) throw error;
      problem = error.message;
      console.error(`seed ${seed}: ${problem}`);
    }
    const hours = stages.map(({ name }) => readLineage(join(folder, name))?.hours ?? 0);
    results.push({ seed, folder, evaluations, problem, minutes: 60 * hours.reduce((sum, each) => sum + each, 0) });
  }
  return results;
}

/** Returns the table, its heading first: pass@1 of each stage by seed, then means and ranges over the seeds. */
export function seedTable({ stages }: Speedrun, results: readonly SeedResult[]): string[][] {
  const first = stages[0].name;
  const rows = results.map(({ seed, evaluations, minutes }) => [
    `seed ${seed}`,
    evaluations ? formatPercent(evaluations[first][0].format, 1) : '-',
    ...stages.map(({ name }) => {
      if (evaluations === null) return 'failed';
      const { passAt1 } = evaluations[name][0];
      return `${formatPercent(passAt1.mean, 1)} ± ${formatPercent(passAt1.margin, 1)}`;
    }),
    `${minutes.toFixed(1)} min`,
  ]);
  const whole = results.flatMap(({ evaluations }) => (evaluations ? [evaluations] : []));
  const heading = ['pass@1, held out', `${first}, well-formed`, ...stages.map(({ title }) => title), 'training'];
  if (whole.length < 2) return [heading, ...rows];
  const summary = stages.map(({ name }) => {
    const values = whole.map((evaluations) => evaluations[name][0].passAt1.mean);
    const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => formatPercent(value, 1));
    return `${formatPercent(mean(values), 1)}, ${low} to ${high}`;
  });
  return [heading, ...rows, [`mean and range of ${whole.length}`, '', ...summary, '']];
}

/** Returns the section of several seeds for a page of results. */
export function seedsPart(root: string, speedrun: Speedrun, results: readonly SeedResult[]): ResultPart {
  const name = `${basename(root)}-seeds`;
  const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |`;
  const [heading, ...rows] = seedTable(speedrun, results);
  const seeds = results.map(({ seed }) => seed).join(',');
  const last = results.findLast(({ evaluations }) => evaluations !== null);
  return {
    name,
    paragraphs: [
      `## From nothing to a model that reasons: ${results.length} seeds`,
      [heading, heading.map(() => '---'), ...rows].map(line).join('\n'),
      ...results.flatMap(({ seed, problem }) => (problem === null ? [] : `Seed ${seed} failed: ${problem}`)),
      `Again: \`npx minke speedrun runs/${basename(root)} --seeds ${seeds}\`.`,
    ],
    svg: last ? readReport(join(last.folder, speedrun.best)).draw(`${name}, seed ${last.seed}`) : '<svg/>',
  };
}

// minke ablate: measures one idea and shows it beside the published result, as a table and a plot.
import { basename, join } from 'node:path';
import { describeMachine } from '../kernels/index.ts';
import { formatMillions, formatPercent, mean, sampleVariance } from '../math/index.ts';
import { useDevice } from '../tensor/index.ts';
import { type AblationRecipe, type ArmResult, pretrain, runAblation, smoothed, TrainError } from '../train/index.ts';
import { computeChart, describeCompute } from './compute-to-loss.ts';
import { UsageError } from './exit-codes.ts';
import { lineChart } from './line-chart.ts';
import { openDeviceForLongWork } from './long-work.ts';
import { type PipelineAblationRecipe, runPipelineAblation } from './pipeline-ablation.ts';
import { describePipelineAblation } from './pipeline-ablation-result.ts';
import { loadRecipe } from './recipe.ts';
import { writeResult } from './results.ts';
import { RunConsole } from './run-console.ts';
import { untilStopped } from './stage-runner.ts';
import { StopRequest } from './stop-request.ts';

export interface AblateCommand {
  readonly data?: string[];
  readonly runs: string;
  readonly results?: string;
}

/** The smoothing of figure 10 of the V3 report. */
const decay = 0.9;
/** The share of the steps after which losses are compared: the warm-up is left out. */
const comparedFrom = 0.1;

/** Formats the mean, with the standard deviation where there are several values. */
function spread(values: readonly number[], digits: number): string {
  if (values.length === 0) return '';
  const average = mean(values).toFixed(digits);
  return values.length === 1 ? average : `${average} ± ${Math.sqrt(sampleVariance(values)).toFixed(digits)}`;
}

/** Returns the mean relative distance of two smoothed training curves, after a share of the steps. */
function gap(first: ArmResult, other: ArmResult, share: number): number {
  const [a, b] = [first, other].map(({ curve }) => smoothed(curve.loss, decay)) as [number[], number[]];
  const from = Math.floor(share * a.length);
  return mean(a.slice(from).map((x, i) => b[from + i] / x - 1));
}

function table(results: readonly ArmResult[]): string {
  const [first] = results;
  const signed = (x: number) => `${x >= 0 ? '+' : ''}${formatPercent(x, 3)}`;
  const gapFrom = (result: ArmResult, share: number) => (result === first ? '' : signed(gap(first, result, share)));
  const columns: [name: string, value: (result: ArmResult) => string][] = [
    ['arm', ({ name }) => name],
    ['validation loss', ({ validation }) => spread(validation, 4)],
    ['training loss: mean gap', (result) => gapFrom(result, comparedFrom)],
    ['gap in the last quarter', (result) => gapFrom(result, 0.75)],
    ['parameters (active)', ({ parameters: p }) => `${formatMillions(p.total)} (${formatMillions(p.active)})`],
    ['cache bytes per token, BF16', ({ cacheBytes }) => `${cacheBytes}`],
  ];
  if (results.some(({ maxVio }) => maxVio.length > 0))
    columns.push(
      ['MaxVio, last quarter of training', ({ maxVio }) => spread(maxVio, 3)],
      ['MaxVio, validation text', ({ validationMaxVio }) => spread(validationMaxVio, 3)],
    );
  columns.push(['tokens/s', ({ tokensPerSecond }) => Math.round(mean(tokensPerSecond)).toLocaleString('en-US')]);
  const rows = results.map((result) => columns.map(([, value]) => value(result)));
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [columns.map(([name]) => name), columns.map(() => '---'), ...rows].map(line).join('\n');
}

function chart(name: string, { plot, seeds }: AblationRecipe, results: readonly ArmResult[]): string {
  if (plot === 'compute') return computeChart(`${name}, mean of ${seeds.length} seed(s)`, results);
  const lines = results
    .filter(({ curve }) => curve[plot].some(Number.isFinite))
    .map(({ name, curve }) => {
      const y = smoothed(curve[plot], 0.98);
      const from = Math.floor(comparedFrom * y.length);
      return { name, x: curve.tokens.slice(from), y: y.slice(from) };
    });
  const yLabel = plot === 'loss' ? 'training loss, nats (smoothed)' : 'MaxVio of a step (smoothed)';
  return lineChart(lines, { title: `${name}, mean of ${seeds.length} seed(s)`, xLabel: 'tokens', yLabel });
}

/** Compares pipelines that continue from the same stages. */
async function ablatePipelines(
  name: string,
  recipe: PipelineAblationRecipe,
  { runs, results }: AblateCommand,
): Promise<void> {
  const folder = join(runs, name);
  const found = await untilStopped((signal) => runPipelineAblation(recipe, { folder, signal }));
  if (found === null) return;
  const { cpu, cores } = describeMachine();
  const { paragraphs, svg } = describePipelineAblation(name, recipe, found, `${cpu}, ${cores} cores`);
  console.log(paragraphs.join('\n\n'));
  writeResult(results ?? join(folder, 'result'), { name, paragraphs, svg });
}

export async function ablate(target: string, command: AblateCommand): Promise<void> {
  const { recipe } = await loadRecipe<AblationRecipe | PipelineAblationRecipe>(target);
  if (!('arms' in recipe))
    throw new TrainError(target, 'is no ablation: it has no arms', 'use minke pretrain, or a recipe with arms');
  const name = basename(target).replace(/\.\w+$/, '');
  if ('stages' in recipe) return ablatePipelines(name, recipe, command);
  return ablatePretraining(name, recipe, command);
}

/** Compares variants of a recipe of pretraining. */
async function ablatePretraining(
  name: string,
  recipe: AblationRecipe,
  { data, runs, results: kept }: AblateCommand,
): Promise<void> {
  if (data === undefined)
    throw new UsageError('--data', 'is missing', 'add --data and the text, JSONL or Parquet files to train on');
  const stop = new StopRequest();
  const device = await openDeviceForLongWork();
  useDevice(device);
  try {
    let current = '';
    const shown = new RunConsole(pretrain);
    const results = await runAblation(recipe, {
      folder: join(runs, name),
      inputs: data,
      device,
      signal: stop.signal,
      listen: (run, event) => {
        if (run !== current) console.error(`--- ${run}`);
        current = run;
        shown.show(event);
      },
    });
    if (results === null) return stop.setExitCode();
    const { cpu, cores } = describeMachine();
    const { steps, batchSize, sequenceLength } = recipe.base;
    const paragraphs = [
      `## ${recipe.question}`,
      table(results),
      ...(recipe.plot === 'compute' ? describeCompute(results) : []),
      `Published: ${recipe.published}`,
      `${recipe.seeds.length} seed(s), ${steps} steps of ${batchSize} x ${sequenceLength} tokens, ${cpu}, ` +
        `${cores} cores, ${device.isa}. Again: \`npx minke ablate ${name} --data <file>\`.`,
    ];
    console.log(paragraphs.join('\n\n'));
    writeResult(kept ?? join(runs, name, 'result'), { name, paragraphs, svg: chart(name, recipe, results) });
  } finally {
    await device.close();
  }
}

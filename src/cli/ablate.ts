// minke ablate: one idea measured beside what the papers found; a table and a plot.
import { basename, join } from 'node:path';
import { describeMachine, openDevice } from '../kernels/index.ts';
import { useDevice } from '../tensor/index.ts';
import { type AblationRecipe, type ArmResult, pretrain, runAblation, smoothed, TrainError } from '../train/index.ts';
import { lineChart } from './line-chart.ts';
import { loadRecipe } from './recipe.ts';
import { writeResult } from './results.ts';
import { stopSignal } from './run.ts';
import { RunConsole } from './run-console.ts';

export interface AblateCommand {
  readonly data: string[];
  readonly runs: string;
  readonly results?: string;
}

/** As figure 10 of the V3 report. */
const decay = 0.9;
/** Steps whose smoothed losses are compared: those before are the warm-up's. */
const comparedFrom = 0.1;

const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;

/** Mean, with the standard deviation where there are several. */
function spread(values: readonly number[], digits: number): string {
  if (values.length === 0) return '';
  const m = mean(values);
  if (values.length === 1) return m.toFixed(digits);
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - m) ** 2, 0) / (values.length - 1));
  return `${m.toFixed(digits)} ± ${deviation.toFixed(digits)}`;
}

/** Mean relative distance of two smoothed training curves, from a share of the steps on. */
function gap(first: ArmResult, other: ArmResult, share: number): number {
  const [a, b] = [first, other].map(({ curve }) => smoothed(curve.loss, decay)) as [number[], number[]];
  const from = Math.floor(share * a.length);
  return mean(a.slice(from).map((x, i) => b[from + i] / x - 1));
}

function table(results: readonly ArmResult[]): string {
  const [first] = results as [ArmResult];
  const withExperts = results.some(({ maxVio }) => maxVio.length > 0);
  const million = (n: number) => `${(n / 1e6).toFixed(2)} M`;
  const percent = (x: number) => `${x >= 0 ? '+' : ''}${(100 * x).toFixed(3)} %`;
  const header = [
    'arm',
    'validation loss',
    'training loss: mean gap',
    'gap in the last quarter',
    'parameters (active)',
  ];
  const rows = results.map((result) => {
    return [
      result.name,
      spread(result.validation, 4),
      result === first ? '' : percent(gap(first, result, comparedFrom)),
      result === first ? '' : percent(gap(first, result, 0.75)),
      `${million(result.parameters.total)} (${million(result.parameters.active)})`,
      `${result.cacheBytes}`,
      ...(withExperts ? [spread(result.maxVio, 3), spread(result.validationMaxVio, 3)] : []),
      Math.round(mean(result.tokensPerSecond)).toLocaleString('en-US'),
    ];
  });
  const heads = [
    ...header,
    'cache bytes a token, BF16',
    ...(withExperts ? ['MaxVio, last quarter of training', 'MaxVio, validation text'] : []),
    'tokens/s',
  ];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n');
}

function chart(name: string, { plot, seeds }: AblationRecipe, results: readonly ArmResult[]): string {
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

export async function ablate(target: string, { data, runs, results: kept }: AblateCommand): Promise<void> {
  const recipe = (await loadRecipe<AblationRecipe>(target)).recipe as AblationRecipe;
  if (!('arms' in recipe))
    throw new TrainError(target, 'is no ablation: it has no arms', 'use minke pretrain, or a recipe with arms');
  const name = basename(target).replace(/\.\w+$/, '');
  const device = openDevice();
  useDevice(device);
  try {
    let current = '';
    const shown = new RunConsole(pretrain);
    const results = await runAblation(recipe, {
      folder: join(runs, name),
      inputs: data,
      device,
      signal: stopSignal(),
      listen: (run, event) => {
        if (run !== current) console.error(`--- ${run}`);
        current = run;
        shown.show(event);
      },
    });
    const { cpu, cores } = describeMachine();
    const { steps, batchSize, sequenceLength } = recipe.base;
    const paragraphs = [
      `## ${recipe.question}`,
      table(results),
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

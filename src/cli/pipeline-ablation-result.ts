// What an ablation of pipelines found: a table for each comparison, whether intervals overlap, and a plot.
import { formatPercent, mean } from '../math/index.ts';
import { lineChart } from './line-chart.ts';
import {
  type ArmRun,
  type ArmRuns,
  type Comparison,
  estimateOverSeeds,
  type PipelineAblationRecipe,
} from './pipeline-ablation.ts';

const titles: Readonly<Record<Comparison, string>> = { data: 'At equal data', flops: 'At equal FLOPs' };

const average = (runs: readonly ArmRun[], value: (run: ArmRun) => number) => mean(runs.map(value));

function table(comparison: Comparison, arms: ReadonlyMap<string, readonly ArmRun[]>): string {
  const rows = [...arms].map(([title, runs]) => {
    const { mean: accuracy, margin } = estimateOverSeeds(runs);
    return [
      title,
      `${formatPercent(accuracy, 1)} ± ${formatPercent(margin, 1)}`,
      runs.map(({ passAt1 }) => formatPercent(passAt1.mean, 1)).join(', '),
      formatPercent(
        average(runs, ({ format }) => format),
        1,
      ),
      average(runs, ({ tokens }) => tokens).toFixed(0),
      average(runs, ({ flops }) => flops.student + flops.teacher).toExponential(2),
      formatPercent(average(runs, ({ flops }) => flops.teacher / (flops.student + flops.teacher))),
      `${(60 * average(runs, ({ hours }) => hours)).toFixed(1)} min`,
    ];
  });
  const heading = [titles[comparison], 'pass@1', 'by seed', 'well-formed', 'tokens', 'FLOPs', "the teacher's", 'time'];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [heading, heading.map(() => '---'), ...rows].map(line).join('\n');
}

/** Says which arm is the best one, and which are worse with intervals that do not overlap. */
export function describeOrder(comparison: Comparison, arms: ReadonlyMap<string, readonly ArmRun[]>): string {
  const [best, ...others] = [...arms]
    .map(([title, runs]) => ({ title, ...estimateOverSeeds(runs) }))
    .sort((a, b) => b.mean - a.mean);
  const isBelow = (each: typeof best) => each.mean + each.margin < best.mean - best.margin;
  const name = (each: typeof best) => each.title;
  const [below, alike] = [others.filter(isBelow).map(name), others.filter((each) => !isBelow(each)).map(name)];
  const parts = [
    ...(below.length > 0 ? [`above ${below.join(', ')} with intervals that do not overlap`] : []),
    ...(alike.length > 0 ? [`not told apart from ${alike.join(', ')}, whose intervals overlap with its own`] : []),
  ];
  return `${titles[comparison]}, ${best.title} is the best: ${parts.join('; ')}.`;
}

/** Returns the plot: accuracy over the FLOPs that an arm has used, at equal FLOPs, means over seeds. */
function chart(name: string, arms: ReadonlyMap<string, readonly ArmRun[]>): string {
  const lines = [...arms].map(([title, runs]) => {
    const points = Math.min(...runs.map(({ curve }) => curve.length));
    const total = average(runs, ({ flops }) => flops.student + flops.teacher);
    const indices = [...Array(points).keys()];
    return {
      name: title,
      x: indices.map((i) => total * average(runs, ({ curve }) => curve[i][0])),
      y: indices.map((i) => average(runs, ({ curve }) => curve[i][1])),
    };
  });
  const labels = { xLabel: 'FLOPs, all of an arm spread over its steps', yLabel: 'pass@1, held out' };
  return lineChart(lines, { title: `${name}, at equal FLOPs`, ...labels, format: 'percent' });
}

/** Returns the paragraphs of the result, and its plot. */
export function describePipelineAblation(
  name: string,
  { question, published, seeds, evaluation, reference }: PipelineAblationRecipe,
  runs: ArmRuns,
  machine: string,
): { readonly paragraphs: readonly string[]; readonly svg: string } {
  const { task, problems, samples, temperature } = evaluation;
  const interval = seeds.length > 1 ? "Student's t over seeds" : 'over problems';
  const paragraphs = [
    `## ${question}`,
    table('data', runs.data),
    describeOrder('data', runs.data),
    table('flops', runs.flops),
    describeOrder('flops', runs.flops),
    `Equal FLOPs are those of ${reference}. FLOPs count every token that the student generates, reads or learns ` +
      'from, and every token that the teacher generates, kept or not, or reads; not what trained the teacher, nor ' +
      `evaluations. ${problems} held-out problems of ${task}, ${samples} answers each, temperature ${temperature}; ` +
      `95 % intervals, ${interval}.`,
    `Published: ${published}`,
    `${seeds.length} seed(s), ${machine}. Again: \`npx minke ablate ${name}\`.`,
  ];
  return { paragraphs, svg: chart(name, runs.flops) };
}

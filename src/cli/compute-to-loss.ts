// What an ablation of compute found: the FLOPs that each arm needs for the loss of the first one, and a plot.
//
// Between two evaluations the loss is interpolated over the logarithm of the FLOPs. An arm that never reaches the loss
// is said not to. Products in FP8 count as many FLOPs as others; in a second column half of them, as on hardware that
// multiplies FP8 at twice the rate of BF16.
import { mean, sampleVariance } from '../math/index.ts';
import { claimShare, type Figure, formatFigure } from '../planner/index.ts';
import type { ArmResult, LossAtCompute } from '../train/index.ts';
import { lineChart } from './line-chart.ts';

/** Returns the FLOPs at which a run first reaches a loss; null where it does not. */
export function flopsToLoss(progress: readonly LossAtCompute[], target: number): number | null {
  const at = progress.findIndex(({ loss }) => loss <= target);
  if (at < 0) return null;
  const [before, after] = [progress[at - 1], progress[at]];
  if (before === undefined) return after.flops;
  const share = (before.loss - target) / (before.loss - after.loss);
  return before.flops * (after.flops / before.flops) ** share;
}

function spread(values: readonly number[], write: (value: number) => string): string {
  if (values.length === 1) return write(values[0]);
  return `${write(mean(values))} ± ${write(Math.sqrt(sampleVariance(values)))}`;
}

/** Returns the FLOPs to the target of each seed of an arm; null where one of them does not reach it. */
function toFlops({ progress }: ArmResult, target: number): number[] | null {
  const flops = progress.map((run) => flopsToLoss(run, target));
  return flops.every((each) => each !== null) ? flops : null;
}

const writeFlops = (flops: number): string => flops.toExponential(2);
const writeRatio = (ratio: number): string => `${ratio.toFixed(2)}x`;

/** Returns the rows of the table: FLOPs to the mean final loss of the first arm, seed by seed. */
function computeTable(results: readonly ArmResult[], target: number): string {
  const reference = mean(toFlops(results[0], target) ?? results[0].progress.map((run) => run.at(-1)?.flops ?? 0));
  const rows = results.map((arm) => {
    const flops = toFlops(arm, target);
    const loss = `not reached: ${mean(arm.validation).toFixed(4)}`;
    if (flops === null) return [arm.name, loss, '', '', ''];
    const equivalent = flops.map((each) => each * (1 - arm.fp8Share / 2));
    const less = (values: readonly number[]) =>
      spread(
        values.map((each) => reference / each),
        writeRatio,
      );
    return [arm.name, spread(flops, writeFlops), less(flops), spread(equivalent, writeFlops), less(equivalent)];
  });
  const heading = ['arm', 'FLOPs to equal loss', 'less', 'FP8 at twice the rate', 'less'];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [heading, heading.map(() => '---'), ...rows].map(line).join('\n');
}

const inverse = (share: Figure | null): string =>
  share?.value ? `${(1 / share.value.middle).toFixed(1)}x (${formatFigure(share)} of theirs)` : 'unknown';

/** Returns the paragraphs about FLOPs to equal loss, with the planner's figures for V3 beside them. */
export function describeCompute(results: readonly ArmResult[]): string[] {
  const target = mean(results[0].validation);
  return [
    computeTable(results, target),
    `Equal loss is ${target.toFixed(4)}, the mean final validation loss of ${results[0].name}. FLOPs are those of ` +
      'training, causal, MTP modules included (src/model/cost.ts); memory and communication, which MLA and FP8 save ' +
      'at scale, are not in them.',
    'DeepSeek-V3 beside Llama-3.1-405B, by the planner: ' +
      `${inverse(claimShare('deepseek-v3', 'llama-3.1-405b', 'flops'))} less compute, ` +
      `${inverse(claimShare('deepseek-v3', 'llama-3.1-405b', 'hours'))} fewer GPU hours.`,
  ];
}

/** Returns the plot: the validation loss over the FLOPs of training, means over seeds. */
export function computeChart(title: string, results: readonly ArmResult[]): string {
  const lines = results.map(({ name, progress }) => {
    const points = Math.min(...progress.map((run) => run.length));
    const indices = [...Array(points).keys()];
    return {
      name,
      x: indices.map((i) => mean(progress.map((run) => run[i].flops))),
      y: indices.map((i) => mean(progress.map((run) => run[i].loss))),
    };
  });
  return lineChart(lines, { title, xLabel: 'FLOPs of training', yLabel: 'validation loss, nats' });
}

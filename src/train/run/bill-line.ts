// What a run was predicted to compute and take, what it did, and what that cost: rows of its report, and one line.
import { formatDuration, formatPercent } from '../../math/index.ts';
import { type Band, formatBand } from '../../planner/index.ts';
import type { Fact } from './description.ts';
import type { Energy } from './energy.ts';
import type { Lineage } from './lineage.ts';
import { predictedFlops } from './work.ts';

/** No price and no power is known better. */
const digits = 2;

export function formatMoney(band: Band, currency: string): string {
  return formatBand(band, currency, digits);
}

export function formatEnergy({ low, middle, high, method }: Energy): string {
  return `${formatBand({ low: 1000 * low, middle: 1000 * middle, high: 1000 * high }, 'Wh', digits)}, ${method}`;
}

/** Returns how far a prediction was off, with its sign: what was predicted over what came, less 1. */
export function predictionError(predicted: number, measured: number): string {
  if (measured === 0) return 'nothing to compare with';
  const error = predicted / measured - 1;
  return `${error < 0 ? '-' : '+'}${formatPercent(Math.abs(error), 1)}`;
}

/** Returns what a prediction of the whole run was worth; a run that stopped early is not compared with it. */
function comparePrediction({ status }: Lineage, predicted: number, measured: number): string {
  return status === 'completed' ? predictionError(predicted, measured) : 'for all steps';
}

const formatFlops = (flops: number): string => flops.toExponential(2);

/** Returns what an amount of the lineage's money is at the low, middle and high price. */
export function costBand({ hours, cost }: Pick<Lineage, 'hours' | 'cost'>): Band {
  const { low, middle, high } = cost.price ?? {
    low: cost.pricePerHour,
    middle: cost.pricePerHour,
    high: cost.pricePerHour,
  };
  return { low: hours * low, middle: hours * middle, high: hours * high };
}

function flopsFact(lineage: Lineage): Fact {
  const { work, flops, kind } = lineage;
  if (work === null && flops === 0) return ['FLOPs', 'not counted: the run is older than the count'];
  const counted = `${formatFlops(flops)} counted${work === null ? ` in steps of ${kind}` : ''}`;
  const shares = work ? [['evaluation', work.evaluation] as const, ['lost steps', work.superseded] as const] : [];
  const parts = shares
    .filter(([, part]) => part > 0)
    .map(([name, part]) => `${formatPercent(part / flops, 1)} ${name}`);
  return ['FLOPs', [counted, ...parts].join(', ')];
}

/** Returns the rows of what was predicted, counted, used and paid. */
export function billFacts(lineage: Lineage): Fact[] {
  const { predicted, hours, cost, energy, work } = lineage;
  const rows: Fact[] = [flopsFact(lineage)];
  if (work && work.generated > 0) rows.push(['tokens generated', `${work.generated}`]);
  if (predicted) {
    const own = predictedFlops(lineage);
    const error = comparePrediction(lineage, predicted.flops, own);
    const assumed = predicted.assumes.length > 0 ? `, assuming ${predicted.assumes.join(', ')}` : '';
    rows.push(['FLOPs predicted', `${formatFlops(predicted.flops)}, of ${formatFlops(own)}: ${error}${assumed}`]);
    if (predicted.hours !== null)
      rows.push([
        'time predicted',
        `${formatDuration(3600 * predicted.hours)}: ${comparePrediction(lineage, predicted.hours, hours)}`,
      ]);
  }
  rows.push(['total time', formatDuration(3600 * hours)]);
  if (energy) rows.push(['energy', formatEnergy(energy)]);
  const { price, currency, pricePerHour } = cost;
  const hour = price ?? { low: pricePerHour, middle: pricePerHour, high: pricePerHour };
  const source = price ? ` (${price.date}; ${price.source})` : '';
  rows.push(['cost', `${formatMoney(costBand(lineage), currency)} at ${formatMoney(hour, `${currency}/h`)}${source}`]);
  return rows;
}

/** Returns the same as one line, for the end of a run. */
export function describeBill(lineage: Lineage): string {
  const { flops, predicted, hours, cost, energy } = lineage;
  const own = predictedFlops(lineage);
  const compare = (text: string, ...[expected, measured]: readonly [number, number]) =>
    ` (${text} predicted, ${comparePrediction(lineage, expected, measured)})`;
  const ahead = predicted ? compare(formatFlops(predicted.flops), predicted.flops, own) : '';
  const beside = own < flops ? ` and ${formatFlops(flops - own)} for evaluations and lost steps` : '';
  const time =
    predicted && predicted.hours !== null
      ? compare(formatDuration(3600 * predicted.hours), predicted.hours, hours)
      : '';
  return [
    `${formatFlops(own)} FLOPs${ahead}${beside}`,
    `${formatDuration(3600 * hours)}${time}`,
    ...(energy ? [formatEnergy(energy)] : []),
    formatMoney(costBand(lineage), cost.currency),
  ].join('; ');
}

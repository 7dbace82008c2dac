// From the events of a run to the numbers that reports and pages show: the lines of charts, the headline, their format.
// The page loads this file, so it needs nothing of Node.
import { formatPercent, formatShort, mean } from '../math/index.ts';
import type { Chart, ChartSeries, HeadlineNumber, NumberFormat, RunEvent } from '../train/run/description.ts';
import { smoothed } from '../train/run/series.ts';

/** The values of a line at each step of its chart; null where there is none. */
type LineValues = readonly (number | null)[];

export interface ChartLine extends Pick<ChartSeries, 'name' | 'tone'> {
  readonly values: LineValues;
  /** The running mean, for a series that is smoothed. */
  readonly smooth: LineValues | null;
  /** Whether the values lie far apart, as those of evaluations. */
  readonly isSparse: boolean;
}

export interface ChartData extends Omit<Chart, 'series'> {
  readonly steps: readonly number[];
  readonly lines: readonly ChartLine[];
}

function readField(event: RunEvent, field: string): unknown {
  return (event as RunEvent & Readonly<Record<string, unknown>>)[field];
}

/** Returns a field of an event where it is a number. */
export function numberIn(event: RunEvent, field: string): number | null {
  const value = readField(event, field);
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** Decays so that the curve of a short run keeps its shape. */
const decayFor = (count: number) => (count < 45 ? 0 : Math.min(0.95, 1 - 40 / count));

/** Returns the running mean. It begins anew at an index, so that a start that is not shown does not pull it. */
function smoothLine(values: LineValues, from: number): LineValues | null {
  const decay = decayFor(values.length);
  if (decay === 0) return null;
  const finite = values.map((value) => value ?? Number.NaN);
  const pieces = [finite.slice(0, from), finite.slice(from)].map((piece) => smoothed(piece, decay));
  return pieces.flat().map((value) => (Number.isFinite(value) ? value : null));
}

/** Returns the events of each combination of the values of some fields, by those values: `countdown 3`. */
function groupEvents(events: readonly RunEvent[], fields: readonly string[]): Map<string, RunEvent[]> {
  const groups = new Map<string, RunEvent[]>();
  for (const event of events) {
    const name = fields.map((field) => readField(event, field)).join(' ');
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [event]);
    else group.push(event);
  }
  return groups;
}

/** Lines of one series, more than a chart can show: tasks times difficulties. */
const maxLines = 50;

function seriesLines(
  series: ChartSeries,
  events: readonly RunEvent[],
  { steps, from }: { readonly steps: readonly number[]; readonly from: number },
): ChartLine[] {
  const { name, tone, field, groupBy = [], smooth = false, zeroIsGap = false } = series;
  const own = events.filter(({ event }) => event === series.event);
  return [...groupEvents(own, groupBy)].slice(0, maxLines).map(([group, members]) => {
    const byStep = new Map(members.map((event) => [event.step, numberIn(event, field)]));
    const values = steps.map((step) => {
      const value = byStep.get(step) ?? null;
      return zeroIsGap && value === 0 ? null : value;
    });
    return {
      name: group === '' ? name : `${name}, ${group}`,
      ...(tone && { tone }),
      values,
      smooth: smooth ? smoothLine(values, from) : null,
      isSparse: series.event !== 'step',
    };
  });
}

/** Returns the charts of a run that have something to show, over its steps and evaluations. */
export function toChartData(charts: readonly Chart[], events: readonly RunEvent[]): ChartData[] {
  const names = new Set(charts.flatMap(({ series }) => series.map(({ event }) => event)));
  const reached = events.flatMap(({ event, step }) => (names.has(event) && step !== undefined ? [step] : []));
  const steps = [...new Set(reached)].sort((a, b) => a - b);
  return charts.flatMap(({ series, ...chart }) => {
    const from = shownFrom({ ...chart, steps });
    const lines = series.flatMap((each) => seriesLines(each, events, { steps, from }));
    const shown = lines.filter(({ values }) => values.some((value) => value !== null));
    const isZero = shown.every(({ values }) => values.every((value) => value === null || value === 0));
    return shown.length === 0 || (chart.hideZeros && isZero) ? [] : [{ ...chart, steps, lines: shown }];
  });
}

/** The share of the steps whose values do not choose the height of a chart that skips its start. */
const skippedShare = 0.05;

/** Returns the index of the first step whose values choose the height of a chart. */
export function shownFrom({ steps, skipsStart = false }: Pick<ChartData, 'steps' | 'skipsStart'>): number {
  return skipsStart && steps.length > 40 ? Math.ceil(skippedShare * steps.length) : 0;
}

/** Returns the lowest and the highest value that a chart shows, with a margin. */
export function visibleRange(chart: ChartData): [number, number] {
  const from = shownFrom(chart);
  const values = chart.lines.flatMap((line) => line.values.slice(from)).filter((value) => value !== null);
  const [low, high] = values.reduce(
    ([min, max], value) => [Math.min(min, value), Math.max(max, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  if (low > high) return [0, 1];
  const margin = low === high ? Math.abs(low) || 1 : 0.06 * (high - low);
  return [low >= 0 ? Math.max(0, low - margin) : low - margin, high + margin];
}

export interface HeadlineValue extends Pick<HeadlineNumber, 'label' | 'format'> {
  readonly value: number;
}

/** Returns the headline of a run: each field of the latest event, averaged where a step has several such events. */
export function toHeadline(headline: readonly HeadlineNumber[], events: readonly RunEvent[]): HeadlineValue[] {
  return headline.flatMap(({ label, format, event: name, field }) => {
    const last = events.findLast(({ event }) => event === name);
    const values = events
      .filter(({ event, step }) => event === name && step === last?.step)
      .map((event) => numberIn(event, field))
      .filter((value) => value !== null);
    if (values.length === 0) return [];
    return { label, format, value: mean(values) };
  });
}

export function formatValue(value: number, format: NumberFormat): string {
  return format === 'number' ? formatShort(value) : formatPercent(value, value > 0 && value < 0.1 ? 1 : 0);
}

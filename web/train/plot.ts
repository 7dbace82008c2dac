// A chart drawn by uPlot, in the colors of the page. A chunk of its own, loaded with the first chart.
import './language.ts';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { formatShort } from '../../src/math/index.ts';
import { type ChartData, type ChartLine, formatValue, visibleRange } from '../../src/runs/chart-data.ts';

import { dashes, lineColor, resolveColor, toRgb } from './colors.ts';

const height = 230;
const font = '12px system-ui, sans-serif';

/** Distances of ticks on the axis of steps, which are whole numbers. */
const stepDistances = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

/** A line without a second value is drawn as a point. */
const isPoint = ({ values }: ChartLine) => values.filter((value) => value !== null).length === 1;

/** Returns the steps that are shown: at least two, around a single one. */
function stepRange(_: uPlot, min: number, max: number): uPlot.Range.MinMax {
  return min === max ? [Math.max(0, min - 1), max + 1] : [min, max];
}

/** Returns the steps and, for each line, its values and its running mean if it has one. */
function toColumns({ steps, lines }: ChartData): uPlot.AlignedData {
  const columns = lines.flatMap(({ values, smooth }) => (smooth ? [values, smooth] : [values]));
  return [steps, ...columns] as uPlot.AlignedData;
}

function toSeries(line: ChartLine, order: number): uPlot.Series[] {
  const color = lineColor(line, order);
  const stroke = resolveColor(color);
  const solid = { label: line.name, stroke, width: 2, dash: dashes[order % dashes.length], spanGaps: true };
  if (line.isSparse)
    return [{ ...solid, paths: () => null, points: { show: true, size: 6, stroke, fill: resolveColor('--surface') } }];
  const points = isPoint(line) ? { show: true, size: 6, stroke, fill: stroke } : { show: false };
  if (line.smooth === null) return [{ ...solid, points }];
  const faint = `rgb(${toRgb(color).join(' ')} / 0.3)`;
  return [
    { ...solid, stroke: faint, width: 1, dash: [], points },
    { ...solid, points },
  ];
}

/** Returns what a plot must be rebuilt for when it changes. */
const plotKey = ({ lines }: ChartData) =>
  lines.map((line) => `${line.name}${line.smooth ? '~' : ''}${isPoint(line) ? '.' : ''}`).join('|');

export class Plot {
  readonly #host: HTMLElement;
  readonly #onPointer: (index: number | null) => void;
  #plot: uPlot | null = null;
  #key = '';
  #chart: ChartData | null = null;

  /** `onPointer` receives the index of the step under the pointer. */
  constructor(host: HTMLElement, onPointer: (index: number | null) => void) {
    this.#host = host;
    this.#onPointer = onPointer;
  }

  show(chart: ChartData): void {
    this.#chart = chart;
    const key = plotKey(chart);
    if (this.#plot !== null && key === this.#key) {
      this.#plot.setData(toColumns(chart));
      return;
    }
    this.#plot?.destroy();
    this.#key = key;
    this.#plot = new uPlot(this.#options(chart), toColumns(chart), this.#host);
    this.#plot.root.setAttribute('aria-hidden', 'true'); // the table beside it says the same
  }

  fit(): void {
    const width = this.#host.clientWidth;
    if (this.#plot !== null && width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height });
  }

  close(): void {
    this.#plot?.destroy();
    this.#plot = null;
  }

  #options({ lines, format }: ChartData): uPlot.Options {
    const line = resolveColor('--border');
    const axis = {
      stroke: resolveColor('--text-soft'),
      font,
      grid: { stroke: line, width: 1 },
      ticks: { show: false },
    };
    return {
      width: Math.max(200, this.#host.clientWidth),
      height,
      padding: [10, 20, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false }, points: { size: 7 } },
      scales: {
        x: { time: false, range: stepRange },
        y: { range: () => (this.#chart ? visibleRange(this.#chart) : [0, 1]) },
      },
      series: [{ label: 'step' }, ...lines.flatMap(toSeries)],
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 30,
          incrs: stepDistances,
          values: (_, ticks) => ticks.map(formatShort),
        },
        { ...axis, size: 58, values: (_, ticks) => ticks.map((value) => formatValue(value, format)) },
      ],
      hooks: { setCursor: [(plot) => this.#onPointer(plot.cursor.idx ?? null)] },
    };
  }
}

// A chart drawn by uPlot, in the page's colours. A chunk of its own, loaded with the first chart.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { colourOf, faint } from './colours.ts';
import { type Chart, type Curve, dashes } from './curves.ts';
import { short } from './format.ts';

const height = 230;
/** Of the steps, those whose values do not choose the height of a settling chart. */
const unsettled = 0.05;
const font = '12px system-ui, sans-serif';

/** Measured values, and for smoothed curves the smoothed ones before them. */
function dataOf({ x, curves }: Chart): uPlot.AlignedData {
  const columns = curves.flatMap(({ values, smooth }) => (smooth ? [values, smooth] : [values]));
  return [x, ...columns] as unknown as uPlot.AlignedData;
}

function seriesOf({ name, colour, smooth, isSparse }: Curve, index: number): uPlot.Series[] {
  const stroke = colourOf(colour);
  const dash = dashes[index % dashes.length];
  const line = { label: name, stroke, width: 2, dash, spanGaps: true };
  if (isSparse)
    return [{ ...line, paths: () => null, points: { show: true, size: 6, stroke, fill: colourOf('--surface') } }];
  const points = { show: false };
  return smooth
    ? [
        { ...line, stroke: faint(colour, 0.3), width: 1, dash: [], points },
        { ...line, points },
      ]
    : [{ ...line, points }];
}

/** From the lowest to the highest value, with some air; those of the first steps may lie outside. */
function heightOf({ curves, x, isSettling = false }: Chart): [number, number] {
  const from = isSettling && x.length > 40 ? Math.ceil(unsettled * x.length) : 0;
  const values = curves.flatMap((curve) => curve.values.slice(from)).filter((value) => value !== null);
  const [low, high] = values.reduce<[number, number]>(
    ([a, b], value) => [Math.min(a, value), Math.max(b, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  if (low > high) return [0, 1];
  const air = low === high ? Math.abs(low) || 1 : 0.06 * (high - low);
  return [low >= 0 ? Math.max(0, low - air) : low - air, high + air];
}

/** What says that a chart has to be built anew. */
const shapeOf = ({ curves }: Chart) => curves.map(({ name, smooth }) => `${name}${smooth ? '~' : ''}`).join('|');

export class Plot {
  readonly #host: HTMLElement;
  readonly #seen: (index: number | null) => void;
  #plot: uPlot | null = null;
  #shape = '';
  #chart!: Chart;

  /** `seen` hears which step the pointer is at. */
  constructor(host: HTMLElement, seen: (index: number | null) => void) {
    this.#host = host;
    this.#seen = seen;
  }

  show(chart: Chart): void {
    this.#chart = chart;
    const shape = shapeOf(chart);
    if (this.#plot !== null && shape === this.#shape) {
      this.#plot.setData(dataOf(chart));
      return;
    }
    this.#plot?.destroy();
    this.#shape = shape;
    this.#plot = new uPlot(this.#options(chart), dataOf(chart), this.#host);
    this.#plot.root.setAttribute('aria-hidden', 'true'); // the table beside it says the same
  }

  /** Draws all of it again, as in other colours. */
  repaint(chart: Chart): void {
    this.#shape = '';
    this.show(chart);
  }

  fit(): void {
    const width = this.#host.clientWidth;
    if (this.#plot !== null && width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height });
  }

  close(): void {
    this.#plot?.destroy();
    this.#plot = null;
  }

  #options(chart: Chart): uPlot.Options {
    const ink = colourOf('--ink-soft');
    const line = colourOf('--line');
    const axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    return {
      width: Math.max(200, this.#host.clientWidth),
      height,
      padding: [10, 20, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false }, points: { size: 7 } },
      scales: { x: { time: false }, y: { range: () => heightOf(this.#chart) } },
      series: [{ label: 'step' }, ...chart.curves.flatMap(seriesOf)],
      axes: [
        { ...axis, grid: { show: false }, size: 30, values: (_, ticks) => ticks.map(short) },
        { ...axis, size: 58, values: (_, ticks) => ticks.map(chart.write) },
      ],
      hooks: { setCursor: [(plot) => this.#seen(plot.cursor.idx ?? null)] },
    };
  }
}

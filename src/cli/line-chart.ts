// Line charts as SVG files: lines, a legend, two axes. They stand in results that are read in a repository.
import { type ChartData, formatValue, shownFrom } from '../runs/index.ts';
import type { NumberFormat } from '../train/index.ts';
import { loadMap, type StepLoad } from './heat-map.ts';
import { escapeXml } from './xml.ts';

export interface SvgLine {
  readonly name: string;
  readonly x: readonly number[];
  /** Values that are not finite are left out. */
  readonly y: readonly number[];
}

export interface SvgOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** How the ticks of the vertical axis are written. @default number */
  readonly format?: NumberFormat;
}

const [width, height] = [810, 400];
const frame = { left: 64, right: 240, top: 40, bottom: 48 };
const [innerWidth, innerHeight] = [width - frame.left - frame.right, height - frame.top - frame.bottom];
const colors = ['#2563eb', '#dc2626', '#059669', '#d97706', '#7c3aed', '#475569'];
const maxPoints = 400;
const font = 'font-family="system-ui, sans-serif" font-size="12" fill="#334155"';

/** Returns about `count` round numbers from `low` to `high`, at least `apart` apart. */
function ticks(low: number, high: number, count: number, apart = 0): number[] {
  const rough = Math.max(apart, (high - low) / count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((m) => m * power >= rough) ?? 10) * power;
  const first = Math.ceil(low / step);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function valueRange(values: readonly number[]): [number, number] {
  const [low, high] = values.reduce(
    ([min, max], value) => [Math.min(min, value), Math.max(max, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  return low < high ? [low, high] : [low - 1, high + 1];
}

/** Returns the finite points of a line, evenly thinned out to about `maxPoints`. */
function toPoints({ x, y }: SvgLine): [x: number, y: number][] {
  const points = x.flatMap((at, i): [number, number][] => (Number.isFinite(y[i]) ? [[at, y[i]]] : []));
  const step = Math.max(1, Math.floor(points.length / maxPoints));
  return points.filter((_, i) => i % step === 0 || i === points.length - 1);
}

/** Returns a chart as an SVG text. */
export function lineChart(lines: readonly SvgLine[], options: SvgOptions): string {
  const { title, xLabel, yLabel, format = 'number' } = options;
  const points = lines.map(toPoints);
  const steps = valueRange(points.flatMap((line) => line.map(([x]) => x)));
  const [x0, x1] = [Math.max(0, steps[0]), steps[1]];
  const [low, high] = valueRange(points.flatMap((line) => line.map(([, y]) => y)));
  const [y0, y1] = [low - 0.04 * (high - low), high + 0.04 * (high - low)];
  const px = (x: number) => (frame.left + ((x - x0) / (x1 - x0)) * innerWidth).toFixed(1);
  const py = (y: number, shift = 0) => (frame.top + (1 - (y - y0) / (y1 - y0)) * innerHeight + shift).toFixed(1);
  const [right, bottom] = [frame.left + innerWidth, frame.top + innerHeight];
  const grid = [
    ...ticks(y0, y1, 6).map(
      (y) =>
        `<line x1="${frame.left}" x2="${right}" y1="${py(y)}" y2="${py(y)}" stroke="#e2e8f0"/>` +
        `<text x="${frame.left - 8}" y="${py(y, 4)}" text-anchor="end">${formatValue(y, format)}</text>`,
    ),
    ...ticks(x0, x1, 6, 1).map(
      (x) => `<text x="${px(x)}" y="${bottom + 20}" text-anchor="middle">${formatValue(x, 'number')}</text>`,
    ),
  ];
  const drawn = lines.map(({ name }, i) => {
    const color = colors[i % colors.length];
    const y = frame.top + 14 + 20 * i;
    const [from, to] = [right + 12, right + 34];
    const [only, second] = points[i];
    const isPoint = only !== undefined && second === undefined;
    return (
      (isPoint ? `<circle cx="${px(only[0])}" cy="${py(only[1])}" r="3" fill="${color}"/>` : '') +
      `<polyline fill="none" stroke="${color}" stroke-width="1.6" ` +
      `points="${points[i].map(([x, y]) => `${px(x)},${py(y)}`).join(' ')}"/>` +
      `<line x1="${from}" x2="${to}" y1="${y - 4}" y2="${y - 4}" stroke="${color}" stroke-width="3"/>` +
      `<text x="${to + 6}" y="${y}">${escapeXml(name)}</text>`
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ${font}>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${frame.left}" y="22" font-size="14" font-weight="600">${escapeXml(title)}</text>`,
    ...grid,
    `<line x1="${frame.left}" x2="${right}" y1="${bottom}" y2="${bottom}" stroke="#94a3b8"/>`,
    ...drawn,
    `<text x="${frame.left + innerWidth / 2}" y="${height - 10}" text-anchor="middle">${escapeXml(xLabel)}</text>`,
    `<text transform="translate(16 ${frame.top + innerHeight / 2}) rotate(-90)" text-anchor="middle">` +
      `${escapeXml(yLabel)}</text>`,
    '</svg>',
    '',
  ].join('\n');
}

/** Returns the charts of a run and the loads of its experts as one SVG text, one below the other. */
export function drawCharts(charts: readonly ChartData[], loads: readonly StepLoad[], title: string): string {
  const parts = charts.map((chart, i) => {
    const from = shownFrom(chart);
    const lines = chart.lines.map(({ name, values, smooth }) => {
      const y = (smooth ?? values).slice(from).map((value) => value ?? Number.NaN);
      return { name, x: chart.steps.slice(from), y };
    });
    const { unit, format } = chart;
    const svg = lineChart(lines, { title: `${title}: ${chart.title}`, xLabel: 'steps', yLabel: unit, format });
    return svg.replace('<svg ', `<svg y="${i * height}" width="${width}" height="${height}" `);
  });
  const map = loadMap(loads, title);
  const top = height * charts.length;
  if (map !== null) parts.push(`<svg y="${top}" width="${width}" height="${map.height}" ${font}>${map.svg}</svg>`);
  const size = `width="${width}" height="${top + (map?.height ?? 0)}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${parts.join('')}</svg>\n`;
}

// The load of experts as an SVG file: a map for each MoE layer, a row for each expert, a column for some steps.
//
// The color is the load relative to the mean of the layer: white for no token, blue at the mean, red from twice the
// mean. Cells of one color are one path, so that a map stays small; each has a title that says its range in words.
import { formatShort, mean } from '../math/index.ts';
import type { RunEvent } from '../train/index.ts';
import { escapeXml } from './xml.ts';

/** The tokens of each expert in a step, by MoE layer. */
export interface StepLoad {
  readonly step: number;
  readonly load: readonly (readonly number[])[];
}

/** Reads the loads of a run's steps. */
export function readLoads(events: readonly RunEvent[]): StepLoad[] {
  return events.flatMap((event) => {
    const { step, load } = event as RunEvent & Partial<Pick<StepLoad, 'load'>>;
    return event.event === 'step' && step !== undefined && load !== undefined ? [{ step, load }] : [];
  });
}

export interface HeatMap {
  readonly svg: string;
  /** Pixels. */
  readonly height: number;
}

const maxColumns = 60;
const frame = { left: 64, top: 40, width: 506 };
const rowHeight = 8;
const gap = 26;
/** Colors from no token over the mean to twice the mean. */
const colors = ['#ffffff', '#dbe6fd', '#b0c9fa', '#7fa6f5', '#4b81ef', '#8b6fb5', '#b5568c', '#d13f5a', '#dc2626'];

/** Returns the loads of a layer by column and expert, relative to their mean. */
function toColumns(loads: readonly StepLoad[], layer: number): number[][] {
  const count = Math.min(maxColumns, loads.length);
  return Array.from({ length: count }, (_, c) => {
    const from = Math.floor((c * loads.length) / count);
    const own = loads.slice(from, Math.floor(((c + 1) * loads.length) / count));
    const sums = own[0].load[layer].map((_, e) => own.reduce((sum, { load }) => sum + load[layer][e], 0));
    const average = mean(sums);
    return sums.map((tokens) => (average === 0 ? 0 : tokens / average));
  });
}

function drawLayer(columns: readonly (readonly number[])[], layer: number, top: number): string {
  const width = frame.width / columns.length;
  const paths = colors.map((): string[] => []);
  columns.forEach((column, c) => {
    const [from, to] = [frame.left + c * width, frame.left + (c + 1) * width].map((x) => Math.round(x));
    column.forEach((share, e) => {
      const color = Math.min(colors.length - 1, Math.round((share * (colors.length - 1)) / 2));
      paths[color].push(`M${from} ${top + e * rowHeight}h${to - from}v${rowHeight}h${from - to}z`);
    });
  });
  const experts = columns[0].length;
  const last = columns[columns.length - 1];
  const range = `at the end from ${formatShort(Math.min(...last))} to ${formatShort(Math.max(...last))} times the mean`;
  const drawn = paths.flatMap((path, i) =>
    path.length === 0 ? [] : `<path fill="${colors[i]}" d="${path.join('')}"/>`,
  );
  return (
    `<g role="img"><title>MoE layer ${layer}, ${experts} experts: ${range}</title>` +
    `<rect x="${frame.left}" y="${top}" width="${frame.width}" height="${experts * rowHeight}" fill="none" ` +
    `stroke="#e2e8f0"/>${drawn.join('')}</g>` +
    `<text x="${frame.left}" y="${top - 6}">MoE layer ${layer}: ${range}</text>`
  );
}

/** Returns the maps of all layers, one below the other; null without experts. */
export function loadMap(loads: readonly StepLoad[], title: string): HeatMap | null {
  const layers = loads[0]?.load.length ?? 0;
  if (layers === 0) return null;
  let top = frame.top + gap;
  const maps = loads[0].load.map((experts, layer) => {
    const drawn = drawLayer(toColumns(loads, layer), layer, top);
    top += experts.length * rowHeight + gap;
    return drawn;
  });
  const steps = `steps ${loads[0].step} to ${loads[loads.length - 1].step}`;
  const key = 'white: no token, blue: the mean, red: twice the mean or more';
  return {
    height: top,
    svg:
      `<text x="${frame.left}" y="22" font-size="14" font-weight="600">${escapeXml(title)}: load of experts</text>` +
      `<text x="${frame.left}" y="${frame.top}">${steps}, a row for each expert; ${key}</text>${maps.join('')}`,
  };
}

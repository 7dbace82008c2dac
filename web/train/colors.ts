// The colors of charts, and the color tokens of tokens.css resolved for a canvas in the theme that is shown now.
import type { ChartLine } from '../../src/runs/chart-data.ts';

const palette = ['--accent', '--warning', '--text-soft', '--good', '--bad'] as const;

export type ColorToken = (typeof palette)[number] | '--border' | '--surface';

/** The dashes of the lines of a chart by their order, so that they differ without their colors too. */
export const dashes: readonly number[][] = [[], [7, 4], [2, 3], [10, 3, 2, 3]];

/** Returns the color of a line of a chart: that of its tone, else by its order. */
export function lineColor({ tone }: ChartLine, order: number): (typeof palette)[number] {
  return tone === undefined ? palette[order % palette.length] : `--${tone}`;
}

export function resolveColor(token: ColorToken): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Returns red, green and blue, each from 0 to 255. */
export function toRgb(token: ColorToken): readonly [number, number, number] {
  const [r = 0, g = 0, b = 0] = (resolveColor(token).match(/[\d.]+/g) ?? []).map(Number);
  return [r, g, b];
}

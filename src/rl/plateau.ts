// Where a curve of accuracy levels off: a sigmoid fitted to it, and what it says in words.
//
// y(t) = low + (high - low) / (1 + exp(-(t - middle) / width)) over steps t. For each middle and width of a fixed grid,
// low and high are a linear least-squares problem; the best of the grid wins, so that the fit has no start, no
// iteration and no failure. Source of the form: arXiv 2507.18014 (rewards of GRPO over steps are sigmoid).
import { formatPercent, mean } from '../math/index.ts';

export interface Sigmoid {
  readonly low: number;
  readonly high: number;
  /** The step at which half of the rise is done. */
  readonly middle: number;
  /** Steps; 88 % of the rise lies within 4 widths. */
  readonly width: number;
  /** The share of the curve's variance that the sigmoid explains. */
  readonly explained: number;
}

export interface Point {
  readonly step: number;
  readonly value: number;
}

const minPoints = 12;
/** A fit that explains less is no curve that could level off. */
const minExplained = 0.5;
const gridSize = 40;

const logistic = (x: number) => 1 / (1 + Math.exp(-x));

/** Returns low and high with the least squared error for given middle and width, and that error. */
function fitLevels(points: readonly Point[], middle: number, width: number) {
  const rises = points.map(({ step }) => logistic((step - middle) / width));
  const [x, y] = [mean(rises), mean(points.map(({ value }) => value))];
  let [xx, xy] = [0, 0];
  points.forEach(({ value }, i) => {
    xx += (rises[i] - x) ** 2;
    xy += (rises[i] - x) * (value - y);
  });
  const slope = xx > 1e-12 ? xy / xx : 0;
  const low = y - slope * x;
  const error = points.reduce((sum, { value }, i) => sum + (value - low - slope * rises[i]) ** 2, 0);
  return { low, high: low + slope, error };
}

/** Fits a sigmoid to a curve of shares. Returns null for one that is too short, falls, or has another form. */
export function fitSigmoid(points: readonly Point[]): Sigmoid | null {
  if (points.length < minPoints) return null;
  const [first, last] = [points[0].step, (points.at(-1) as Point).step];
  const span = last - first;
  const center = mean(points.map(({ value }) => value));
  const total = points.reduce((sum, { value }) => sum + (value - center) ** 2, 0);
  let best: (Sigmoid & { readonly error: number }) | null = null;
  for (let m = 0; m <= gridSize; m++)
    for (let w = 0; w < gridSize; w++) {
      const middle = first - 0.25 * span + (1.5 * span * m) / gridSize;
      const width = (span / 100) * 50 ** (w / (gridSize - 1)); // from a hundredth of the curve to half of it
      const { low, high, error } = fitLevels(points, middle, width);
      if (high <= low || high > 1.2 || low < -0.2 || (best !== null && error >= best.error)) continue;
      best = { low, high, middle, width, error, explained: 1 - error / total };
    }
  if (best === null || !(best.explained >= minExplained)) return null;
  const { error: _, ...sigmoid } = best;
  return sigmoid;
}

const points = (share: number) => `${(100 * share).toFixed(1)} points`;

/** Says where a curve of accuracy levels off, and what more steps would bring; null where no sigmoid fits. */
export function describePlateau(curve: readonly Point[]): string | null {
  const fit = fitSigmoid(curve);
  if (fit === null) return null;
  const { low, middle, width } = fit;
  const high = Math.min(1, fit.high);
  const last = (curve.at(-1) as Point).step;
  const rise = (step: number) => logistic((step - middle) / width);
  const ahead = 10;
  const gain = (high - low) * (rise(last + ahead) - rise(last));
  const more = `${ahead} more steps would add ${points(gain)}`;
  const reached = Math.ceil(middle + width * Math.log(0.95 / 0.05)); // 95 % of the rise
  if (last < middle + width) return `still rising at step ${last}: ${more}`;
  const when = reached <= last ? `reached to 95 % at step ${reached}` : `to be reached to 95 % at step ${reached}`;
  return `plateau near ${formatPercent(high)}, ${when}; ${more}`;
}

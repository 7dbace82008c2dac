// The load of experts: how far the busiest one is above the mean.
import { mean } from '../math/index.ts';

/** Returns MaxVio of a layer (arXiv 2408.15664): (largest load - mean load) / mean load; 0 is perfect. */
export function maxViolation(load: readonly number[]): number {
  const average = mean(load);
  return average === 0 ? 0 : Math.max(...load) / average - 1;
}

/** Returns MaxVio of the worst layer; null for a model without experts. */
export function worstViolation(loads: readonly (readonly number[])[]): number | null {
  return loads.length === 0 ? null : Math.max(...loads.map(maxViolation));
}

// What the load of experts says: how far the busiest is above the mean, and who gets nothing.

/** MaxVio of a layer (arXiv 2408.15664): (largest load - mean load) / mean load; 0 is perfect. */
export function maxViolation(load: readonly number[]): number {
  const mean = load.reduce((sum, n) => sum + n, 0) / load.length;
  return mean === 0 ? 0 : Math.max(...load) / mean - 1;
}

/** The worst layer's MaxVio; null for a model without experts. */
export function worstViolation(loads: readonly (readonly number[])[]): number | null {
  return loads.length === 0 ? null : Math.max(...loads.map(maxViolation));
}

// Curves as reports and pages draw them. Needs nothing of Node.

/**
 * Exponential average, as the report smooths its curves (figure 10: 0.9), without the pull of its start. What is not
 * finite stays out of the average and leaves a gap.
 */
export function smoothed(values: readonly number[], decay: number): number[] {
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    if (!Number.isFinite(value)) return Number.NaN;
    sum = decay * sum + (1 - decay) * value;
    weight = decay * weight + (1 - decay);
    return sum / weight;
  });
}

// Statistics of a few numbers: sums, means, spread, quantiles, and the 95 % interval of a mean.
//
// Sums add from first to last, so that the same values give the same bits.

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Returns the mean; NaN without values. */
export function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function squaredDeviations(values: readonly number[]): number {
  const center = mean(values);
  return sum(values.map((value) => (value - center) ** 2));
}

/** Returns the variance of the whole population. */
export function variance(values: readonly number[]): number {
  return squaredDeviations(values) / values.length;
}

/** Returns the variance that a sample estimates, with n - 1 degrees of freedom; 0 for a single value. */
export function sampleVariance(values: readonly number[]): number {
  return squaredDeviations(values) / Math.max(1, values.length - 1);
}

export interface Estimate {
  readonly mean: number;
  /** Half of the width of the 95 % confidence interval. */
  readonly margin: number;
}

/** Estimates the mean of what the values were drawn from, by the normal approximation. */
export function estimateMean(values: readonly number[]): Estimate {
  return { mean: mean(values), margin: 1.96 * Math.sqrt(sampleVariance(values) / values.length) };
}

/**
 * Returns the probability that a standard normal value is larger than z, to seven digits. Source: Numerical Recipes,
 * erfcc: a Chebyshev fit of the complementary error function.
 */
export function normalTail(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + x / 2);
  const coefficients = [
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
    -1.26551223,
  ];
  const polynomial = coefficients.reduce((value, coefficient) => value * t + coefficient, 0);
  const tail = (t * Math.exp(-x * x + polynomial)) / 2;
  return z >= 0 ? tail : 1 - tail;
}

/** Returns the middle value; of an even number of values, the upper one of the two. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

/** Returns the value that a share of the values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))];
}

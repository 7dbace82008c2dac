// The module of plain arithmetic: statistics, random numbers and formatted numbers. It imports nothing.
export { formatBytes, formatDuration, formatMillions, formatPercent, formatShort, formatSize } from './format.ts';
export { permuted } from './permutation.ts';
export { deriveSeed, fillNormal, fillUniform, Random, uniformAt } from './random.ts';
export {
  type Estimate,
  estimateMean,
  mean,
  median,
  normalTail,
  quantile,
  sampleVariance,
  sum,
  variance,
} from './statistics.ts';

// Statistics and formatted numbers by hand. npm test -- src/math
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatBytes, formatDuration, formatMillions, formatPercent, formatShort } from './format.ts';
import { estimateMean, mean, median, quantile, sampleVariance, sum, variance } from './statistics.ts';

describe('statistics', () => {
  const values = [4, 1, 3, 8];

  test('sum, mean and variance', () => {
    assert.deepEqual([sum([]), sum(values), mean(values)], [0, 16, 4]);
    assert.equal(variance(values), (0 + 9 + 1 + 16) / 4);
    assert.equal(sampleVariance(values), (0 + 9 + 1 + 16) / 3);
    assert.deepEqual([mean([]), sampleVariance([5])], [Number.NaN, 0]);
  });

  test('the margin is 1.96 standard errors', () => {
    const { mean, margin } = estimateMean(values);
    assert.equal(mean, 4);
    assert.ok(Math.abs(margin - 1.96 * Math.sqrt(26 / 3 / 4)) < 1e-12);
  });

  test('quantiles leave the values in their order', () => {
    assert.deepEqual([median(values), median([9, 1, 5])], [4, 5]);
    assert.deepEqual(
      [0, 0.5, 0.9, 1].map((share) => quantile(values, share)),
      [1, 3, 4, 8],
    );
    assert.deepEqual(values, [4, 1, 3, 8]);
  });
});

test('numbers for people', () => {
  assert.deepEqual(
    [formatPercent(0.125), formatPercent(0.125, 1), formatMillions(1_170_000)],
    ['13 %', '12.5 %', '1.17 M'],
  );
  assert.deepEqual([1_234_567, 12_345, 1234.5, 0.12345, 0.0001, 0].map(formatShort), [
    '1.23 M',
    '12.3 k',
    '1235',
    '0.123',
    '1.0e-4',
    '0',
  ]);
  assert.deepEqual([4.25, 45, 150, 1200, 12_600].map(formatDuration), ['4.3 s', '45 s', '2.5 min', '20 min', '3.5 h']);
  assert.deepEqual([2 ** 19, 3 * 2 ** 29].map(formatBytes), ['0.5 MiB', '1.5 GiB']);
});

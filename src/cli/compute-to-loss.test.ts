// FLOPs to equal loss, by hand: interpolation, arms that do not get there, FP8. npm test -- compute-to-loss
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ArmResult } from '../train/index.ts';
import { computeChart, describeCompute, flopsToLoss } from './compute-to-loss.ts';

const toArm = (name: string, losses: readonly (readonly number[])[], fp8Share = 0, flops = 100): ArmResult => ({
  name,
  validation: losses.map((run) => run.at(-1) ?? Number.NaN),
  progress: losses.map((run) => run.map((loss, i) => ({ flops: flops * 2 ** i, loss }))),
  fp8Share,
  maxVio: [],
  validationMaxVio: [],
  tokensPerSecond: [1],
  parameters: { total: 1, active: 1 },
  cacheBytes: 1,
  curve: { tokens: [], loss: [], maxVio: [] },
});

test('the loss is reached between two evaluations, at the first one, or never', () => {
  const [run] = toArm('arm', [[4, 3, 2]]).progress;
  assert.equal(flopsToLoss(run, 3), 200);
  assert.ok(Math.abs((flopsToLoss(run, 2.5) ?? 0) - 200 * Math.SQRT2) < 1e-9);
  assert.equal(flopsToLoss(run, 5), 100);
  assert.equal(flopsToLoss(run, 1.9), null);
});

test('arms are compared with the first one, seed by seed; FP8 counts half where it is twice as fast', () => {
  const dense = toArm('dense', [
    [4, 3, 2],
    [4, 3, 2],
  ]);
  const better = toArm('better', [
    [3, 2, 1],
    [4, 2, 1],
  ]);
  const fp8 = toArm(
    'FP8',
    [
      [2, 1],
      [2, 1],
    ],
    0.5,
  );
  const worse = toArm('worse', [
    [4, 3, 2.5],
    [4, 3, 2],
  ]);
  const results = [dense, better, fp8, worse];
  const [table, words, v3] = describeCompute(results);
  assert.deepEqual(table.split('\n').slice(2), [
    '| dense | 4.00e+2 ± 0.00e+0 | 1.00x ± 0.00x | 4.00e+2 ± 0.00e+0 | 1.00x ± 0.00x |',
    '| better | 2.00e+2 ± 0.00e+0 | 2.00x ± 0.00x | 2.00e+2 ± 0.00e+0 | 2.00x ± 0.00x |',
    '| FP8 | 1.00e+2 ± 0.00e+0 | 4.00x ± 0.00x | 7.50e+1 ± 0.00e+0 | 5.33x ± 0.00x |',
    '| worse | not reached: 2.2500 |  |  |  |',
  ]);
  assert.match(words, /^Equal loss is 2\.0000, the mean final validation loss of dense/);
  assert.match(v3, /11\.6x .* less compute, 11\.1x .* fewer GPU hours/);
  assert.equal(computeChart('title', results).match(/<polyline/g)?.length, 4);
});

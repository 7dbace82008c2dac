// Charts as SVG: whole steps on the axis, and a point where there is no line yet. npm test -- cli/line-chart
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { lineChart } from './line-chart.ts';

const options = { title: 'Loss', xLabel: 'steps', yLabel: 'nats' };
const labels = (svg: string) => [...svg.matchAll(/text-anchor="middle">([^<]*)</g)].map(([, label]) => label);

describe('a chart', () => {
  test('has ticks at whole steps, however few there are', () => {
    for (const count of [1, 2, 3, 4, 30]) {
      const x = Array.from({ length: count }, (_, i) => i + 1);
      const ticks = labels(lineChart([{ name: 'a', x, y: x }], options)).slice(0, -2);
      assert.ok(ticks.length > 1 && ticks.every((tick) => /^\d+$/.test(tick)), ticks.join(' '));
    }
    const atZero = labels(lineChart([{ name: 'a', x: [0], y: [1] }], options)).slice(0, -2);
    assert.deepEqual(atZero, ['0', '1']);
  });

  test('draws a single value as a point', () => {
    const draw = (x: readonly number[]) => lineChart([{ name: 'a', x, y: x }], options);
    assert.match(draw([5]), /<circle cx="[\d.]+" cy="[\d.]+" r="3"/);
    assert.doesNotMatch(draw([5, 6]), /<circle/);
  });
});

// From events to the lines of charts and the headline. npm test -- runs
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Chart } from '../train/index.ts';
import { type ChartData, formatValue, toChartData, toHeadline, visibleRange } from './chart-data.ts';
import { step } from './test-runs.ts';

const chart: Chart = {
  id: 'loss',
  title: 'Loss',
  unit: 'nats per token',
  format: 'number',
  series: [
    { name: 'training', event: 'step', field: 'loss', smooth: true },
    { name: 'validation', event: 'evaluated', field: 'loss', groupBy: ['task'] },
  ],
};
const evaluated = (n: number, task: string, loss: number) => ({ event: 'evaluated', time: n, step: n, task, loss });

function drawn(parts: Partial<Chart>, events: Parameters<typeof toChartData>[1]): ChartData {
  const [data] = toChartData([{ ...chart, ...parts }], events);
  assert.ok(data);
  return data;
}

describe('the lines of a chart', () => {
  const events = [step(1), evaluated(0, 'a', 4), step(2), evaluated(2, 'a', 3), evaluated(2, 'b', 5)];

  test('lie over all steps and evaluations; one for each group of events', () => {
    const { steps, lines } = drawn({}, events);
    assert.deepEqual(steps, [0, 1, 2]);
    assert.deepEqual(
      lines.map(({ name, values, isSparse }) => [name, values, isSparse]),
      [
        ['training', [null, 2.9, 2.8], false],
        ['validation, a', [4, null, 3], true],
        ['validation, b', [null, null, 5], true],
      ],
    );
  });

  test('a long run has a running mean beside its values, a short one does not', () => {
    assert.equal(drawn({}, events).lines[0]?.smooth, null);
    const many = Array.from({ length: 200 }, (_, i) => step(i + 1, { loss: i === 100 ? null : i % 2 }));
    const { values, smooth } = drawn({}, many).lines[0] as ChartData['lines'][0];
    assert.deepEqual([values[100], smooth?.[100]], [null, null]);
    assert.ok(smooth?.slice(50).every((value) => value === null || Math.abs(value - 0.5) < 0.15));
  });

  test('the running mean is that of the values so far: no start and no zero pulls it', () => {
    const losses = Array.from({ length: 200 }, (_, i) => (i < 10 ? 50 : 2));
    const events = losses.map((loss, i) => step(i + 1, { loss }));
    const smooth = (parts: Partial<Chart>) => drawn(parts, events).lines[0]?.smooth ?? [];
    const decay = 1 - 40 / 200;
    for (const at of [0, 1, 9, 10, 199]) {
      const weights = losses.slice(0, at + 1).map((_, i) => decay ** (at - i));
      const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
      const expected = sum(weights.map((weight, i) => weight * losses[i])) / sum(weights);
      assert.ok(Math.abs((smooth({})[at] ?? 0) - expected) < 1e-9, `${at}`);
    }
    const skipped = smooth({ skipsStart: true });
    assert.ok(skipped.every((value, i) => Math.abs((value ?? 0) - losses[i]) < 1e-9));
  });

  test('without a value there is no line, and without a line no chart', () => {
    assert.deepEqual(toChartData([chart], []), []);
    assert.deepEqual(toChartData([chart], [step(1, { loss: null })]), []);
  });

  test('zeros are gaps, or hide the chart, where its definition says so', () => {
    const zeros = [step(1, { loss: 0 }), step(2, { loss: 0 })];
    assert.deepEqual(toChartData([{ ...chart, hideZeros: true }], zeros), []);
    assert.deepEqual(drawn({}, zeros).lines[0]?.values, [0, 0]);
    const series = [{ name: 'rate', event: 'step', field: 'loss', zeroIsGap: true }];
    assert.deepEqual(drawn({ series }, [...zeros, step(3)]).lines[0]?.values, [null, null, 2.7]);
  });

  test('the first twentieth of the steps does not choose the height where the chart skips its start', () => {
    const falling = Array.from({ length: 100 }, (_, i) => step(i + 1, { loss: i < 5 ? 100 : 1 }));
    const [, high] = visibleRange(drawn({}, falling));
    const [, skipped] = visibleRange(drawn({ skipsStart: true }, falling));
    assert.ok(high > 100 && skipped < 3, `${high} ${skipped}`);
  });
});

test('the headline is the latest event of a name, averaged over the events of its step', () => {
  const headline = [
    { label: 'Loss', event: 'evaluated', field: 'loss', format: 'number' as const },
    { label: 'Nothing', event: 'evaluated', field: 'none', format: 'number' as const },
  ];
  const events = [evaluated(0, 'a', 9), evaluated(2, 'a', 3), evaluated(2, 'b', 5), step(3)];
  assert.deepEqual(toHeadline(headline, events), [{ label: 'Loss', format: 'number', value: 4 }]);
});

test('a share is written as a percentage, with a digit more where it is small', () => {
  assert.deepEqual(
    [0, 0.0123, 0.5, 1].map((share) => formatValue(share, 'percent')),
    ['0 %', '1.2 %', '50 %', '100 %'],
  );
  assert.equal(formatValue(123_456, 'number'), '123 k');
});

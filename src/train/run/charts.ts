// How kinds of runs write their charts and arguments: short forms of the data in description.ts.
import type { Chart, ChartSeries, HeadlineNumber, KindArgument } from './description.ts';
import type { HeldOutMetric } from './held-out.ts';

/** Returns the line of a field of the step events, smoothed. */
export const stepLine = (name: string, field: string, more: Partial<ChartSeries> = {}): ChartSeries => ({
  name,
  event: 'step',
  field,
  smooth: true,
  ...more,
});

/** Returns the line of a field of the evaluations. */
export const evaluationLine = (name: string, field: string): ChartSeries => ({ name, event: 'evaluated', field });

/** The accuracy on held-out problems, a line for each task. */
export const heldOutLine: ChartSeries = {
  ...evaluationLine('held-out accuracy', 'passAt1'),
  groupBy: ['task', 'difficulty'],
};

/** Returns a chart of numbers. */
export const chart = (
  id: string,
  title: string,
  unit: string,
  series: readonly ChartSeries[],
  more: Partial<Chart> = {},
): Chart => ({ id, title, unit, format: 'number', series, ...more });

/** Returns the chart of steps per second in tokens; `name`: what is measured. */
export const throughputChart = (name: string, unit: string, field: string): Chart =>
  chart('throughput', 'Throughput', unit, [stepLine(name, field, { zeroIsGap: true })]);

export const gradientChart = chart('gradient', 'Gradient norm', 'before clipping', [stepLine('norm', 'gradientNorm')], {
  skipsStart: true,
});

/** Returns the chart of MaxVio. */
export const balanceChart = (...series: readonly ChartSeries[]): Chart =>
  chart('balance', 'Expert balance', 'MaxVio: busiest expert over the mean, minus 1', series);

/** Returns a headline number of the latest step. */
export const stepNumber = (label: string, field: string): HeadlineNumber => ({
  label,
  event: 'step',
  field,
  format: 'number',
});

export const heldOutNumber: HeadlineNumber = {
  label: 'Held-out accuracy',
  event: 'evaluated',
  field: 'passAt1',
  format: 'percent',
};

/** The accuracy on held-out problems of each task. */
export const heldOutAccuracy: HeldOutMetric = {
  label: 'held-out accuracy',
  field: 'passAt1',
  isHigherBetter: true,
  format: 'percent',
  groupBy: ['task', 'difficulty'],
  remedy:
    'take the best checkpoint, end the run there (earlyStopping), lower the learning rate, or give the task a larger ' +
    'share',
};

/** The loss on text that is not trained on. */
export const validationLoss: HeldOutMetric = {
  label: 'validation loss',
  field: 'loss',
  isHigherBetter: false,
  format: 'number',
  groupBy: [],
  remedy:
    'the model learns its data by heart: take the best checkpoint, end the run there (earlyStopping), or train on ' +
    'more data',
};

export const modelArgument: KindArgument = {
  flag: 'model',
  path: 'model',
  type: 'checkpoint',
  isRequired: true,
  about: 'the checkpoint to begin from',
};

export const taskArgument: KindArgument = {
  flag: 'task',
  path: 'tasks',
  type: 'tasks',
  isRequired: true,
  about: 'bundled tasks, or files that export one; name:4 sets the difficulty',
};

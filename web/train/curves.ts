// From a run's events to charts: which curves there are, over steps, and how their values are written. Pure.
import type { RunDetail } from '../../src/runs/protocol.ts';
import { smoothed } from '../../src/train/run/series.ts';
import { percent, short } from './format.ts';
import type { AnyEvent } from './open-run.ts';

export type Values = readonly (number | null)[];

export interface Curve {
  readonly name: string;
  /** A colour of tokens.css. */
  readonly colour: '--accent' | '--warm' | '--good' | '--bad' | '--ink-soft';
  /** As measured, at each x; null: nothing there. */
  readonly values: Values;
  /** What is drawn strongly, with the measured values faint behind it. */
  readonly smooth: Values | null;
  /** Few values with gaps between them. */
  readonly isSparse: boolean;
}

export interface Chart {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  /** Steps. */
  readonly x: readonly number[];
  readonly curves: readonly Curve[];
  readonly write: (value: number) => string;
  /** Across the page. */
  readonly isWide?: boolean;
  /** The height is chosen for what comes after the first steps, which lie far off. */
  readonly isSettling?: boolean;
}

/** How the lines of a chart are told apart without their colours, by their order. */
export const dashes: readonly number[][] = [[], [7, 4], [2, 3], [10, 3, 2, 3]];

type Kind = NonNullable<RunDetail['run']['kind']>;
type StepOf = Extract<AnyEvent, { event: 'step' }>;
type Fields = Readonly<Record<string, unknown>>;

/** Rates right after a pause are 0, which is not measured rather than slow. */
const rates: readonly string[] = ['tokensPerSecond', 'rolloutTokensPerSecond'];

function numberIn(event: object, field: string): number | null {
  const value = (event as Fields)[field];
  return typeof value === 'number' && !(value === 0 && rates.includes(field)) ? value : null;
}

/** Smoothing that leaves a short run's curve its shape. */
const decayOf = (count: number) => (count < 45 ? 0 : Math.min(0.95, 1 - 40 / count));

interface Source {
  readonly name: string;
  readonly colour: Curve['colour'];
  /** Of step events. */
  readonly field: string;
  readonly isSmoothed?: boolean;
}

/** Draws charts over the steps of a run and of its evaluations. */
class Plotter {
  readonly x: readonly number[];
  readonly #steps: ReadonlyMap<number, StepOf>;
  readonly #events: readonly AnyEvent[];

  constructor(events: readonly AnyEvent[]) {
    this.#events = events;
    const steps = events.filter((event): event is StepOf => event.event === 'step');
    this.#steps = new Map(steps.map((event) => [event.step, event]));
    const evaluated = events.flatMap((event) => (event.event === 'evaluated' ? [event.step] : []));
    this.x = [...new Set([...this.#steps.keys(), ...evaluated])].sort((a, b) => a - b);
  }

  curve({ name, colour, field, isSmoothed = false }: Source): Curve {
    const values = this.x.map((step) => {
      const event = this.#steps.get(step);
      return event === undefined ? null : numberIn(event, field);
    });
    const decay = decayOf(values.length);
    const smooth =
      isSmoothed && decay > 0
        ? smoothed(
            values.map((value) => value ?? Number.NaN),
            decay,
          ).map((value) => (Number.isFinite(value) ? value : null))
        : null;
    return { name, colour, values, smooth, isSparse: false };
  }

  /** Values of evaluations, of those that `isOwn`. */
  evaluations(
    name: string,
    colour: Curve['colour'],
    field: string,
    isOwn: (event: Fields) => boolean = () => true,
  ): Curve {
    const own = this.#events.filter((event) => event.event === 'evaluated' && isOwn(event as unknown as Fields));
    const at = new Map(own.map((event) => [(event as { step: number }).step, numberIn(event, field)]));
    return { name, colour, values: this.x.map((step) => at.get(step) ?? null), smooth: null, isSparse: true };
  }

  /** Tasks that were evaluated, as in `countdown 3`. */
  get tasks(): readonly string[] {
    return [
      ...new Set(this.#events.flatMap((event) => ('task' in event ? [`${event.task} ${event.difficulty}`] : []))),
    ];
  }
}

const write = short;

function pretrainingCharts(plot: Plotter): Chart[] {
  const { x } = plot;
  const one = (source: Omit<Source, 'colour' | 'isSmoothed'>) => [
    plot.curve({ ...source, colour: '--accent', isSmoothed: true }),
  ];
  return [
    {
      id: 'loss',
      title: 'Loss',
      unit: 'nats a token',
      x,
      write,
      isWide: true,
      isSettling: true,
      curves: [
        plot.curve({ name: 'training', colour: '--accent', field: 'loss', isSmoothed: true }),
        plot.curve({ name: 'two tokens ahead (MTP)', colour: '--ink-soft', field: 'mtpLoss', isSmoothed: true }),
        plot.evaluations('validation', '--warm', 'loss'),
      ],
    },
    {
      id: 'throughput',
      title: 'Throughput',
      unit: 'tokens a second',
      x,
      write,
      curves: one({ name: 'training', field: 'tokensPerSecond' }),
    },
    {
      id: 'balance',
      title: 'Balance of experts',
      unit: 'MaxVio: the busiest above the mean',
      x,
      write,
      curves: [...one({ name: 'a step', field: 'maxVio' }), plot.evaluations('validation', '--warm', 'maxVio')],
    },
    {
      id: 'gradient',
      title: 'Gradient',
      unit: 'norm before clipping',
      x,
      write,
      isSettling: true,
      curves: one({ name: 'norm', field: 'gradientNorm' }),
    },
    {
      id: 'rate',
      title: 'Learning rate',
      unit: 'a step',
      x,
      write,
      curves: [plot.curve({ name: 'rate', colour: '--accent', field: 'learningRate' })],
    },
  ];
}

const taskColours = ['--warm', '--bad', '--good', '--ink-soft'] as const;

function rlCharts(plot: Plotter): Chart[] {
  const { x } = plot;
  const chart = (id: string, title: string, unit: string, ...sources: Source[]): Chart => ({
    id,
    title,
    unit,
    x,
    write,
    curves: sources.map((source) => plot.curve({ isSmoothed: true, ...source })),
  });
  const passes = plot.tasks.map((name, i) =>
    plot.evaluations(
      `held out, ${name}`,
      taskColours[i % taskColours.length],
      'passAt1',
      ({ task, difficulty }) => `${task} ${difficulty}` === name,
    ),
  );
  const shares: readonly Source[] = [
    { name: 'right', colour: '--accent', field: 'accuracy', isSmoothed: true },
    { name: 'form kept', colour: '--good', field: 'format', isSmoothed: true },
    { name: 'groups without signal', colour: '--ink-soft', field: 'silentGroups', isSmoothed: true },
  ];
  return [
    {
      id: 'accuracy',
      title: 'Accuracy',
      unit: 'share of responses',
      x,
      write: percent,
      isWide: true,
      curves: [...shares.map((source) => plot.curve(source)), ...passes],
    },
    chart(
      ...(['length', 'Length of a response', 'tokens'] as const),
      { name: 'all', colour: '--accent', field: 'tokens' },
      { name: 'right', colour: '--good', field: 'tokensRight' },
      { name: 'wrong', colour: '--bad', field: 'tokensWrong' },
    ),
    chart('entropy', 'Entropy', 'nats a token', { name: 'entropy', colour: '--accent', field: 'entropy' }),
    chart('kl', 'KL to the reference', 'nats a token', { name: 'KL', colour: '--accent', field: 'kl' }),
    chart('checks', 'Checking and turning back', 'words in a response', {
      name: 'words',
      colour: '--accent',
      field: 'checks',
    }),
    chart('throughput', 'Throughput', 'tokens a second', {
      name: 'rollouts',
      colour: '--accent',
      field: 'rolloutTokensPerSecond',
    }),
    chart('balance', 'Balance of experts', 'MaxVio: the busiest above the mean', {
      name: 'a step',
      colour: '--accent',
      field: 'maxVio',
    }),
  ];
}

function distilCharts(plot: Plotter): Chart[] {
  const { x } = plot;
  const one = (field: string) => [plot.curve({ name: 'training', colour: '--accent', field, isSmoothed: true })];
  return [
    {
      id: 'loss',
      title: 'Loss',
      unit: 'nats a learned token',
      x,
      write,
      curves: one('loss'),
      isWide: true,
      isSettling: true,
    },
    {
      id: 'throughput',
      title: 'Throughput',
      unit: 'learned tokens a second',
      x,
      write,
      curves: one('tokensPerSecond'),
    },
    { id: 'gradient', title: 'Gradient', unit: 'norm before clipping', x, write, curves: one('gradientNorm') },
  ];
}

const ofKind: Readonly<Record<Kind, (plot: Plotter) => Chart[]>> = {
  pretraining: pretrainingCharts,
  reinforcement: rlCharts,
  distillation: distilCharts,
};

/** A beta of 0 measures no KL and writes 0 everywhere. */
const isMeasured = ({ id, curves }: Chart) =>
  id !== 'kl' || curves.some(({ values }) => values.some((value) => value !== 0 && value !== null));

/** The charts of a run that have something to show; narrow ones in pairs. */
export function chartsOf(kind: Kind, events: readonly AnyEvent[]): Chart[] {
  const plot = new Plotter(events);
  const hasValues = ({ values }: Curve) => values.some((value) => value !== null);
  const charts = ofKind[kind](plot)
    .map((chart) => ({ ...chart, curves: chart.curves.filter(hasValues) }))
    .filter((chart) => chart.curves.length > 0 && isMeasured(chart));
  const isOdd = charts.filter(({ isWide }) => !isWide).length % 2 === 1;
  return charts.map((chart, i) => (isOdd && i === charts.length - 1 ? { ...chart, isWide: true } : chart));
}

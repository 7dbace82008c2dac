// What a reinforcement learning run came to: a table, four curves, samples of the beginning and the end.
import { join } from 'node:path';
import { type RlEvent, rlEventSchema } from '../rl/index.ts';
import { type Lineage, readEvents, smoothed } from '../train/index.ts';
import { lineChart, stacked } from './line-chart.ts';

type Of<Name extends RlEvent['event']> = Extract<RlEvent, { event: Name }>;

const decay = 0.8;
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

function eventsOf<Name extends RlEvent['event']>(events: readonly RlEvent[], name: Name): Of<Name>[] {
  return events.filter((event): event is Of<Name> => event.event === name);
}

/** Events of a run's folder. */
export function rlEvents(run: string): RlEvent[] {
  return readEvents(join(run, 'events.jsonl'), rlEventSchema);
}

export function rlTable(events: readonly RlEvent[], lineage: Lineage): string {
  const steps = eventsOf(events, 'step');
  const evaluated = eventsOf(events, 'evaluated');
  const mismatches = steps.reduce((sum, { mismatch }) => sum + mismatch, 0);
  const seconds = (of: (step: Of<'step'>) => number) => steps.reduce((sum, step) => sum + of(step), 0).toFixed(0);
  const passes = [...new Set(evaluated.map(({ task, difficulty }) => `${task} ${difficulty}`))].map((name) => {
    const own = evaluated.filter(({ task, difficulty }) => `${task} ${difficulty}` === name);
    const told = ({ step, passAt1, margin }: Of<'evaluated'>) =>
      `${percent(passAt1)} ± ${percent(margin)} at step ${step}`;
    return [`pass@1, ${name}, held out`, `${told(own[0] as Of<'evaluated'>)}, ${told(own.at(-1) as Of<'evaluated'>)}`];
  });
  const [first, last] = [steps[0], steps.at(-1)] as [Of<'step'>, Of<'step'>];
  const change = (of: (step: Of<'step'>) => number) => `${of(first).toFixed(1)} to ${of(last).toFixed(1)}`;
  const rows = [
    ['status', `${lineage.status}, ${last.step} steps`],
    ...passes,
    ['tokens of a response', change(({ tokens }) => tokens)],
    ['words of checking in a response', change(({ checks }) => checks)],
    ['mismatch, all steps', `${mismatches} tokens`],
    ['seconds of rollouts, of training', `${seconds((s) => s.rolloutSeconds)}, ${seconds((s) => s.trainSeconds)}`],
    ['time in all', `${(lineage.hours * 60).toFixed(1)} min`],
    ['cost', `${lineage.cost.amount.toPrecision(2)} ${lineage.cost.currency} at ${lineage.cost.pricePerHour} an hour`],
    ['weights', lineage.weights ?? 'none saved'],
  ];
  return ['| | |', '| --- | --- |', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
}

export function rlCharts(title: string, events: readonly RlEvent[]): string {
  const steps = eventsOf(events, 'step');
  const evaluated = eventsOf(events, 'evaluated');
  const x = steps.map(({ step }) => step);
  const line = (name: string, of: (step: Of<'step'>) => number | null) => ({
    ...{ name, x },
    y: smoothed(
      steps.map((step) => of(step) ?? Number.NaN),
      decay,
    ),
  });
  const passes = [...new Set(evaluated.map(({ task, difficulty }) => `${task} ${difficulty}`))].map((name) => {
    const own = evaluated.filter(({ task, difficulty }) => `${task} ${difficulty}` === name);
    return { name: `held out, ${name.at(-1)}`, x: own.map(({ step }) => step), y: own.map(({ passAt1 }) => passAt1) };
  });
  const chart = (yLabel: string, lines: Parameters<typeof lineChart>[0]) =>
    lineChart(lines, { title: `${title}: ${yLabel}`, xLabel: 'steps', yLabel });
  return stacked([
    chart('share', [
      line('right', ({ accuracy }) => accuracy),
      line('form kept', ({ format }) => format),
      line('silent groups', ({ silentGroups }) => silentGroups),
      ...passes,
    ]),
    chart('tokens of a response', [
      line('all', ({ tokens }) => tokens),
      line('right', ({ tokensRight }) => tokensRight),
      line('wrong', ({ tokensWrong }) => tokensWrong),
    ]),
    chart('words of checking in a response', [line('checks', ({ checks }) => checks)]),
    chart('nats a token', [line('entropy', ({ entropy }) => entropy), line('KL', ({ kl }) => kl)]),
  ]);
}

/** The first and the last sample, as code blocks. */
export function rlSamples(events: readonly RlEvent[]): string[] {
  const samples = eventsOf(events, 'sampled');
  return [...new Set([samples[0], samples.at(-1)])].flatMap((sample) =>
    sample
      ? [`Step ${sample.step} (${sample.verdict}):`, `\`\`\`text\n${sample.prompt}${sample.text.trimEnd()}\n\`\`\``]
      : [],
  );
}

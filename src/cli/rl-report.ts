// What a reinforcement learning run came to: four curves, samples of the beginning and the end.
import { join } from 'node:path';
import { type RlEvent, rlEventSchema } from '../rl/index.ts';
import { eventsOf } from '../runs/index.ts';
import { readEvents, smoothed } from '../train/index.ts';
import { type Line, lineChart, stacked } from './line-chart.ts';

type Of<Name extends RlEvent['event']> = Extract<RlEvent, { event: Name }>;

const decay = 0.8;

/** Events of a run's folder. */
export function rlEvents(run: string): RlEvent[] {
  return readEvents(join(run, 'events.jsonl'), rlEventSchema);
}

/** pass@1 of each task over the steps. */
export function passLines(evaluated: readonly Of<'evaluated'>[]): Line[] {
  const nameOf = ({ task, difficulty }: Of<'evaluated'>) => `${task} ${difficulty}`;
  return [...new Set(evaluated.map(nameOf))].map((task, _, tasks) => {
    const own = evaluated.filter((event) => nameOf(event) === task);
    const name = tasks.length === 1 ? 'held out' : task;
    return { name, x: own.map(({ step }) => step), y: own.map(({ passAt1 }) => passAt1) };
  });
}

export function rlCharts(title: string, events: readonly RlEvent[]): string {
  const steps = eventsOf(events, 'step');
  const x = steps.map(({ step }) => step);
  const line = (name: string, of: (step: Of<'step'>) => number | null) => ({
    name,
    x,
    y: smoothed(
      steps.map((step) => of(step) ?? Number.NaN),
      decay,
    ),
  });
  const chart = (yLabel: string, lines: Parameters<typeof lineChart>[0]) =>
    lineChart(lines, { title: `${title}: ${yLabel}`, xLabel: 'steps', yLabel });
  return stacked([
    chart('share', [
      line('right', ({ accuracy }) => accuracy),
      line('form kept', ({ format }) => format),
      line('silent groups', ({ silentGroups }) => silentGroups),
      ...passLines(eventsOf(events, 'evaluated')),
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

// What a distillation came to: the loss and the examinations on held-out problems, and a trace that was learned.
import { join } from 'node:path';
import { type DistilEvent, distilEventSchema, readTraces } from '../distill/index.ts';
import { eventsOf } from '../runs/index.ts';
import { readEvents, smoothed } from '../train/index.ts';
import { lineChart, stacked } from './line-chart.ts';
import { passLines } from './rl-report.ts';

const decay = 0.8;

export function distilEvents(run: string): DistilEvent[] {
  return readEvents(join(run, 'events.jsonl'), distilEventSchema);
}

export function distilCharts(title: string, events: readonly DistilEvent[]): string {
  const steps = eventsOf(events, 'step');
  const losses = steps.map(({ loss }) => loss ?? Number.NaN);
  const loss = { name: 'traces', x: steps.map(({ step }) => step), y: smoothed(losses, decay) };
  const evaluated = eventsOf(events, 'evaluated');
  const chart = (yLabel: string, lines: Parameters<typeof lineChart>[0]) =>
    lineChart(lines, { title: `${title}: ${yLabel}`, xLabel: 'steps', yLabel });
  return stacked([
    chart('loss, nats a token', [loss]),
    ...(evaluated.length > 0 ? [chart('pass@1, held out', passLines(evaluated))] : []),
  ]);
}

/** The first trace, as a code block. */
export function distilSample(run: string): string[] {
  const [trace] = readTraces(run);
  if (!trace) return [];
  return [`A trace of ${trace.teacher}:`, `\`\`\`text\n${trace.prompt.join('')}${trace.response.trimEnd()}\n\`\`\``];
}

// minke report: what a run came to, from its events and its lineage; also as a part of a page of results.
import { basename, join } from 'node:path';
import { isRlRun } from '../rl/index.ts';
import { type Lineage, readEvents, readLineage, smoothed, TrainError, type TrainEvent } from '../train/index.ts';
import { lineChart } from './line-chart.ts';
import { writeResult } from './results.ts';
import { rlCharts, rlEvents, rlSamples, rlTable } from './rl-report.ts';

export interface ReportCommand {
  readonly name?: string;
  readonly results?: string;
}

const decay = 0.95;

type Of<Name extends TrainEvent['event']> = Extract<TrainEvent, { event: Name }>;

function eventsOf<Name extends TrainEvent['event']>(events: readonly TrainEvent[], name: Name): Of<Name>[] {
  return events.filter((event): event is Of<Name> => event.event === name);
}

function table(events: readonly TrainEvent[], lineage: Lineage): string {
  const [started] = eventsOf(events, 'started');
  const evaluated = eventsOf(events, 'evaluated');
  const begin = events[0]?.time ?? 0;
  const best = evaluated.reduce<Of<'evaluated'> | null>((a, b) => (a && a.loss <= b.loss ? a : b), null);
  const minutes = (ms: number) => (ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`);
  const million = (n: number) => `${(n / 1e6).toFixed(2)} M`;
  const rows: [string, string][] = [
    ['status', lineage.status],
    ...(started
      ? ([['parameters (active)', `${million(started.parameters.total)} (${million(started.parameters.active)})`]] as [
          string,
          string,
        ][])
      : []),
    ['steps, tokens', `${lineage.steps}, ${million(lineage.tokens)}`],
    ...(best
      ? ([
          [
            'best validation loss',
            `${best.loss.toFixed(4)} on ${best.tokens} tokens, step ${best.step}, after ${minutes(best.time - begin)}`,
          ],
        ] as [string, string][])
      : []),
    ['time in all', minutes(lineage.hours * 3_600_000)],
    ['FLOPs', lineage.flops.toExponential(2)],
    ['cost', `${lineage.cost.amount.toPrecision(2)} ${lineage.cost.currency} at ${lineage.cost.pricePerHour} an hour`],
    ['weights', lineage.weights ?? 'none saved'],
    ['machine', lineage.sessions.map(({ machine, device }) => `${machine}; ${device}`).at(-1) ?? ''],
  ];
  return ['| | |', '| --- | --- |', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
}

function chart(title: string, events: readonly TrainEvent[]): string {
  const steps = eventsOf(events, 'step');
  const tokensPerStep = (steps[0]?.tokens ?? 0) / (steps[0]?.step ?? 1);
  const evaluated = eventsOf(events, 'evaluated').filter(({ step }) => step > 0);
  const loss = smoothed(
    steps.map(({ loss }) => loss ?? Number.NaN),
    decay,
  );
  const from = Math.floor(steps.length / 20);
  return lineChart(
    [
      { name: 'training', x: steps.slice(from).map(({ tokens }) => tokens), y: loss.slice(from) },
      { name: 'validation', x: evaluated.map(({ step }) => step * tokensPerStep), y: evaluated.map((e) => e.loss) },
    ],
    { title, xLabel: 'tokens', yLabel: 'loss, nats a token' },
  );
}

/** Of a reinforcement learning run. */
function reportRl(run: string, { name = basename(run), results }: ReportCommand): void {
  const events = rlEvents(run);
  const lineage = readLineage(run);
  if (!lineage || !events.some(({ event }) => event === 'step'))
    throw new TrainError(run, 'holds no run with a step', 'name the folder that minke rl wrote');
  const text = rlTable(events, lineage);
  console.log(text);
  if (results === undefined) return;
  const again = `Again: \`npx minke rl ${name} --model <base>\`, then \`npx minke report <run>\`.`;
  const paragraphs = [`## ${name}`, text, ...rlSamples(events), again];
  writeResult(results, { name, paragraphs, svg: rlCharts(name, events) });
}

export function report(run: string, command: ReportCommand): void {
  if (isRlRun(run)) reportRl(run, command);
  else reportPretraining(run, command);
}

function reportPretraining(run: string, command: ReportCommand): void {
  const { name = basename(run), results } = command;
  const events = readEvents(join(run, 'events.jsonl'));
  const lineage = readLineage(run);
  if (!lineage || eventsOf(events, 'step').length === 0)
    throw new TrainError(run, 'holds no run with a step', 'name the folder that minke pretrain wrote');
  const text = table(events, lineage);
  console.log(text);
  if (results === undefined) return;
  const again = `Again: \`npx minke pretrain ${name} --data <file>\`, then \`npx minke report <run>\`.`;
  writeResult(results, { name, paragraphs: [`## ${name}`, text, again], svg: chart(name, events) });
}

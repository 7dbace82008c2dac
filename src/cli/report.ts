// minke report: what a run came to, from its events and its lineage; also as a part of a page of results.
import { basename, join } from 'node:path';
import { isRlRun } from '../rl/index.ts';
import { eventsOf, pretrainingFacts, rlFacts } from '../runs/index.ts';
import { readEvents, readLineage, smoothed, TrainError, type TrainEvent } from '../train/index.ts';
import { lineChart } from './line-chart.ts';
import { factTable, writeResult } from './results.ts';
import { rlCharts, rlEvents, rlSamples } from './rl-report.ts';

export interface ReportCommand {
  readonly name?: string;
  readonly results?: string;
}

const decay = 0.95;

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
  const text = factTable(rlFacts(events, lineage));
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
  const text = factTable(pretrainingFacts(events, lineage));
  console.log(text);
  if (results === undefined) return;
  const again = `Again: \`npx minke pretrain ${name} --data <file>\`, then \`npx minke report <run>\`.`;
  writeResult(results, { name, paragraphs: [`## ${name}`, text, again], svg: chart(name, events) });
}

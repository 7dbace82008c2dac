// minke report: what a run came to, from its events and its lineage; also as a part of a page of results.
import { basename, join } from 'node:path';
import { distilFacts, eventsOf, type Fact, kindOf, pretrainingFacts, rlFacts, runKinds } from '../runs/index.ts';
import { type Lineage, readEvents, readLineage, smoothed, TrainError, type TrainEvent } from '../train/index.ts';
import { distilCharts, distilEvents, distilSample } from './distil-report.ts';
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

/** What there is to tell of a run. */
interface Told {
  readonly steps: number;
  readonly facts: readonly Fact[];
  readonly samples: readonly string[];
  readonly svg: (name: string) => string;
  /** Options of the verb that makes it again. */
  readonly again: string;
}

function ofPretraining(run: string, lineage: Lineage): Told {
  const events = readEvents(join(run, 'events.jsonl'));
  return {
    steps: eventsOf(events, 'step').length,
    facts: pretrainingFacts(events, lineage),
    samples: [],
    svg: (name) => chart(name, events),
    again: '--data <file>',
  };
}

function ofRl(run: string, lineage: Lineage): Told {
  const events = rlEvents(run);
  return {
    steps: eventsOf(events, 'step').length,
    facts: rlFacts(events, lineage),
    samples: rlSamples(events),
    svg: (name) => rlCharts(name, events),
    again: '--model <base>',
  };
}

function ofDistillation(run: string, lineage: Lineage): Told {
  const events = distilEvents(run);
  return {
    steps: eventsOf(events, 'step').length,
    facts: distilFacts(events, lineage),
    samples: distilSample(run),
    svg: (name) => distilCharts(name, events),
    again: '--student <model> --teacher <model>',
  };
}

const kinds = { pretraining: ofPretraining, reinforcement: ofRl, distillation: ofDistillation } as const;

export function report(run: string, { name = basename(run), results }: ReportCommand): void {
  const kind = kindOf(run);
  const lineage = readLineage(run);
  const told = kind && lineage ? kinds[kind](run, lineage) : null;
  if (kind === null || told === null || told.steps === 0)
    throw new TrainError(run, 'holds no run with a step', 'name the folder that minke pretrain, rl or distil wrote');
  const text = factTable(told.facts);
  console.log(text);
  if (results === undefined) return;
  const { verb } = runKinds[kind];
  const again = `Again: \`npx minke ${verb} ${name} ${told.again}\`, then \`npx minke report <run>\`.`;
  writeResult(results, { name, paragraphs: [`## ${name}`, text, ...told.samples, again], svg: told.svg(name) });
}

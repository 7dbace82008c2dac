// minke report: the results of a run of any kind, from its events and its lineage; also as a part of a page of results.
import { basename, join } from 'node:path';
import { findKind, runKinds, toChartData } from '../runs/index.ts';
import {
  alarmFacts,
  type Excerpt,
  type Fact,
  type RunKind,
  readEvents,
  readLineage,
  runFacts,
  TrainError,
} from '../train/index.ts';
import { readLoads } from './heat-map.ts';
import { drawCharts } from './line-chart.ts';
import { factTable, writeResult } from './results.ts';

export interface ReportCommand {
  readonly name?: string;
  readonly results?: string;
}

export interface RunReport {
  readonly kind: RunKind;
  readonly facts: readonly Fact[];
  readonly excerpts: readonly Excerpt[];
  /** Returns the charts as one SVG text, under a title. */
  draw(title: string): string;
}

/** Reads what a run's folder says about its results. Throws TrainError where it has no step yet. */
export function readReport(run: string, kinds: readonly RunKind[] = runKinds): RunReport {
  const kind = findKind(run, kinds);
  const lineage = readLineage(run);
  const events = kind ? readEvents(join(run, 'events.jsonl'), kind.events) : [];
  if (kind === null || lineage === null || !events.some(({ event }) => event === 'step')) {
    const verbs = kinds.map(({ name }) => name).join(', ');
    throw new TrainError(run, 'is not a run with a step', `name a folder that one of minke ${verbs} wrote`);
  }
  return {
    kind,
    facts: [...runFacts(kind, events, lineage), ...alarmFacts(events)],
    excerpts: kind.excerpts?.(events, run) ?? [],
    draw: (title) => drawCharts(toChartData(kind.charts, events), readLoads(events), title),
  };
}

/** Returns the command line that makes a run of this kind again. */
function commandLine({ name: verb, arguments: given }: RunKind, recipe: string): string {
  const options = given.filter(({ isRequired }) => isRequired).map(({ flag, type }) => `--${flag} <${type}>`);
  return ['npx minke', verb, recipe, ...options].join(' ');
}

export function report(run: string, { name = basename(run), results }: ReportCommand): void {
  const { kind, facts, excerpts, draw } = readReport(run);
  const table = factTable(facts);
  console.log(table);
  if (results === undefined) return;
  const texts = excerpts.flatMap(({ title, text }) => [`${title}:`, `\`\`\`text\n${text.trimEnd()}\n\`\`\``]);
  const again = `Again: \`${commandLine(kind, name)}\`, then \`npx minke report <run>\`.`;
  writeResult(results, { name, paragraphs: [`## ${name}`, table, ...texts, again], svg: draw(name) });
}

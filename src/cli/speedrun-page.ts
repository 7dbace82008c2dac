// The page of a speedrun: what each model can do, what it took, the curves, samples of the beginning and the end.
import { join } from 'node:path';
import type { Evaluated } from '../rl/index.ts';
import { rlFacts } from '../runs/index.ts';
import { type Lineage, readLineage } from '../train/index.ts';
import { distilCharts, distilEvents } from './distil-report.ts';
import { factTable } from './results.ts';
import { rlCharts, rlEvents, rlSamples } from './rl-report.ts';
import { type Stage, stages } from './speedrun-stages.ts';

const names: Readonly<Record<Stage, string>> = {
  base: 'base, never told to answer',
  zero: 'base after R1-Zero',
  student: 'dense student before',
  distilled: 'dense student, distilled',
};

const style = `body{font:16px/1.5 system-ui;max-width:46rem;margin:2rem auto;padding:0 1rem}
td,th{padding:.2rem .8rem .2rem 0;text-align:left}pre{background:#f1f5f9;padding:.8rem;overflow:auto}svg{max-width:100%}`;

export const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function row(stage: Stage, { passAt1, consensus, format, tokens }: Evaluated, lineage: Lineage): string {
  const cells = [
    names[stage],
    `${percent(passAt1.mean)} ± ${percent(passAt1.margin)}`,
    percent(consensus.mean),
    percent(format),
    tokens.toFixed(0),
    `${(60 * lineage.hours).toFixed(1)} min`,
  ];
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
}

/** An HTML page that needs nothing else. */
export function speedrunPage(folder: string, results: Readonly<Record<Stage, Evaluated>>): string {
  const lineages = stages.map((stage) => readLineage(join(folder, stage)) as Lineage);
  const [, zero] = lineages as [Lineage, Lineage];
  const hours = lineages.reduce((sum, lineage) => sum + lineage.hours, 0);
  const cost = lineages.reduce((sum, lineage) => sum + lineage.cost.amount, 0);
  const events = rlEvents(join(folder, 'zero'));
  const samples = rlSamples(events).map((text) => `<pre>${escaped(text.replace(/^```\w*\n?|```$/g, ''))}</pre>`);
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>minke speedrun</title><style>${style}</style>
<h1>From nothing to a model that thinks</h1>
<p>${(60 * hours).toFixed(1)} minutes of training, ${cost.toPrecision(2)} ${zero.cost.currency} in all.</p>
<table><tr><th>Countdown, 3 numbers, held out</th><th>pass@1</th><th>cons@4</th><th>form</th><th>tokens</th><th>trained</th></tr>
${stages.map((stage, i) => row(stage, results[stage], lineages[i] as Lineage)).join('\n')}</table>
<h2>R1-Zero</h2><pre>${escaped(factTable(rlFacts(events, zero)))}</pre>${rlCharts('R1-Zero', events)}
<h2>Before and after</h2>${samples.join('\n')}
<h2>Distillation</h2>${distilCharts('dense student', distilEvents(join(folder, 'distilled')))}</html>\n`;
}

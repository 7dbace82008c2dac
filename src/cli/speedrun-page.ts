// The page of a speedrun: what each model can do, what it took, the curves, samples of the beginning and the end.
import { basename, join } from 'node:path';
import type { Evaluation } from '../eval/index.ts';
import { type Lineage, readLineage } from '../train/index.ts';
import { readReport } from './report.ts';
import { factTable, type ResultPart } from './results.ts';
import { type Stage, stages } from './speedrun-stages.ts';

export type Results = Record<Stage, Evaluation>;

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

const head = ['Countdown, 3 numbers, held out', 'pass@1', 'cons@4', 'form', 'tokens', 'trained'] as const;

function cells(stage: Stage, { passAt1, consensus, format, tokens }: Evaluation, lineage: Lineage): string[] {
  return [
    names[stage],
    `${percent(passAt1.mean)} ± ${percent(passAt1.margin)}`,
    percent(consensus.mean),
    percent(format),
    tokens.toFixed(0),
    `${(60 * lineage.hours).toFixed(1)} min`,
  ];
}

function rows(folder: string, results: Results): string[][] {
  return stages.map((stage) => cells(stage, results[stage], readLineage(join(folder, stage)) as Lineage));
}

/** What all stages took. */
function spent(folder: string): string {
  const lineages = stages.map((stage) => readLineage(join(folder, stage)) as Lineage);
  const hours = lineages.reduce((sum, lineage) => sum + lineage.hours, 0);
  const cost = lineages.reduce((sum, lineage) => sum + lineage.cost.amount, 0);
  return `${(60 * hours).toFixed(1)} minutes of training, ${cost.toPrecision(2)} ${lineages[0]?.cost.currency} in all`;
}

/** For a page of results. */
export function speedrunPart(folder: string, results: Results): ResultPart {
  const name = basename(folder);
  const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |`;
  const lineage = readLineage(join(folder, 'zero')) as Lineage;
  return {
    name,
    paragraphs: [
      `## From nothing to a model that thinks: ${name}`,
      [head, head.map(() => '---'), ...rows(folder, results)].map(line).join('\n'),
      `${spent(folder)}, seed ${lineage.seed}. Again: \`npx minke speedrun runs/${name} --seed ${lineage.seed}\`.`,
    ],
    svg: readReport(join(folder, 'zero')).draw(name),
  };
}

/** An HTML page that needs nothing else. */
export function speedrunPage(folder: string, results: Results): string {
  const zero = readReport(join(folder, 'zero'));
  const line = (tag: string, texts: readonly string[]) =>
    `<tr>${texts.map((text) => `<${tag}>${text}</${tag}>`).join('')}</tr>`;
  const samples = zero.excerpts.map(({ title, text }) => `<p>${escaped(title)}:</p><pre>${escaped(text)}</pre>`);
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>minke speedrun</title><style>${style}</style>
<h1>From nothing to a model that thinks</h1>
<p>${spent(folder)}.</p>
<table>${line('th', head)}
${rows(folder, results)
  .map((texts) => line('td', texts))
  .join('\n')}</table>
<h2>R1-Zero</h2><pre>${escaped(factTable(zero.facts))}</pre>${zero.draw('R1-Zero')}
<h2>Before and after</h2>${samples.join('\n')}
<h2>Distillation</h2>${readReport(join(folder, 'distilled')).draw('dense student')}</html>\n`;
}

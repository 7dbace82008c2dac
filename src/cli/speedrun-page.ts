// The page of a speedrun: what each model can do, what it took, charts, and samples from the beginning and the end.
import { basename, join } from 'node:path';
import { formatPercent } from '../math/index.ts';
import { type Lineage, readLineage } from '../train/index.ts';
import { readReport } from './report.ts';
import { factTable, type ResultPart } from './results.ts';
import type { Speedrun } from './speedrun.ts';
import { answeringStages, type Stage, type StageEvaluations } from './stage-runner.ts';
import { escapeXml } from './xml.ts';

const style =
  'body{font:16px/1.5 system-ui;max-width:46rem;margin:2rem auto;padding:0 1rem}svg{max-width:100%}' +
  'td,th{padding:.2rem .8rem .2rem 0;text-align:left}pre{background:#f1f5f9;padding:.8rem;overflow:auto}';

const readLineages = (folder: string, speedrun: Speedrun) =>
  answeringStages(speedrun).map(({ name }) => readLineage(join(folder, name)) as Lineage);

/** Returns the table of evaluations, its heading first. */
function table(folder: string, speedrun: Speedrun, evaluations: StageEvaluations): string[][] {
  const lineages = readLineages(folder, speedrun);
  const rows = answeringStages(speedrun).map(({ name, title }, i) => {
    const { passAt1, consensus, format, tokens } = evaluations[name][0];
    return [
      title,
      `${formatPercent(passAt1.mean, 1)} ± ${formatPercent(passAt1.margin, 1)}`,
      formatPercent(consensus.mean, 1),
      formatPercent(format, 1),
      tokens.toFixed(0),
      `${(60 * lineages[i].hours).toFixed(1)} min`,
    ];
  });
  const [{ task, difficulty, samples }] = evaluations[speedrun.best];
  const heading = [`${task} ${difficulty}, held out`, 'pass@1', `cons@${samples}`, 'well-formed', 'tokens', 'training'];
  return [heading, ...rows];
}

/** Returns a sentence about the time and cost of all stages. */
function describeCost(folder: string, speedrun: Speedrun): string {
  const lineages = readLineages(folder, speedrun);
  const hours = lineages.reduce((sum, lineage) => sum + lineage.hours, 0);
  const cost = lineages.reduce((sum, lineage) => sum + lineage.cost.amount, 0);
  return `${(60 * hours).toFixed(1)} minutes of training, ${cost.toPrecision(2)} ${lineages[0].cost.currency} in total`;
}

/** Returns the section of a speedrun for a page of results. `options`: those of its command, besides the seed. */
export function speedrunPart(
  folder: string,
  speedrun: Speedrun,
  evaluations: StageEvaluations,
  options: string,
): ResultPart {
  const name = basename(folder);
  const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |`;
  const [heading, ...rows] = table(folder, speedrun, evaluations);
  const { seed } = readLineages(folder, speedrun)[0];
  const again = `npx minke speedrun runs/${name} --seed ${seed}${options}`;
  return {
    name,
    paragraphs: [
      `## From nothing to a model that reasons: ${name}`,
      [heading, heading.map(() => '---'), ...rows].map(line).join('\n'),
      `${describeCost(folder, speedrun)}, seed ${seed}. Again: \`${again}\`.`,
    ],
    svg: readReport(join(folder, speedrun.best)).draw(name),
  };
}

/** Returns a stage's facts, charts and excerpts as HTML. */
function stageHtml(folder: string, { name, title }: Stage): string {
  const { facts, excerpts, draw } = readReport(join(folder, name));
  const texts = excerpts.map((excerpt) => `<p>${escapeXml(excerpt.title)}:</p><pre>${escapeXml(excerpt.text)}</pre>`);
  return `<h2>${name}: ${title}</h2><pre>${escapeXml(factTable(facts))}</pre>${draw(title)}${texts.join('')}`;
}

/** Returns the report as an HTML page that needs no other file. */
export function speedrunPage(folder: string, speedrun: Speedrun, evaluations: StageEvaluations): string {
  const [heading, ...rows] = table(folder, speedrun, evaluations);
  const line = (tag: string, texts: readonly string[]) =>
    `<tr>${texts.map((text) => `<${tag}>${text}</${tag}>`).join('')}</tr>`;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>minke speedrun</title><style>${style}</style>
<h1>From nothing to a model that reasons</h1>
<p>${describeCost(folder, speedrun)}.</p>
<table>${line('th', heading)}
${rows.map((texts) => line('td', texts)).join('\n')}</table>
${answeringStages(speedrun)
  .map((stage) => stageHtml(folder, stage))
  .join('\n')}</html>\n`;
}

// The report of a pipeline: the table of the R1 report's stages at this scale, gates, tasks, curves, samples, cost.
//
// report.md and one SVG file for each run stand in the folder of the pipeline. Source of the table: DeepSeek-R1,
// table 3 (stages) and section 3 (pass@1 at temperature 0.6, top-p 0.95).
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readCollection } from '../distill/index.ts';
import type { Evaluation } from '../eval/index.ts';
import { type Estimate, formatPercent, mean } from '../math/index.ts';
import { smallTalkTask } from '../tasks/index.ts';
import { readLineage } from '../train/index.ts';
import { checkGate } from './gates.ts';
import type { R1Pipeline } from './r1.ts';
import { readReport } from './report.ts';
import { factTable, type ResultPart } from './results.ts';
import { answeringStages, isRun, type RunStage, type StageEvaluations } from './stage-runner.ts';

const toTable = ([heading, ...rows]: readonly (readonly string[])[]) =>
  [heading, heading.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const formatShare = ({ mean: share, margin }: Estimate) => `${formatPercent(share, 1)} ± ${(100 * margin).toFixed(1)}`;

/** Estimates the mean over tasks of independent estimates. */
function estimateOverTasks(estimates: readonly Estimate[]): Estimate {
  const margin = Math.sqrt(estimates.reduce((sum, each) => sum + each.margin ** 2, 0)) / estimates.length;
  return { mean: mean(estimates.map((each) => each.mean)), margin };
}

/** Returns the row of a stage: what its model does on problems, all tasks alike, and on small talk. */
function stageRow(title: string, evaluations: readonly Evaluation[], hours: number): string[] {
  const problems = evaluations.filter(({ task }) => task !== smallTalkTask);
  const talk = evaluations.find(({ task }) => task === smallTalkTask);
  const accuracy = estimateOverTasks(problems.map(({ passAt1 }) => passAt1));
  const estimate = (field: 'format' | 'language' | 'tokens') =>
    estimateOverTasks(problems.map((each) => ({ mean: each[field], margin: each.margins[field] })));
  const tokens = estimate('tokens');
  return [
    title,
    formatShare(accuracy),
    formatShare(estimate('format')),
    formatShare(estimate('language')),
    `${tokens.mean.toFixed(0)} ± ${tokens.margin.toFixed(0)}`,
    accuracy.mean > 0 ? (tokens.mean / accuracy.mean).toFixed(0) : 'none is correct',
    talk ? formatShare(talk.passAt1) : '-',
    `${(60 * hours).toFixed(1)} min`,
  ];
}

const heading = [
  'stage',
  'accuracy (pass@1)',
  'well-formed',
  'language consistency',
  'tokens',
  'tokens per correct answer',
  'small talk',
  'training',
];

/** Returns the accuracy of each stage on each task. */
function taskTable(stages: readonly RunStage[], evaluations: StageEvaluations): string {
  const first = evaluations[stages[0].name];
  const rows = first.map(({ task, difficulty }, i) => [
    `${task} ${difficulty}`,
    ...stages.map(({ name }) => formatShare(evaluations[name][i].passAt1)),
  ]);
  return toTable([['pass@1', ...stages.map(({ name }) => name)], ...rows]);
}

/** Returns what each gate found, in words. */
function listGates(folder: string, { stages }: R1Pipeline, evaluations: StageEvaluations): string {
  const findings = stages.filter(isRun).flatMap((stage) =>
    checkGate(stage, folder, evaluations).map(({ sentence, isPassed }) => {
      const otherwise = stage.isOptional ? 'left out' : 'accepted by hand';
      return `- ${isPassed ? 'passed' : `not passed, ${otherwise}`}: ${sentence}.`;
    }),
  );
  return findings.length > 0 ? findings.join('\n') : 'No stage has a gate.';
}

/** Returns where each stage's model comes from, and what it took. */
function lineageTable(folder: string, { stages }: R1Pipeline): string {
  const rows = stages.map((stage) => {
    const { name } = stage;
    if (!isRun(stage)) {
      const record = readCollection(join(folder, name));
      const made = `${record?.conversations} conversations of ${record?.traces} answers`;
      const seconds = record?.seconds ?? 0;
      return [name, stage.teacher, made, (record?.sha256 ?? '').slice(0, 12), `${(seconds / 60).toFixed(1)} min`, ''];
    }
    const lineage = readLineage(join(folder, name));
    const sources = [...new Set([...Object.values(stage.from ?? {}), ...(stage.data ?? [])])];
    const made = `${lineage?.steps} steps, ${lineage?.tokens} tokens`;
    const { amount = 0, currency = '' } = lineage?.cost ?? {};
    const minutes = `${(60 * (lineage?.hours ?? 0)).toFixed(1)} min`;
    const cost = `${amount.toPrecision(2)} ${currency}`;
    return [name, sources.join(', ') || 'nothing', made, (lineage?.weights ?? '').slice(0, 12), minutes, cost];
  });
  return toTable([['stage', 'made from', 'learned', 'sha256', 'time', 'cost'], ...rows]);
}

/** Writes report.md and the curves. Returns the part for a page of results. */
export function writeR1Report(folder: string, pipeline: R1Pipeline, evaluations: StageEvaluations): ResultPart {
  const stages = answeringStages(pipeline);
  const hours = ({ name }: RunStage) => readLineage(join(folder, name))?.hours ?? 0;
  const rows = stages.map((stage) => stageRow(stage.title, evaluations[stage.name], hours(stage)));
  const runs = pipeline.stages.filter(isRun).map((stage) => ({ ...stage, ...readReport(join(folder, stage.name)) }));
  for (const { name, title, draw } of runs) writeFileSync(join(folder, `${name}.svg`), draw(title));
  const sections = runs.flatMap(({ name, title, facts, excerpts }) => [
    `## ${name}: ${title}`,
    factTable(facts),
    `![${name}](${name}.svg)`,
    ...excerpts.flatMap(({ title: what, text }) => [`${what}:`, `\`\`\`text\n${text.trimEnd()}\n\`\`\``]),
  ]);
  const [{ samples, problems }] = evaluations[stages[0].name];
  const { seed } = readLineage(join(folder, stages[0].name)) ?? { seed: 0 };
  const asked = `${problems} held-out problems of each task, ${samples} answers to each; 95 % intervals; seed ${seed}.`;
  const paragraphs = [
    `## The R1 recipe: ${basename(folder)}`,
    toTable([heading, ...rows]),
    asked,
    taskTable(stages, evaluations),
    listGates(folder, pipeline, evaluations),
    lineageTable(folder, pipeline),
  ];
  writeFileSync(join(folder, 'report.md'), `${[...paragraphs, ...sections].join('\n\n')}\n`);
  return { name: basename(folder), paragraphs, svg: readReport(join(folder, pipeline.best)).draw(basename(folder)) };
}

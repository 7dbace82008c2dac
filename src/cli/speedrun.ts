// minke speedrun: from nothing to a model that thinks, the stages of recipes/speedrun.ts one after the other.
//
// A base reads how people search (never how to answer); reinforcement learning finds out what pays; both are asked the
// same held-out problems; report.html shows curves, samples and cost. Stages that are done are not done again.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '../engine/index.ts';
import { openDevice } from '../kernels/index.ts';
import {
  type Evaluated,
  evaluate,
  isRlRun,
  ofModel,
  type RlRecipe,
  reinforce,
  resolveRl,
  resumeReinforcing,
} from '../rl/index.ts';
import { rlFacts } from '../runs/index.ts';
import { openTask } from '../tasks/index.ts';
import { useDevice } from '../tensor/index.ts';
import {
  isRun,
  latestCheckpoint,
  type PretrainRecipe,
  pretrain,
  readLineage,
  resolvePretrain,
  resumePretraining,
} from '../train/index.ts';
import { loadRecipe } from './recipe.ts';
import { factTable } from './results.ts';
import { RlConsole } from './rl-console.ts';
import { rlCharts, rlEvents, rlSamples } from './rl-report.ts';
import { TrainConsole } from './train-console.ts';

interface Speedrun {
  readonly base: PretrainRecipe;
  readonly zero: Omit<RlRecipe, 'model'>;
}

async function modelOf(run: string): Promise<string> {
  const checkpoint = await latestCheckpoint(run, ({ message }) => console.error(message));
  if (checkpoint === null) throw new Error(`${run} holds no checkpoint: remove it and begin again`);
  return checkpoint.folder;
}

const isDone = (run: string) => readLineage(run)?.status === 'completed';

async function train({ base, zero }: Speedrun, baseRun: string, zeroRun: string): Promise<void> {
  const device = openDevice();
  useDevice(device);
  try {
    if (!isDone(baseRun)) {
      const shown = new TrainConsole();
      const options = { folder: baseRun, device, listen: shown.show.bind(shown) };
      await (isRun(baseRun) ? resumePretraining(options) : pretrain(resolvePretrain(base), options));
    }
    if (!isDone(zeroRun)) {
      const shown = new RlConsole();
      const options = { folder: zeroRun, device, listen: shown.show.bind(shown) };
      const begin = async () => reinforce(resolveRl({ ...zero, model: await modelOf(baseRun) }), options);
      await (isRlRun(zeroRun) ? resumeReinforcing(options) : begin());
    }
  } finally {
    await device.close();
  }
}

async function examine(run: string): Promise<Evaluated> {
  const task = await openTask('countdown');
  const model = await openModel(await modelOf(run));
  try {
    const options = { difficulty: 3, problems: 250, samples: 4, maxTokens: 200, template: 'short', seed: 7 } as const;
    return await evaluate(task, ofModel(model), options);
  } finally {
    await model.close();
    await task.close();
  }
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function row(name: string, { passAt1, consensus, format, tokens }: Evaluated): string {
  const cells = [
    `${percent(passAt1.mean)} ± ${percent(passAt1.margin)}`,
    percent(consensus.mean),
    percent(format),
    tokens.toFixed(0),
  ];
  return `<tr><td>${name}</td>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
}

function page(baseRun: string, zeroRun: string, { before, after }: Results): string {
  const events = rlEvents(zeroRun);
  const lineages = [baseRun, zeroRun].map((run) => readLineage(run));
  const hours = lineages.reduce((sum, lineage) => sum + (lineage?.hours ?? 0), 0);
  const cost = lineages.reduce((sum, lineage) => sum + (lineage?.cost.amount ?? 0), 0);
  const table = factTable(rlFacts(events, readLineage(zeroRun) as NonNullable<ReturnType<typeof readLineage>>));
  const samples = rlSamples(events).map((text) => `<pre>${escaped(text.replace(/^```\w*\n?|```$/g, ''))}</pre>`);
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>minke speedrun</title>
<style>body{font:16px/1.5 system-ui;max-width:46rem;margin:2rem auto;padding:0 1rem}td,th{padding:.2rem .8rem;text-align:left}pre{background:#f1f5f9;padding:.8rem;overflow:auto}</style>
<h1>From nothing to a model that thinks</h1>
<p>${(60 * hours).toFixed(1)} minutes, ${cost.toPrecision(2)} ${lineages[0]?.cost.currency ?? ''} in all.</p>
<table><tr><th>Countdown, 3 numbers, held out</th><th>pass@1</th><th>cons@4</th><th>form</th><th>tokens</th></tr>
${row('base', before)}${row('R1-Zero', after)}</table>
<pre>${escaped(table)}</pre>${rlCharts('R1-Zero', events)}<h2>Before and after</h2>${samples.join('\n')}</html>\n`;
}

interface Results {
  readonly before: Evaluated;
  readonly after: Evaluated;
}

export async function speedrunCommand(folder: string): Promise<void> {
  const [baseRun, zeroRun] = [join(folder, 'base'), join(folder, 'zero')];
  mkdirSync(folder, { recursive: true });
  await train((await loadRecipe<Speedrun>('speedrun')) as Speedrun, baseRun, zeroRun);
  const file = join(folder, 'evaluation.json');
  if (!existsSync(file))
    writeFileSync(file, JSON.stringify({ before: await examine(baseRun), after: await examine(zeroRun) }));
  const results = JSON.parse(readFileSync(file, 'utf8')) as Results;
  writeFileSync(join(folder, 'report.html'), page(baseRun, zeroRun, results));
  const [before, after] = [results.before, results.after].map(({ passAt1 }) => percent(passAt1.mean));
  console.log(`pass@1 ${before} before, ${after} after`);
  console.log(`report: ${join(folder, 'report.html')}`);
  console.log(`talk to it: npx minke chat ${await modelOf(zeroRun)} --prompt "Make 24 from 3, 7, 8."`);
}

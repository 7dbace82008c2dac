// minke plan: what a model costs to train, to serve, and to teach; and a published figure, opened. Formulas only: no
// model is loaded and nothing is measured.
import type { ModelConfig } from '../model/index.ts';
import {
  apiPrice,
  breakEven,
  claimNames,
  dayEconomics,
  devicesForDays,
  type Figure,
  findHardware,
  formatBand,
  type Market,
  openClaim,
  type Parallelism,
  PlanError,
  planExamples,
  planRl,
  planServing,
  planTraining,
  rentBand,
  searchParallelism,
  type TrainingQuestion,
  today,
  tokensForMoney,
} from '../planner/index.ts';
import { findConfig } from './find-config.ts';
import {
  expectUsed,
  findPrice,
  type PlanFlags,
  type PlanName,
  readAssumptions,
  readMarket,
  readParallelism,
  readTarget,
} from './plan-options.ts';
import { type PlanReport, type PlanSection, planLines } from './plan-text.ts';

interface Subject {
  readonly name: string;
  readonly config: ModelConfig;
}

const known = (figures: readonly (Figure | null)[]) => figures.filter((figure) => figure !== null);
const middle = (figure: Figure) => figure.value?.middle ?? 0;

function expectGiven(flag: string, value: number | undefined): number {
  if (value !== undefined) return value;
  throw new PlanError(flag, 'is missing', 'give it, or --target');
}

/** Tokens that a step reads where none are stated: about 4 million, as large runs do. */
const stepTokens = 4e6;
/** The same on one machine. */
const machineTokens = 8192;

/** Returns the question with what --target solves for. */
function solveTarget(question: TrainingQuestion, flags: PlanFlags, rows: Market) {
  if (flags.target === undefined) return { question, solved: [] };
  const target = readTarget(flags.target);
  if ('days' in target) {
    const devices = devicesForDays(question, target.days, rows);
    return { question: { ...question, devices: middle(devices) }, solved: [devices] };
  }
  const tokens = tokensForMoney(question, target.money, rows);
  if (tokens.value === null)
    throw new PlanError('--target', `the price of ${question.hardware.name} is unknown`, 'state it with --price');
  return { question: { ...question, tokens: middle(tokens) }, solved: [tokens] };
}

function reportTraining({ name, config }: Subject, flags: PlanFlags, rows: Market): PlanReport {
  const { context = Math.min(4096, config.maxPositionEmbeddings), device = 'h100', target } = flags;
  const hardware = findHardware(rows, device);
  const { devices = hardware.devicesPerNode } = flags;
  const one: Parallelism = { pipeline: 1, tensor: 1, expert: 1, schedule: '1f1b' };
  const isBudget = target !== undefined && 'money' in readTarget(target);
  const asked: TrainingQuestion = {
    config,
    tokens: isBudget ? 1 : expectGiven('--tokens', flags.tokens),
    context,
    hardware,
    devices,
    parallelism: flags.parallel === undefined ? one : readParallelism(flags.parallel),
    recompute: flags.recompute ?? 'selective',
    batch: flags.batch ?? Math.max(1, Math.round((hardware.measured === null ? stepTokens : machineTokens) / context)),
    microBatch: 1,
    utilization: flags.utilization ?? null,
    price: findPrice(rows, device, flags),
  };
  const { question, solved } = solveTarget(asked, flags, rows);
  const found =
    flags.parallel === undefined
      ? searchParallelism(question, rows)
      : { plan: planTraining(question, rows), parallelism: question.parallelism };
  const { plan, parallelism } = found;
  const { cost, tokensPerSecond, bubbles, allToAll, gradientSum, memory, fits } = plan;
  const { pipeline, tensor, expert, schedule } = parallelism;
  const sections: PlanSection[] = [
    ...(solved.length > 0 ? [{ title: 'what the target needs', figures: solved }] : []),
    { title: `training on ${question.devices} ${hardware.name}`, figures: [...Object.values(cost), tokensPerSecond] },
    { title: 'network and pipeline', figures: known([...bubbles, allToAll, gradientSum]) },
    { title: 'memory of the fullest device', figures: memory },
  ];
  const layout = `pp=${pipeline},tp=${tensor},ep=${expert},schedule=${schedule}`;
  const notes = [
    `${name}: ${flags.parallel === undefined ? 'the layout that waits least' : 'the layout asked for'} is --parallel ` +
      `${layout}; it ${fits ? 'fits' : 'does not fit'} ${hardware.name}`,
  ];
  return { name, sections, notes, json: { name, parallelism, ...plan, solved } };
}

function reportServing({ name, config }: Subject, flags: PlanFlags, rows: Market): PlanReport {
  const { device = 'h100', input = 2000, output = 500, hits = 0, acceptance = 0 } = flags;
  const hardware = findHardware(rows, device);
  const { devices = hardware.devicesPerNode } = flags;
  const price = findPrice(rows, device, flags);
  const { weights = 'bf16', cache = 'bf16', batch = null, period = 'all', date = today } = flags;
  const plan = planServing({
    config,
    hardware,
    devices,
    weights,
    cache,
    input,
    output,
    hits,
    batch,
    acceptance,
    price,
  });
  const { api } = flags;
  const request = { hit: input * hits, input: input * (1 - hits), output };
  const even = api === undefined ? [] : [breakEven(rows, device, devices, request, apiPrice(rows, api, date, period))];
  const { weights: bytes, weightsPerDevice, cachePerToken, maxBatch, inputPrice, outputPrice, ...decode } = plan;
  const sections = [
    { title: `memory on ${devices} ${hardware.name}`, figures: [bytes, weightsPerDevice, cachePerToken, maxBatch] },
    { title: 'speed', figures: known(Object.values(decode)) },
    { title: 'price', figures: [inputPrice, outputPrice, ...even] },
  ];
  return { name, sections, notes: [], json: { name, ...plan, breakEven: even } };
}

async function reportPostTraining(
  what: 'rl' | 'distill',
  { name, config }: Subject,
  flags: PlanFlags,
  rows: Market,
): Promise<PlanReport> {
  const { device = 'h100', input = 200, output = 4000 } = flags;
  const hardware = findHardware(rows, device);
  const { devices = hardware.devicesPerNode } = flags;
  const setting = { hardware, devices, input, output, price: findPrice(rows, device, flags) };
  const { steps = 1000, questions = 32, group = 16, atOnce = questions * group } = flags;
  const { teacher, examples = 800_000, keep = 0.5, epochs = 2 } = flags;
  const plan =
    what === 'rl'
      ? planRl({ ...setting, config, steps, questions, groupSize: group, reference: !flags.withoutReference, atOnce })
      : planExamples({
          ...setting,
          teacher: teacher === undefined ? config : await findConfig(teacher),
          student: config,
          examples,
          acceptance: keep,
          epochs,
        });
  const title = what === 'rl' ? 'reinforcement learning' : 'examples of a teacher, and training on them';
  const sections = [{ title: `${title}, on ${devices} ${hardware.name}`, figures: known(Object.values(plan)) }];
  return { name, sections, notes: ['a lower bound: nothing waits for the longest answer'], json: { name, ...plan } };
}

function reportClaim(name: string, flags: PlanFlags, rows: Market): PlanReport {
  const { prices = 'launch', assume = [] } = flags;
  const claim = openClaim({ name, prices, own: readAssumptions(assume) }, rows);
  const { data, price, hours, published, recomputed, leftOut, total, multiple, owning, comparisons } = claim;
  const day = name === 'deepseek-r1' ? Object.values(dayEconomics(rows, name, '2025-02-01')) : [];
  const sections = [
    { title: 'hours, as published', figures: [...hours, ...known([recomputed])] },
    { title: 'cost of these hours', figures: [price, ...published] },
    { title: 'what this leaves out, as assumptions', figures: leftOut },
    { title: 'all of it', figures: [total, multiple] },
    { title: 'owning the cluster instead of renting it', figures: owning },
    ...(comparisons.length > 0 ? [{ title: 'beside other figures', figures: comparisons }] : []),
    ...(day.length > 0 ? [{ title: "DeepSeek's published day of serving", figures: day }] : []),
  ];
  const notes = [data.note, '--assume name=value replaces an assumption; --prices today takes the rents of today'];
  return { name: `${data.title}, at the prices of ${prices}`, sections, notes, json: claim };
}

function marketLines(rows: Market, date: string): string[] {
  const rents = rows.hardware.map(({ name }) => {
    const band = rentBand(rows, name, date);
    const text = band && `${formatBand(band, 'USD/h', 3)}, ${band.date}, ${band.source}`;
    return `  ${name.padEnd(14)}${text ?? 'unknown'}`;
  });
  const apis = rows.api.map(({ model, period, date: from, hit, input, output, source }) => {
    const prices = `hit ${hit ?? 'unknown'}, in ${input}, out ${output}`;
    return `  ${model.padEnd(20)}${period.padEnd(10)}from ${from.padEnd(12)}${prices}, ${source}`;
  });
  return ['an hour of a device, on demand', ...rents, 'a million tokens of an API, USD', ...apis];
}

/** Returns the reports of what was asked, one for each model. */
async function report(what: PlanName, subjects: readonly string[], flags: PlanFlags, rows: Market) {
  const reports: PlanReport[] = [];
  for (const name of subjects) {
    if (what === 'claim') {
      reports.push(reportClaim(name, flags, rows));
      continue;
    }
    const subject = { name, config: await findConfig(name) };
    if (what === 'train') reports.push(reportTraining(subject, flags, rows));
    else if (what === 'serve') reports.push(reportServing(subject, flags, rows));
    else reports.push(await reportPostTraining(what as 'rl' | 'distill', subject, flags, rows));
  }
  return reports;
}

export async function planCommand(what: PlanName, subject: string | undefined, flags: PlanFlags): Promise<void> {
  expectUsed(what, flags);
  const rows = readMarket(flags.market);
  if (what === 'market') {
    if (subject !== undefined) throw new PlanError(subject, 'plan market takes no model', 'leave it out');
    console.log(flags.json ? JSON.stringify(rows, null, 2) : marketLines(rows, flags.date ?? today).join('\n'));
    return;
  }
  if (subject === undefined)
    throw new PlanError(
      `plan ${what}`,
      `${what === 'claim' ? 'a claim' : 'a model'} is missing`,
      what === 'claim' ? `name one of ${claimNames.join(', ')}` : 'name a preset, a config.json, or a checkpoint',
    );
  const reports = await report(what, [subject, ...(flags.compare ?? [])], flags, rows);
  const objects = reports.map(({ json }) => json);
  if (flags.json) console.log(JSON.stringify(objects.length === 1 ? objects[0] : objects, null, 2));
  else console.log(planLines(reports, flags.explain ?? false).join('\n'));
}

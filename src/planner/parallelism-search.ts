// Solving backwards: how many devices a deadline needs, how many tokens a budget buys, and which parallelism fits.
import { describeBlocks } from '../model/architecture/index.ts';
import { PlanError } from './errors.ts';
import { derive, type Figure, given } from './figure.ts';
import type { Market } from './market.ts';
import type { ScheduleName } from './pipeline.ts';
import { planTraining, type TrainingPlan, type TrainingQuestion, trainingCost } from './training.ts';
import type { Parallelism } from './training-memory.ts';
import { expectPositive } from './work.ts';

const powers = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** A rank of tensor parallelism costs about so much of a step; it is chosen last. */
const tensorCost = 0.05;

function candidates({ config, devices, hardware }: TrainingQuestion): Parallelism[] {
  if (hardware.measured !== null) return [{ pipeline: 1, tensor: 1, expert: 1, schedule: '1f1b' }];
  const { experts } = describeBlocks(config);
  const found: Parallelism[] = [];
  for (const pipeline of powers.filter((p) => p <= config.numHiddenLayers && devices % p === 0))
    for (const tensor of powers.filter((t) => t <= hardware.devicesPerNode && config.numAttentionHeads % t === 0))
      for (const expert of experts === null ? [1] : powers.filter((e) => experts.routed % e === 0)) {
        if (devices % (pipeline * tensor) !== 0 || (devices / pipeline) % expert !== 0) continue;
        for (const schedule of pipeline === 1 ? (['1f1b'] as const) : (['1f1b', 'dualpipe'] as const))
          found.push({ pipeline, tensor, expert, schedule });
      }
  return found;
}

/** The share of a step that waits: the bubble, what of the exchange is not hidden, and tensor parallelism. */
function waiting({ bubbles, allToAll }: TrainingPlan, { tensor, schedule }: Parallelism): number {
  const bubble = bubbles[0]?.value?.middle ?? 0;
  const exchange = allToAll?.value?.middle ?? 0;
  const hidden: Readonly<Record<ScheduleName, number>> = { '1f1b': 0, zb1p: 0, dualpipe: 1 };
  return bubble + Math.max(0, exchange - hidden[schedule]) + tensorCost * Math.log2(tensor);
}

/**
 * Returns the plan with the parallelism that fits the memory and waits least; the simplest among equals. Throws
 * PlanError where none fits.
 */
export function searchParallelism(
  question: TrainingQuestion,
  market: Market,
): { readonly plan: TrainingPlan; readonly parallelism: Parallelism } {
  let best: { plan: TrainingPlan; parallelism: Parallelism; score: number } | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const parallelism of candidates(question)) {
    const plan = planTraining({ ...question, parallelism }, market);
    const needed = plan.memory.at(-1)?.value?.middle ?? 0;
    least = Math.min(least, needed);
    const score = waiting(plan, parallelism);
    if (plan.fits && (best === null || score < best.score - 1e-9)) best = { plan, parallelism, score };
  }
  if (best !== null) return best;
  const { devices, hardware } = question;
  throw new PlanError(
    'parallelism',
    `no division over ${devices} ${hardware.name} fits: the smallest takes ${(least / 1e9).toPrecision(3)} GB ` +
      `a device, a device has ${(hardware.memoryBytes / 1e9).toPrecision(3)} GB`,
    'use more devices, shorter sequences, or --recompute full',
  );
}

/** Returns the devices that finish a run in so many days, in whole nodes. */
export function devicesForDays(question: Omit<TrainingQuestion, 'devices'>, days: number, market: Market): Figure {
  expectPositive('days', days);
  const { deviceHours } = trainingCost({ ...question, devices: 1 }, market);
  return derive(
    'devices',
    '',
    'ceil(hours / (24 x days) / node) x node',
    {
      hours: deviceHours,
      days: given('days', days, { source: 'asked' }),
      node: given('devices of a node', question.hardware.devicesPerNode, { source: question.hardware.source }),
    },
    (v) => Math.ceil(v.hours / (24 * v.days) / v.node) * v.node,
  );
}

/** Returns the tokens that a budget buys; unknown where no price is known. */
export function tokensForMoney(question: Omit<TrainingQuestion, 'tokens'>, amount: number, market: Market): Figure {
  expectPositive('budget', amount);
  const { money } = trainingCost({ ...question, tokens: 1 }, market);
  const budget = given('budget', amount, { unit: money.unit, source: 'asked' });
  return derive(
    'tokens',
    '',
    'budget / price of a token',
    { budget, 'price of a token': money },
    (v) => v.budget / v['price of a token'],
  );
}

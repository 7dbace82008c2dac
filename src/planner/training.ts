// The plan of a training run: FLOPs, device hours, days, money, energy, memory, and what the network and the pipeline
// cost. Utilization is that of published runs unless one is stated; the bubble and the network are inside it, and are
// shown beside it, because a plan whose network is too busy will not reach it.
import { describeBlocks } from '../model/architecture/index.ts';
import type { ModelConfig } from '../model/config.ts';
import { type Band, type PriceBand, point } from './band.ts';
import { derive, type Figure, given } from './figure.ts';
import type { Hardware, Market } from './market.ts';
import { machineHours, machineMemory } from './measured.ts';
import { allToAllShare, dispatchBytes, gradientSum } from './network.ts';
import { bubbleShare } from './pipeline.ts';
import { dataRanks, mixedFormats, type Parallelism, type Recompute, trainingMemory } from './training-memory.ts';
import { expectCount, expectPositive, mtpFlops, trainingFlops } from './work.ts';

/** The share of the BF16 peak that published runs reached. */
export const publishedUtilization: Band = { low: 0.3, middle: 0.39, high: 0.43 };
const utilizationSource = 'V3 38.9 % (causal), Llama-3.1-405B 38 to 43 %, 34.6 % with its interruptions';

/** What the groups of devices that a token's experts lie on are limited to: V3's routing uses at most 4 nodes. */
const maxNodes = 4;

export interface TrainingQuestion {
  readonly config: ModelConfig;
  readonly tokens: number;
  /** Tokens of a sequence. */
  readonly context: number;
  readonly hardware: Hardware;
  readonly devices: number;
  readonly parallelism: Parallelism;
  readonly recompute: Recompute;
  /** Sequences of a step. */
  readonly batch: number;
  /** Sequences of a micro-batch. */
  readonly microBatch: number;
  /** A share of the BF16 peak; null: that of published runs. */
  readonly utilization: number | null;
  /** For an hour of a device; null: unknown. */
  readonly price: PriceBand | null;
}

export interface CostFigures {
  readonly flopsPerToken: Figure;
  readonly flops: Figure;
  readonly utilization: Figure;
  readonly deviceHours: Figure;
  readonly days: Figure;
  readonly money: Figure;
  readonly energy: Figure;
  readonly electricity: Figure;
}

export interface TrainingPlan {
  readonly cost: CostFigures;
  readonly tokensPerSecond: Figure;
  readonly bubbles: readonly Figure[];
  readonly allToAll: Figure | null;
  readonly gradientSum: Figure | null;
  /** Parts of a device's memory; the last one is their sum. */
  readonly memory: readonly Figure[];
  readonly fits: boolean;
}

/** Returns a price as a figure; unknown where there is none. */
export function priceFigure(name: string, price: PriceBand | null): Figure {
  if (price === null) return given(name, null, { unit: 'USD/h', source: 'no price of this device is in the table' });
  const { currency, source, date } = price;
  return given(name, price, { unit: `${currency}/h`, digits: 3, source: `${source}, ${date}` });
}

/** Returns how long so many device hours take on `devices` of a kind, and what renting these costs. */
export function daysAndRent(
  deviceHours: Figure,
  {
    hardware,
    devices,
    price,
  }: { readonly hardware: Hardware; readonly devices: number; readonly price: PriceBand | null },
) {
  const number = given('devices', devices, { source: 'asked' });
  const days = derive(
    'days',
    'days',
    'hours / devices / 24',
    { hours: deviceHours, devices: number },
    (v) => v.hours / v.devices / 24,
  );
  const rent = priceFigure(`an hour of ${hardware.name}`, price);
  const money = derive(
    'rent',
    price?.currency ?? 'USD',
    'hours x price',
    { hours: deviceHours, price: rent },
    (v) => v.hours * v.price,
  );
  return { days, money };
}

/** Returns the energy of device hours, and what it costs, with that of the building. */
export function energyFigures(deviceHours: Figure, { watts, source }: Hardware, { electricity }: Market) {
  const energy = derive(
    'energy',
    'Wh',
    'hours x watts x overhead',
    {
      hours: deviceHours,
      watts: given('power of a device', watts, { unit: 'W', digits: 2, source }),
      overhead: given('overhead of the building', electricity.overhead, { digits: 2, source: electricity.source }),
    },
    (v) => v.hours * v.watts * v.overhead,
  );
  const tariff = given('tariff', electricity.price, {
    unit: 'USD/kWh',
    digits: 2,
    source: `${electricity.source}, ${electricity.date}`,
  });
  const money = derive(
    'electricity',
    'USD',
    'energy x tariff / 1000',
    { energy, tariff },
    (v) => (v.energy * v.tariff) / 1000,
  );
  return { energy, electricity: money };
}

/** The utilization that is asked for, or else that of published runs. */
function usualShare(stated: number | null): Figure {
  return given('utilization', stated === null ? publishedUtilization : point(stated), {
    unit: 'share',
    digits: 2,
    source: stated === null ? utilizationSource : 'asked',
  });
}

type CostQuestion = Pick<
  TrainingQuestion,
  'config' | 'tokens' | 'context' | 'hardware' | 'devices' | 'utilization' | 'price' | 'batch'
>;

/** Returns FLOPs, hours, days, money, and energy of training on `tokens`, however the devices are divided. */
export function trainingCost(question: CostQuestion, market: Market): CostFigures {
  const { config, tokens, context, hardware, devices, utilization: stated, price } = question;
  expectPositive('tokens', tokens);
  expectCount('devices', devices);
  if (stated !== null) expectPositive('utilization', stated);
  const main = trainingFlops(config, context);
  const mtp = mtpFlops(config, context);
  const flopsPerToken = derive(
    'FLOPs a token, MTP included',
    'FLOP/token',
    'main + mtp',
    { main, mtp },
    (v) => v.main + v.mtp,
  );
  const count = given('tokens', tokens, { source: 'asked' });
  const flops = derive(
    'FLOPs',
    'FLOP',
    'tokens x each',
    { tokens: count, each: flopsPerToken },
    (v) => v.tokens * v.each,
  );
  const peak = given('BF16 peak', hardware.flops.bf16, { unit: 'FLOP/s', source: hardware.source });
  const isMeasured = hardware.measured !== null && stated === null;
  const deviceHours = isMeasured
    ? machineHours(question)
    : derive(
        'device hours',
        'h',
        'flops / (peak x utilization) / 3600',
        { flops, peak, utilization: usualShare(stated) },
        (v) => v.flops / (v.peak * v.utilization) / 3600,
      );
  const utilization = isMeasured
    ? derive(
        'utilization',
        'share',
        'flops / hours / 3600 / peak',
        { flops, hours: deviceHours, peak },
        (v) => v.flops / v.hours / 3600 / v.peak,
      )
    : deviceHours.inputs.utilization;
  const { days, money } = daysAndRent(deviceHours, { hardware, devices, price });
  return {
    flopsPerToken,
    flops,
    utilization,
    deviceHours,
    days,
    money,
    ...energyFigures(deviceHours, hardware, market),
  };
}

function networkFigures(question: TrainingQuestion, tokensPerSecond: Figure, memory: readonly Figure[]) {
  const { config, hardware, devices, parallelism } = question;
  const { expert, tensor } = parallelism;
  const nodes = Math.ceil((expert * tensor) / hardware.devicesPerNode);
  const isInside = nodes <= 1;
  const bandwidth = given('bandwidth of a device', isInside ? hardware.linkBandwidth : hardware.networkBandwidth, {
    unit: 'B/s',
    source: `${hardware.source}, ${isInside ? 'inside a node' : 'between nodes'}`,
  });
  const copies = isInside ? expert - 1 : Math.min(nodes, maxNodes);
  const hasExchange = describeBlocks(config).experts !== null && expert > 1;
  const ranks = dataRanks(config, devices, parallelism);
  const [weights, gradients] = memory;
  const across = devices > hardware.devicesPerNode ? hardware.networkBandwidth : hardware.linkBandwidth;
  const ring = given('bandwidth of a device', across, { unit: 'B/s', source: hardware.source });
  return {
    allToAll: hasExchange ? allToAllShare(dispatchBytes(config, copies), tokensPerSecond, bandwidth) : null,
    gradientSum: ranks > 1 ? gradientSum(gradients, weights, ranks, ring) : null,
  };
}

/** Plans a training run. Throws PlanError for quantities that cannot be. */
export function planTraining(question: TrainingQuestion, market: Market): TrainingPlan {
  const { config, context, hardware, devices, parallelism, recompute, batch, microBatch } = question;
  expectCount('batch', batch);
  expectCount('micro-batch', microBatch);
  const cost = trainingCost(question, market);
  const ranks = dataRanks(config, devices, parallelism);
  const tokensPerSecond = derive(
    'tokens a second and device',
    'token/s',
    'tokens / hours / 3600',
    { hours: cost.deviceHours, tokens: cost.flops.inputs.tokens },
    (v) => v.tokens / v.hours / 3600,
  );
  const microBatchTokens = microBatch * context;
  const memory =
    hardware.measured === null
      ? trainingMemory({ config, devices, parallelism, formats: mixedFormats, recompute, microBatchTokens })
      : machineMemory(question, microBatchTokens);
  const microBatches = Math.max(1, Math.ceil(batch / (ranks * microBatch)));
  const { pipeline, schedule } = parallelism;
  const schedules =
    pipeline === 1 ? [] : ([schedule, '1f1b', 'zb1p', ...(pipeline % 2 === 0 ? ['dualpipe'] : [])] as const);
  const needed = memory.at(-1)?.value?.middle ?? 0;
  return {
    cost,
    tokensPerSecond,
    bubbles: [...new Set(schedules)].map((name) => bubbleShare(name as typeof schedule, pipeline, microBatches)),
    ...networkFigures(question, tokensPerSecond, memory),
    memory,
    fits: needed <= usableMemory * hardware.memoryBytes,
  };
}

/** The share of a device's memory that a plan may fill; the rest is for buffers and fragments. */
export const usableMemory = 0.9;

// A published figure, opened: its parts, the same figure from configuration, tokens, and throughput, what it leaves out
// as assumptions, and the whole at the price of its day and at today's.
//
// Renting and buying are two ways to pay for the same hours: capital and electricity stand beside the sum, not in it.
import type { ModelConfig } from '../model/config.ts';
import { preset } from '../model/presets.ts';
import type { Band } from './band.ts';
import { expectBand, type PriceBand, point } from './band.ts';
import {
  type Assumption,
  type AssumptionName,
  assumptionNames,
  assumptions,
  type ClaimData,
  claims,
} from './claim-data.ts';
import { PlanError } from './errors.ts';
import { derive, type Figure, given, relabel, total } from './figure.ts';
import { findHardware, type Market, rentBand } from './market.ts';
import { energyFigures, priceFigure } from './training.ts';
import { trainingFlops } from './work.ts';

/** What a user puts in the place of bundled assumptions. */
export type OwnAssumptions = Readonly<Partial<Record<AssumptionName, number | Band>>>;

export interface ClaimQuestion {
  readonly name: string;
  /** launch: the price that the publisher assumed; today: the rents of the table. */
  readonly prices: 'launch' | 'today';
  readonly own: OwnAssumptions;
}

export interface Claim {
  readonly data: ClaimData;
  readonly price: Figure;
  /** Hours of the published parts; the last figure is their sum. */
  readonly hours: readonly Figure[];
  /** What the published parts cost; the last figure is their sum. */
  readonly published: readonly Figure[];
  /** The same hours, computed; null where tokens or throughput are not published. */
  readonly recomputed: Figure | null;
  readonly leftOut: readonly Figure[];
  readonly total: Figure;
  /** The whole as a multiple of what was published. */
  readonly multiple: Figure;
  /** What owning the cluster takes instead of renting it. */
  readonly owning: readonly Figure[];
  readonly comparisons: readonly Figure[];
}

export function findClaim(name: string): ClaimData {
  const all: Readonly<Record<string, ClaimData>> = claims;
  if (Object.hasOwn(all, name)) return all[name];
  throw new PlanError(name, 'is no claim that is known', `choose one of ${Object.keys(claims).join(', ')}`);
}

const configs = new Map<string, ModelConfig>();

/** Returns the configuration of a claim's model, one object for all questions. */
function claimConfig({ preset: name }: ClaimData): ModelConfig {
  const config = configs.get(name) ?? preset(name);
  configs.set(name, config);
  return config;
}

function assumed(name: AssumptionName, own: OwnAssumptions): Figure {
  const { name: title, unit, band, about }: Assumption = assumptions[name];
  const stated = own[name];
  const value = stated === undefined ? band : typeof stated === 'number' ? point(stated) : stated;
  expectBand(name, value);
  if (name === 'utilization' && (value.low <= 0 || value.high > 1))
    throw new PlanError(name, `${value.low} to ${value.high} is no share`, 'give a number above 0 and at most 1');
  return given(title, value, {
    unit,
    digits: 1,
    source: `${stated === undefined ? 'an assumption' : 'asked'}: ${about}`,
  });
}

/** Throws PlanError for an assumption that does not exist. */
export function expectAssumption(name: string): asserts name is AssumptionName {
  if ((assumptionNames as readonly string[]).includes(name)) return;
  throw new PlanError(name, 'is no assumption', `choose one of ${assumptionNames.join(', ')}`);
}

function claimPrice(data: ClaimData, prices: ClaimQuestion['prices'], market: Market): Figure {
  const { device, standIn, date, price } = data;
  if (prices === 'launch')
    return given(`an hour of ${device}, ${date}`, price.value, { unit: 'USD/h', source: price.source });
  const rent: PriceBand | null = rentBand(market, standIn);
  const stand = standIn === device ? '' : `, standing in for ${device}`;
  return priceFigure(`an hour of ${standIn}${stand}`, rent);
}

function hourFigures({ parts }: ClaimData): Figure[] {
  // Table 1 of V3 gives thousands: its sum has the four digits of its largest part.
  const figures = parts.map(({ name, hours, digits, source }) => given(name, hours, { unit: 'h', digits, source }));
  const digits = Math.max(...parts.map((part) => part.digits));
  const sum = relabel(total('all device hours', figures), { digits });
  return [...figures, sum];
}

function paid(hours: Figure, price: Figure): Figure {
  return derive(hours.name, 'USD', 'hours x price', { hours, price }, (v) => v.hours * v.price);
}

/** Returns the hours that tokens and throughput give. */
function recompute({ pretraining }: ClaimData): Figure | null {
  if (!pretraining?.tokensPerDay) return null;
  const { tokens, tokensPerDay } = pretraining;
  return derive(
    'hours of pretraining from tokens and throughput',
    'h',
    'tokens / tokens a day x devices x 24',
    {
      tokens: given('tokens', tokens, { digits: 3, source: 'the report' }),
      'tokens a day': given('tokens a day', tokensPerDay.value, { digits: 4, source: tokensPerDay.source }),
      devices: given('devices', tokensPerDay.devices, { source: tokensPerDay.source }),
    },
    (v) => (v.tokens / v['tokens a day']) * v.devices * 24,
  );
}

/** Returns the utilization of a run's pretraining: causal, and with all pairs counted. */
export function claimUtilization(name: string, market: Market, count: 'causal' | 'all pairs'): Figure | null {
  const data = findClaim(name);
  if (!data.pretraining?.tokensPerDay) return null;
  const { context, tokensPerDay } = data.pretraining;
  const { flops, source } = findHardware(market, data.device);
  return derive(
    `utilization of the BF16 peak, ${count}`,
    'share',
    'each x tokens a day / devices / 86,400 / peak',
    {
      each: trainingFlops(claimConfig(data), context, count),
      'tokens a day': given('tokens a day', tokensPerDay.value, { digits: 4, source: tokensPerDay.source }),
      devices: given('devices', tokensPerDay.devices, { source: tokensPerDay.source }),
      peak: given('BF16 peak', flops.bf16, { unit: 'FLOP/s', source }),
    },
    (v) => (v.each * v['tokens a day']) / v.devices / 86_400 / v.peak,
  );
}

/** Returns the FLOPs of a run's pretraining: as published, or 6 x active parameters x tokens. */
export function claimFlops(name: string): Figure | null {
  const { pretraining } = findClaim(name);
  if (pretraining === null) return null;
  const { flops, active, tokens } = pretraining;
  if (flops) return given('FLOPs of pretraining', flops.value, { unit: 'FLOP', digits: 2, source: flops.source });
  const source = 'the report';
  return derive(
    'FLOPs of pretraining, 6ND',
    'FLOP',
    '6 x active x tokens',
    { active: given('active parameters', active, { source }), tokens: given('tokens', tokens, { digits: 3, source }) },
    (v) => 6 * v.active * v.tokens,
  );
}

/** Returns one run's hours, or FLOPs, as a share of another's. */
export function claimShare(name: string, other: string, quantity: 'hours' | 'flops'): Figure | null {
  const pick = (each: string) =>
    quantity === 'hours' ? (hourFigures(findClaim(each)).at(-1) ?? null) : claimFlops(each);
  const [own, theirs] = [pick(name), pick(other)];
  if (own === null || theirs === null) return null;
  const label = quantity === 'hours' ? 'device hours' : 'FLOPs';
  return derive(
    `${label} of ${name} in those of ${other}`,
    'share',
    'own / theirs',
    { own, theirs },
    (v) => v.own / v.theirs,
  );
}

function leftOutFigures(data: ClaimData, price: Figure, rent: Figure, own: OwnAssumptions): Figure[] {
  const share = (name: AssumptionName, title: string) =>
    derive(title, 'USD', 'rent x share', { rent, share: assumed(name, own) }, (v) => v.rent * v.share);
  const idle = derive(
    'hours that are paid and idle',
    'USD',
    'rent x (1 / working - 1)',
    { rent, working: assumed('utilization', own) },
    (v) => v.rent * (1 / v.working - 1),
  );
  const people = derive(
    'people',
    'USD',
    'person-years x cost',
    { 'person-years': assumed('people', own), cost: assumed('salary', own) },
    (v) => v['person-years'] * v.cost,
  );
  const base = data.base === null ? [] : [basePart(data.base, price)];
  return [
    ...base,
    share('ablations', 'ablations and research runs'),
    share('failures', 'failed and repeated runs'),
    idle,
    assumed('teachers', own),
    assumed('data', own),
    people,
  ];
}

function basePart(name: string, price: Figure): Figure {
  const hours = hourFigures(findClaim(name)).at(-1) as Figure;
  return relabel(paid(hours, price), { name: `the base, ${findClaim(name).title}` });
}

/** Capital and electricity of a cluster that is owned. */
function owningFigures(data: ClaimData, hours: Figure, own: OwnAssumptions, market: Market): Figure[] {
  const hardware = findHardware(market, data.device);
  const capital = derive(
    `${data.devices.toLocaleString('en-US')} devices and their network`,
    'USD',
    'devices x price x (1 + network)',
    {
      devices: given('devices', data.devices, { source: 'the report' }),
      price: given('price of a device', hardware.price, { unit: 'USD', digits: 1, source: hardware.source }),
      network: assumed('network', own),
    },
    (v) => v.devices * v.price * (1 + v.network),
  );
  return [capital, energyFigures(hours, hardware, market).electricity];
}

/** Opens a published figure. Throws PlanError for a name or an assumption that is not known. */
export function openClaim({ name, prices, own }: ClaimQuestion, market: Market): Claim {
  const data = findClaim(name);
  for (const each of Object.keys(own)) expectAssumption(each);
  const price = claimPrice(data, prices, market);
  const hours = hourFigures(data);
  const published = hours.map((each) => paid(each, price));
  published.push(relabel(published.pop() as Figure, { name: 'as published' }));
  const rent = published.at(-1) as Figure;
  const leftOut = leftOutFigures(data, price, rent, own);
  const whole = total('all of it', [rent, ...leftOut]);
  const comparisons = [
    claimShare(name, 'llama-3.1-405b', 'hours'),
    claimShare(name, 'llama-3.1-405b', 'flops'),
    claimUtilization(name, market, 'causal'),
    claimUtilization(name, market, 'all pairs'),
  ].filter((each) => each !== null);
  return {
    data,
    price,
    hours,
    published,
    recomputed: recompute(data),
    leftOut,
    total: whole,
    multiple: derive(
      'the whole, in published figures',
      '',
      'whole / published',
      { whole, published: rent },
      (v) => v.whole / v.published,
    ),
    owning: owningFigures(data, hours.at(-1) as Figure, own, market),
    comparisons: name === 'llama-3.1-405b' ? comparisons.slice(2) : comparisons,
  };
}

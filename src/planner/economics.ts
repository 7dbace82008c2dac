// What tokens earn and cost: revenue of traffic at a price list, margin, break-even against an API, ratios of prices.
// DeepSeek's published day: deepseek-ai/open-infra-index, day 6 (27 and 28 February 2025).
import { PlanError } from './errors.ts';
import { derive, type Figure, given } from './figure.ts';
import { type ApiPrice, apiPrice, type Market, rentBand } from './market.ts';
import { priceFigure } from './training.ts';
import { expectPositive } from './work.ts';

/** Tokens of a day, or the parts of a mix. */
export interface Traffic {
  readonly hit: number;
  readonly input: number;
  readonly output: number;
}

const trafficSource = 'deepseek-ai/open-infra-index, day 6';

/** DeepSeek's day: 27 February 2025, 12:00, to 28 February, UTC+8; 226.75 nodes of 8 H800 on average. */
export const publishedDay = {
  traffic: { hit: 342e9, input: 266e9, output: 168e9 },
  nodes: 226.75,
  devicesPerNode: 8,
  pricePerHour: 2,
  /** What DeepSeek states, USD. */
  cost: 87_072,
  revenue: 562_027,
  margin: 5.45,
} as const;

const perMillion = 'USD/M tokens';

/** Returns what tokens earn at an API's prices; unknown where there are hits whose price is. */
export function revenue({ hit, input, output }: Traffic, { model, period, date, source, ...price }: ApiPrice): Figure {
  const row = { unit: perMillion, source: `${model}, ${period}, from ${date}: ${source}` };
  const hitPrice = hit === 0 ? (price.hit ?? price.input) : price.hit;
  return derive(
    'revenue',
    'USD',
    '(hits x hit price + misses x input price + output x output price) / 1,000,000',
    {
      hits: given('input tokens that hit the cache', hit, { source: 'traffic' }),
      misses: given('other input tokens', input, { source: 'traffic' }),
      output: given('output tokens', output, { source: 'traffic' }),
      'hit price': given('price of a hit', hitPrice, row),
      'input price': given('price of input', price.input, row),
      'output price': given('price of output', price.output, row),
    },
    (v) => (v.hits * v['hit price'] + v.misses * v['input price'] + v.output * v['output price']) / 1e6,
  );
}

/** Returns the profit as a share of the cost, as DeepSeek states it. */
export function margin(earned: Figure, cost: Figure): Figure {
  return derive('margin on cost', 'share', 'earned / cost - 1', { earned, cost }, (v) => v.earned / v.cost - 1);
}

/** Returns the published day at the prices of a model on a date: cost, revenue, margin. */
export function dayEconomics(market: Market, model: string, on: string, period: ApiPrice['period'] = 'all') {
  const { traffic, nodes, devicesPerNode, pricePerHour } = publishedDay;
  const published = { source: trafficSource };
  const cost = derive(
    'cost of the day',
    'USD',
    'nodes x devices x 24 x price',
    {
      nodes: given('nodes, on average', nodes, published),
      devices: given('devices of a node', devicesPerNode, published),
      price: given('an hour of a device', pricePerHour, { unit: 'USD/h', source: `${trafficSource}, an assumption` }),
    },
    (v) => v.nodes * v.devices * 24 * v.price,
  );
  const earned = revenue(traffic, apiPrice(market, model, on, period));
  return { cost, revenue: earned, margin: margin(earned, cost) };
}

/** Returns the price of a mix of tokens at one API as a multiple of another's. */
export function priceRatio(mix: Traffic, expensive: ApiPrice, cheap: ApiPrice): Figure {
  const inputs = { expensive: revenue(mix, expensive), cheap: revenue(mix, cheap) };
  return derive('ratio of prices', 'x', 'expensive / cheap', inputs, (v) => v.expensive / v.cheap);
}

/** A mix keeps a ratio at most `ratio` while hits <= perInput x misses + perOutput x output tokens. */
export interface HitLimit {
  readonly perInput: number;
  readonly perOutput: number;
}

/**
 * Returns which mixes have a ratio of at most `ratio`, where hits alone exceed it: the hits that a token of other
 * input, or of output, allows. Solves expensive <= ratio x cheap for the hits. Null where hits alone do not exceed it.
 */
export function hitLimit(ratio: number, expensive: ApiPrice, cheap: ApiPrice): HitLimit | null {
  expectPositive('ratio', ratio);
  if (expensive.hit === null || cheap.hit === null)
    throw new PlanError('price of hits', 'is unknown for one of the models', 'compare models that list it');
  const excess = expensive.hit - ratio * cheap.hit;
  if (excess <= 0) return null;
  return {
    perInput: (ratio * cheap.input - expensive.input) / excess,
    perOutput: (ratio * cheap.output - expensive.output) / excess,
  };
}

/** Returns how many requests a day make renting devices as cheap as an API; unknown where the rent is. */
export function breakEven(market: Market, device: string, devices: number, request: Traffic, api: ApiPrice): Figure {
  expectPositive('devices', devices);
  const rent = priceFigure(`an hour of ${device}`, rentBand(market, device));
  return derive(
    'requests a day at break-even',
    '',
    '24 x devices x rent / request',
    { devices: given('devices', devices, { source: 'asked' }), rent, request: revenue(request, api) },
    (v) => (24 * v.devices * v.rent) / v.request,
  );
}

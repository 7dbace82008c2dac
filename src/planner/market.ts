// Hardware and prices: the bundled tables, a user's rows over them, and what they say of a device or model on a date.
import { z } from 'zod';
import { type Band, bandAround, expectBand, type PriceBand } from './band.ts';
import { PlanError } from './errors.ts';
import { marketRows } from './market-rows.ts';

const positive = z.number().positive().finite();
const date = z.string().regex(/^\d{4}(-\d\d(-\d\d)?)?$/, 'expected a date: 2026, 2026-11, or 2026-11-09');
const band = z.strictObject({ low: positive, middle: positive, high: positive });
/** A training step of a small model, as `minke probe` measured it. */
const measuredStep = z.strictObject({
  /** Whether its layers have experts. */
  experts: z.boolean(),
  /** The hidden size. */
  width: positive,
  /** FLOP/s of a token's forward and backward. */
  flops: positive,
  /** What a step takes for each parameter, however many tokens it reads: the optimizer. */
  secondsPerParameter: z.number().nonnegative(),
  /** Memory of a parameter: weights, gradients, moments, copies. */
  bytesPerParameter: positive,
  /** Memory of a token of a micro-batch, as a multiple of what is counted for it. */
  activationRatio: positive,
});

const row = { date, source: z.string().min(1) };

const marketSchema = z.strictObject({
  /** One row for each device; null: unknown. Rates in FLOP/s and bytes/s. */
  hardware: z.array(
    z.strictObject({
      name: z.string().min(1),
      kind: z.enum(['gpu', 'cpu']),
      flops: z.strictObject({ bf16: positive, fp8: positive.nullable() }),
      memoryBytes: positive,
      bandwidth: positive,
      /** To other devices of the node, one direction. */
      linkBandwidth: positive.nullable(),
      /** To other nodes, one direction. */
      networkBandwidth: positive.nullable(),
      devicesPerNode: positive,
      watts: positive.nullable(),
      /** What one costs to buy, USD. */
      price: band.nullable(),
      /** Null where nothing was measured: every device of the bundled table. */
      measured: z.array(measuredStep).min(1).nullable(),
      ...row,
    }),
  ),
  /** USD for an hour of one device, by provider. */
  rent: z.array(z.strictObject({ device: z.string(), provider: z.string(), price: positive, ...row })),
  /** USD for a million tokens; `date`: from when on. */
  api: z.array(
    z.strictObject({
      model: z.string(),
      period: z.enum(['all', 'peak', 'off-peak']),
      hit: positive.nullable(),
      input: positive,
      output: positive,
      ...row,
    }),
  ),
  electricity: z.strictObject({ price: band, overhead: z.number().min(1), ...row }),
});

export type Market = z.infer<typeof marketSchema>;
export type Hardware = Market['hardware'][number];
export type MeasuredStep = z.infer<typeof measuredStep>;
export type ApiPrice = Market['api'][number];

/** The bundled tables. */
export const market: Market = marketRows;

const rowKeys = {
  hardware: ({ name }: Hardware) => name,
  rent: ({ device, provider, date: day }: Market['rent'][number]) => `${device} ${provider} ${day}`,
  api: ({ model, period, date: day }: ApiPrice) => `${model} ${period} ${day}`,
};

function merged<Row>(base: readonly Row[], own: readonly Row[] | undefined, key: (row: Row) => string): Row[] {
  const rows = new Map(base.map((each) => [key(each), each]));
  for (const each of own ?? []) rows.set(key(each), each);
  return [...rows.values()];
}

/** Returns the tables with a user's rows: a row replaces that of the same key. Throws PlanError naming the field. */
export function withRows(base: Market, json: unknown, source: string): Market {
  const checked = marketSchema.partial().safeParse(json);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw new PlanError(
      source,
      `${issue.path.join('.')}: ${issue.message}`,
      'see minke plan market --json for the form',
    );
  }
  const { hardware, rent, api, electricity = base.electricity } = checked.data;
  const bands = [electricity.price, ...(hardware ?? []).map(({ price }) => price)];
  for (const each of bands) if (each !== null) expectBand(source, each);
  return {
    hardware: merged(base.hardware, hardware, rowKeys.hardware),
    rent: merged(base.rent, rent, rowKeys.rent),
    api: merged(base.api, api, rowKeys.api),
    electricity,
  };
}

/** Returns a device's row. Throws PlanError for one that the tables do not have. */
export function findHardware({ hardware }: Market, name: string): Hardware {
  const found = hardware.find((each) => each.name === name.toLowerCase());
  if (found) return found;
  const names = hardware.map((each) => each.name).join(', ');
  throw new PlanError(name, 'is no device of the hardware table', `choose one of ${names}, or add a row with --market`);
}

/** Returns the last rows on a date, one for each key. */
function lastRows<Row extends { readonly date: string }>(
  rows: readonly Row[],
  on: string,
  key: (row: Row) => string,
): Row[] {
  const last = new Map<string, Row>();
  for (const each of rows) {
    const before = last.get(key(each));
    if (each.date <= on && (before === undefined || before.date <= each.date)) last.set(key(each), each);
  }
  return [...last.values()];
}

/** After every date of the tables. */
export const today = '9999';

function expectDate(on: string): void {
  if (!date.safeParse(on).success) throw new PlanError(on, 'is no date', 'write it as 2026-11-09');
}

/**
 * Returns what an hour of a device costs on a date: least, median, and greatest of the last prices of all providers;
 * null where no price of it is known by then.
 */
export function rentBand({ rent }: Market, device: string, on = today): PriceBand | null {
  expectDate(on);
  const rows = lastRows(
    rent.filter((each) => each.device === device.toLowerCase()),
    on,
    ({ provider }) => provider,
  );
  if (rows.length === 0) return null;
  const newest = rows.map((each) => each.date).sort();
  const sources = [...new Set(rows.map(({ source }) => source))].join('; ');
  return {
    ...bandAround(rows.map(({ price }) => price)),
    currency: 'USD',
    per: 'device h',
    date: newest.at(-1) ?? '',
    source: `${rows.length} ${rows.length === 1 ? 'price' : 'prices'}: ${sources}`,
  };
}

/** Returns the band that one stated price is. */
export function statedPrice(price: number, currency: string, on: string, source: string): PriceBand {
  expectBand('price', { low: price, middle: price, high: price });
  expectDate(on);
  return { low: price, middle: price, high: price, currency, per: 'device h', date: on, source };
}

/** Returns what an API charges for a model on a date. Throws PlanError for one that has no price by then. */
export function apiPrice({ api }: Market, model: string, on = today, period: ApiPrice['period'] = 'all'): ApiPrice {
  expectDate(on);
  const rows = lastRows(
    api.filter((each) => each.model === model.toLowerCase()),
    on,
    (each) => each.period,
  );
  const found = rows.find((each) => each.period === period) ?? rows.find((each) => each.period === 'all') ?? rows[0];
  if (found) return found;
  const names = [...new Set(api.filter((each) => each.date <= on).map((each) => each.model))];
  const remedy =
    names.length === 0 ? 'choose a later date' : `choose one of ${names.join(', ')}, or add a row with --market`;
  throw new PlanError(model, `has no price ${on === today ? 'in the table' : `by ${on}`}`, remedy);
}

/** What hours of devices cost: the amount at each end of the price band. */
export function moneyBand(hours: number, price: PriceBand): Band {
  return { low: hours * price.low, middle: hours * price.middle, high: hours * price.high };
}

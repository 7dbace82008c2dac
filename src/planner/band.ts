// A quantity known as a band: low, middle, high. A price is a band with a date and a source, never one number.
import { z } from 'zod';
import { median } from '../math/index.ts';
import { PlanError } from './errors.ts';

export interface Band {
  readonly low: number;
  readonly middle: number;
  readonly high: number;
}

/** The format of a price band in files. `per`: what is paid for, such as "GPU h". */
export const priceBandSchema = z.strictObject({
  low: z.number().nonnegative(),
  middle: z.number().nonnegative(),
  high: z.number().nonnegative(),
  currency: z.string().min(1),
  per: z.string().min(1),
  /** The newest date among its prices: a day, a month, or a year. */
  date: z.string().regex(/^\d{4}(-\d\d(-\d\d)?)?$/),
  source: z.string().min(1),
});

export type PriceBand = Readonly<z.infer<typeof priceBandSchema>>;

/** Returns a band without width. */
export function point(value: number): Band {
  return { low: value, middle: value, high: value };
}

/** Returns least, median, and greatest of several values. */
export function bandAround(values: readonly number[]): Band {
  return { low: Math.min(...values), middle: median(values), high: Math.max(...values) };
}

/** Throws PlanError unless low <= middle <= high, all of them finite and not negative. */
export function expectBand(name: string, { low, middle, high }: Band): void {
  const isBand = low >= 0 && low <= middle && middle <= high && Number.isFinite(high);
  if (isBand) return;
  throw new PlanError(
    name,
    `${low}, ${middle}, ${high} is no band`,
    'give low, middle, and high in ascending order, none of them negative',
  );
}

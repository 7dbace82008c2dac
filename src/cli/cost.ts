// minke cost: what a model or run cost, with its ancestors, its teachers, and what failed on the way.
import { existsSync } from 'node:fs';
import { describeBillTree, findRunsFolder, openBill, writeCard } from '../ledger/index.ts';
import { expectBand, type PriceBand } from '../planner/index.ts';
import { UsageError } from './exit-codes.ts';

export interface CostFlags {
  /** An hour of the machine: one price, or low/middle/high. */
  readonly price?: string;
  readonly currency?: string;
  readonly runs?: string;
  readonly charge?: string[];
  readonly save?: boolean;
  readonly card?: boolean;
  readonly json?: boolean;
}

/** Reads `0.05` or `0.02/0.05/0.1`. Throws UsageError or PlanError. */
function parsePrice(text: string, currency: string): PriceBand {
  const values = text.split('/').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  const isBand = (values.length === 1 || values.length === 3) && values.every(Number.isFinite);
  if (!isBand)
    throw new UsageError('--price', `expected a price of an hour, received ${text}`, 'as in 0.05, or 0.02/0.05/0.1');
  const [low, middle, high] = values.length === 1 ? [values[0], values[0], values[0]] : values;
  const date = new Date().toISOString().slice(0, 10);
  const band = { low, middle, high, currency, per: 'machine h', date, source: 'stated with --price' };
  expectBand('--price', band);
  return band;
}

function readPrice({ price, currency }: CostFlags): PriceBand | null {
  if (price !== undefined) return parsePrice(price, currency ?? 'USD');
  if (currency === undefined) return null;
  throw new UsageError('--currency', 'there are no exchange rates here', `add --price, an hour's price in ${currency}`);
}

export async function costCommand(path: string, flags: CostFlags): Promise<void> {
  if (!existsSync(path)) throw new UsageError(path, 'there is no such folder or file', 'name a run or a model');
  const beside = findRunsFolder(path) ?? (existsSync('runs') ? 'runs' : null);
  const { runs = beside, charge = [], save = false, card = false, json = false } = flags;
  const bill = await openBill(path, { runs, charge, price: readPrice(flags) });
  if (save) await bill.save();
  const { tree, totals, findings } = bill;
  if (json) console.log(JSON.stringify({ totals, tree, findings }, null, 2));
  else console.log(describeBillTree(bill).join('\n'));
  if (card) console.error(`written into ${writeCard(path, bill)}`);
}

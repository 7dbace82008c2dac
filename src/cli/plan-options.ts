// The options of `minke plan`: quantities with letters, key=value lists, and which option belongs to which plan.
import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import {
  type ApiPrice,
  type CacheFormat,
  expectAssumption,
  type Market,
  market,
  type OwnAssumptions,
  type Parallelism,
  PlanError,
  type PriceBand,
  type Recompute,
  readAmount,
  rentBand,
  type ScheduleName,
  scheduleNames,
  statedPrice,
  today,
  type WeightFormat,
  withRows,
} from '../planner/index.ts';

export const planNames = ['train', 'serve', 'rl', 'distill', 'claim', 'market'] as const;
export type PlanName = (typeof planNames)[number];

export interface PlanFlags {
  readonly tokens?: number;
  readonly context?: number;
  readonly device?: string;
  readonly devices?: number;
  readonly utilization?: number;
  readonly price?: number;
  readonly date?: string;
  readonly parallel?: string;
  readonly recompute?: Recompute;
  readonly batch?: number;
  readonly target?: string;
  readonly input?: number;
  readonly output?: number;
  readonly hits?: number;
  readonly acceptance?: number;
  readonly weights?: WeightFormat;
  readonly cache?: CacheFormat;
  readonly api?: string;
  readonly period?: ApiPrice['period'];
  readonly steps?: number;
  readonly questions?: number;
  readonly group?: number;
  readonly atOnce?: number;
  readonly withoutReference?: boolean;
  readonly teacher?: string;
  readonly examples?: number;
  readonly keep?: number;
  readonly epochs?: number;
  readonly prices?: 'launch' | 'today';
  readonly assume?: readonly string[];
  readonly compare?: readonly string[];
  readonly market?: string;
  readonly json?: boolean;
  readonly explain?: boolean;
}

const machine = ['device', 'devices', 'price', 'date'] as const;
const shown = ['market', 'json', 'explain'] as const;
const training = ['tokens', 'context', 'utilization', 'parallel', 'recompute', 'batch', 'target', 'compare'] as const;
const serving = [
  'input',
  'output',
  'hits',
  'acceptance',
  'weights',
  'cache',
  'batch',
  'api',
  'period',
  'compare',
] as const;
const rl = ['steps', 'questions', 'group', 'atOnce', 'withoutReference', 'input', 'output', 'compare'] as const;
const distillation = ['teacher', 'examples', 'keep', 'epochs', 'input', 'output', 'compare'] as const;

const allowed: Readonly<Record<PlanName, readonly (keyof PlanFlags)[]>> = {
  train: [...machine, ...training, ...shown],
  serve: [...machine, ...serving, ...shown],
  rl: [...machine, ...rl, ...shown],
  distill: [...machine, ...distillation, ...shown],
  claim: ['prices', 'assume', ...shown],
  market: ['market', 'json', 'date'],
};

/** Throws PlanError for an option that the plan would not use. */
export function expectUsed(what: PlanName, flags: PlanFlags): void {
  const known = allowed[what] as readonly string[];
  const unused = Object.keys(flags).find((name) => !known.includes(name));
  if (unused === undefined) return;
  const flag = `--${unused.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const others = planNames.filter((name) => (allowed[name] as readonly string[]).includes(unused));
  throw new PlanError(flag, `is not used by plan ${what}, but by ${others.join(', ')}`, 'leave it out');
}

/** Reads a quantity: 14.8T, 500M, 4096. Throws InvalidArgumentError. */
export function parseAmount(text: string): number {
  const value = readAmount(text);
  if (value !== null) return value;
  throw new InvalidArgumentError('Expected a number above 0, as in 14.8T, 500M, or 4096.');
}

/** Reads a list of key=value. */
function readPairs(flag: string, text: string): Map<string, string> {
  return new Map(
    text.split(',').map((pair) => {
      const [key, value, ...more] = pair.split('=');
      if (key && value && more.length === 0) return [key.trim(), value.trim()];
      throw new PlanError(flag, `${pair} is no key=value`, 'write it as in pp=16,ep=64');
    }),
  );
}

function readNumber(flag: string, text: string): number {
  const value = Number(text);
  if (text !== '' && Number.isFinite(value)) return value;
  throw new PlanError(flag, `${text} is no number`, 'correct it');
}

/** Reads how devices are divided: pp=16,tp=1,ep=64,schedule=dualpipe. */
export function readParallelism(text: string): Parallelism {
  const pairs = readPairs('--parallel', text);
  const known = ['pp', 'tp', 'ep', 'schedule'];
  for (const key of pairs.keys())
    if (!known.includes(key)) throw new PlanError('--parallel', `${key} is not known`, `use ${known.join(', ')}`);
  const number = (key: string) => readNumber('--parallel', pairs.get(key) ?? '1');
  const schedule = pairs.get('schedule') ?? '1f1b';
  if (!(scheduleNames as readonly string[]).includes(schedule))
    throw new PlanError('--parallel', `schedule ${schedule} is not known`, `use one of ${scheduleNames.join(', ')}`);
  return { pipeline: number('pp'), tensor: number('tp'), expert: number('ep'), schedule: schedule as ScheduleName };
}

export type Target = { readonly days: number } | { readonly money: number };

/** Reads what a plan is solved for: days=30, or money=1000000. */
export function readTarget(text: string): Target {
  const [[key, value] = ['', '']] = readPairs('--target', text);
  const number = readNumber('--target', value);
  if (key === 'days') return { days: number };
  if (key === 'money') return { money: number };
  throw new PlanError('--target', `${key} is not known`, 'use days=30 or money=1000000');
}

/** Reads assumptions: ablations=1.5, or a band people=50:100:200. */
export function readAssumptions(texts: readonly string[]): OwnAssumptions {
  const own: Record<string, number | { low: number; middle: number; high: number }> = {};
  for (const [name, value] of texts.flatMap((text) => [...readPairs('--assume', text)])) {
    expectAssumption(name);
    const numbers = value.split(':').map((part) => readNumber('--assume', part));
    if (numbers.length !== 1 && numbers.length !== 3)
      throw new PlanError(
        '--assume',
        `${value} is neither a number nor a band`,
        'write people=150 or people=50:150:300',
      );
    const [low, middle = low, high = low] = numbers;
    own[name] = { low, middle, high };
  }
  return own;
}

/** Returns the tables, with the rows of a user's file over them. */
export function readMarket(path: string | undefined): Market {
  if (path === undefined) return market;
  const text = readFileSync(path, 'utf8');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new PlanError(path, 'is no JSON', 'see minke plan market --json for the form');
  }
  return withRows(market, json, path);
}

/** Returns what an hour of a device costs: as stated, or as the table says; null: unknown. */
export function findPrice(rows: Market, device: string, { price, date = today }: PlanFlags): PriceBand | null {
  return price === undefined ? rentBand(rows, device, date) : statedPrice(price, 'USD', '2026', 'asked');
}

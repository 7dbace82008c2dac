// A figure: a quantity with its unit, and where it comes from: a source, or a formula over other figures.
//
// Contract: an unknown input makes an unknown result (null, never 0). A result is a band where what it rests on is one:
// each given figure goes to the end that lowers, or raises, the result, the same everywhere; exact where the result is
// monotone in each. It has the digits of its least precise input. NaN and infinity are refused by name.
import { type Band, expectBand, point } from './band.ts';
import { PlanError } from './errors.ts';

/** Counted, defined, or listed: as many digits as a double has. */
export const exact = 15;

export interface Figure {
  readonly name: string;
  /** Such as "USD", "GPU h", "FLOP/token", "share"; "" for a plain number. */
  readonly unit: string;
  /** null: unknown */
  readonly value: Band | null;
  /** Significant digits. */
  readonly digits: number;
  /** How it follows from its inputs, by their keys; "" for what is given. */
  readonly formula: string;
  readonly inputs: Readonly<Record<string, Figure>>;
  /** Where a given figure stands. */
  readonly source: string;
}

export interface Given {
  readonly unit?: string;
  readonly source: string;
  readonly digits?: number;
}

/** Returns a figure that is given: published, listed, or assumed. Throws PlanError for a negative one. */
export function given(name: string, value: number | Band | null, { unit = '', source, digits = exact }: Given): Figure {
  const band = typeof value === 'number' ? point(value) : value;
  if (band !== null) expectBand(name, band);
  return { name, unit, value: band, digits, formula: '', inputs: {}, source };
}

type Compute = (values: Record<string, number>) => number;
type Values<Inputs> = { readonly [Key in keyof Inputs]: number };

/** How each derived figure follows from its inputs. Apart, so that a figure is plain data. */
const computes = new WeakMap<Figure, Compute>();

/** Returns the figure that a formula gives. `formula` says in words what `compute` does with the inputs' keys. */
export function derive<Inputs extends Readonly<Record<string, Figure>>>(
  name: string,
  unit: string,
  formula: string,
  inputs: Inputs,
  compute: (values: Values<Inputs>) => number,
): Figure {
  const all = Object.values(inputs);
  const digits = Math.min(exact, ...all.map((input) => input.digits));
  const figure = { name, unit, value: null as Band | null, digits, formula, inputs, source: '' };
  computes.set(figure, compute as Compute);
  if (all.every(({ value }) => value !== null)) figure.value = findBand(figure);
  return figure;
}

/** Returns the same figure with another name, or with digits that are known better than those of its inputs. */
export function relabel(figure: Figure, changes: Partial<Pick<Figure, 'name' | 'digits' | 'unit'>>): Figure {
  const copy = { ...figure, ...changes };
  const compute = computes.get(figure);
  if (compute) computes.set(copy, compute);
  return copy;
}

type End = 'low' | 'middle' | 'high';

/** Evaluates a figure with each given one at the end that `choose` says. */
function evaluate(figure: Figure, choose: (leaf: Figure) => End, known = new Map<Figure, number>()): number {
  const before = known.get(figure);
  if (before !== undefined) return before;
  const compute = computes.get(figure);
  const values: Record<string, number> = {};
  for (const [key, input] of Object.entries(figure.inputs)) values[key] = evaluate(input, choose, known);
  const result = compute ? compute(values) : (figure.value?.[choose(figure)] ?? Number.NaN);
  if (!Number.isFinite(result)) {
    const received = Object.entries(values).map(([key, value]) => `${key} ${value}`);
    throw new PlanError(figure.name, `is no number with ${received.join(', ')}`, 'correct these quantities');
  }
  known.set(figure, result);
  return result;
}

/** Finds the given figures with a width that a figure rests on. */
function wideLeaves(figure: Figure, seen = new Set<Figure>()): Figure[] {
  if (seen.has(figure)) return [];
  seen.add(figure);
  if (computes.has(figure)) return Object.values(figure.inputs).flatMap((input) => wideLeaves(input, seen));
  return figure.value !== null && figure.value.low !== figure.value.high ? [figure] : [];
}

/** Moves each given figure to the end that lowers, and then raises, the result. */
function findBand(figure: Figure): Band {
  const middle = evaluate(figure, () => 'middle');
  const rising = new Map<Figure, boolean>();
  for (const leaf of wideLeaves(figure)) {
    const at = (end: End) => evaluate(figure, (each) => (each === leaf ? end : 'middle'));
    rising.set(leaf, at('high') >= at('low'));
  }
  const low = evaluate(figure, (leaf) => (rising.get(leaf) ? 'low' : 'high'));
  const high = evaluate(figure, (leaf) => (rising.get(leaf) ? 'high' : 'low'));
  return { low: Math.min(low, middle), middle, high: Math.max(high, middle) };
}

/** Returns the sum of figures of one unit; unknown where one of them is. */
export function total(name: string, parts: readonly Figure[]): Figure {
  const inputs = Object.fromEntries(parts.map((part) => [part.name, part]));
  return derive(name, parts[0].unit, parts.map((part) => part.name).join(' + '), inputs, (values) =>
    Object.values(values).reduce((sum, value) => sum + value, 0),
  );
}

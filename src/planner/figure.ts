// A figure: a quantity with its unit, and where it comes from: a source, or a formula over other figures.
//
// Contract: an unknown input makes an unknown result (null, never 0). A result is a band where an input is one: least
// and greatest value over all ends of the inputs' bands, exact where the formula is monotone in each of them. A result
// has the significant digits of its least precise input, and is never NaN or infinite: that is refused by name.
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

type Values<Inputs> = { readonly [Key in keyof Inputs]: number };

/** Every choice of an end for each input that has a width. */
function corners(bands: readonly (readonly [string, Band])[]): Record<string, number>[] {
  return bands.reduce<Record<string, number>[]>(
    (partial, [key, { low, high }]) =>
      (low === high ? [low] : [low, high]).flatMap((end) => partial.map((values) => ({ ...values, [key]: end }))),
    [{}],
  );
}

/** Returns the figure that a formula gives. `formula` says in words what `compute` does with the inputs' keys. */
export function derive<Inputs extends Readonly<Record<string, Figure>>>(
  name: string,
  unit: string,
  formula: string,
  inputs: Inputs,
  compute: (values: Values<Inputs>) => number,
): Figure {
  const bands: [string, Band][] = [];
  let digits = exact;
  for (const [key, { value, digits: own }] of Object.entries(inputs)) {
    digits = Math.min(digits, own);
    if (value !== null) bands.push([key, value]);
  }
  const isKnown = bands.length === Object.keys(inputs).length;
  return {
    name,
    unit,
    value: isKnown ? evaluate(name, bands, compute as Compute) : null,
    digits,
    formula,
    inputs,
    source: '',
  };
}

type Compute = (values: Record<string, number>) => number;

function evaluate(name: string, bands: readonly (readonly [string, Band])[], compute: Compute): Band {
  const at = (values: Record<string, number>) => {
    const result = compute(values);
    if (Number.isFinite(result)) return result;
    const inputs = Object.entries(values).map(([key, value]) => `${key} ${value}`);
    throw new PlanError(name, `is no number with ${inputs.join(', ')}`, 'correct these quantities');
  };
  const middle = at(Object.fromEntries(bands.map(([key, band]) => [key, band.middle])));
  const ends = corners(bands).map(at);
  return { low: Math.min(middle, ...ends), middle, high: Math.max(middle, ...ends) };
}

/** Returns the sum of figures of one unit; unknown where one of them is. */
export function total(name: string, parts: readonly Figure[]): Figure {
  const inputs = Object.fromEntries(parts.map((part) => [part.name, part]));
  return derive(name, parts[0].unit, parts.map((part) => part.name).join(' + '), inputs, (values) =>
    Object.values(values).reduce((sum, value) => sum + value, 0),
  );
}

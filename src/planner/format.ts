// Figures as people read them: no more digits than a figure has, a band with both of its ends, unknown as a word.
import type { Band } from './band.ts';
import { exact, type Figure } from './figure.ts';

/** Digits that a text shows at most; a JSON has all. */
const maxShown = 4;

const scales = [
  [1e12, 'T'],
  [1e9, 'B'],
  [1e6, 'M'],
  [1e3, 'K'],
] as const;

const rateScales = [
  [1e24, 'Y'],
  [1e21, 'Z'],
  [1e18, 'E'],
  [1e15, 'P'],
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const;

/** Formats with significant digits, plainly and with separators: 0.0816, 14.76, 2,788,000. */
function significant(value: number, digits: number): string {
  if (value === 0) return '0';
  const places = digits - 1 - Math.floor(Math.log10(Math.abs(value)));
  if (places > 0) return value.toFixed(Math.min(20, places));
  return Number(value.toPrecision(digits)).toLocaleString('en-US');
}

function scaled(
  value: number,
  digits: number,
  table: readonly (readonly [number, string])[],
): readonly [amount: string, letter: string] {
  // 999,960 with four digits is 1,000 K: rounding comes first.
  const rounded = Number(value.toPrecision(digits));
  const [size, letter] = table.find(([each]) => Math.abs(rounded) >= each) ?? [1, ''];
  return [significant(rounded / size, digits), letter] as const;
}

function duration(seconds: number, digits: number): string {
  if (seconds < 1e-3) return `${significant(seconds * 1e6, digits)} µs`;
  if (seconds < 1) return `${significant(seconds * 1e3, digits)} ms`;
  if (seconds < 5400) return `${significant(seconds, digits)} s`;
  return seconds < 172_800
    ? `${significant(seconds / 3600, digits)} h`
    : `${significant(seconds / 86_400, digits)} days`;
}

/** Formats one value of a unit: "$5.576M", "38.9 %", "250.5 GFLOP/token", "14.76 ms", "27.4x". */
export function formatValue(value: number, unit: string, digits = maxShown): string {
  const shown = Math.max(1, Math.min(digits, maxShown));
  if (digits === exact && Number.isInteger(value) && value < 1e5 && unit === '') return value.toLocaleString('en-US');
  if (unit === 'share') return `${significant(100 * value, shown)} %`;
  if (unit === 'x') return `${significant(value, shown)}x`;
  if (unit === 's') return duration(value, shown);
  if (/^(FLOP|B|Wh)\b/.test(unit)) {
    const [amount, letter] = scaled(value, shown, rateScales);
    return `${amount} ${letter}${unit}`;
  }
  const amount = scaled(value, shown, scales).join('');
  if (!/^[A-Z]{3}($|\/)/.test(unit)) return [amount, unit].filter((part) => part !== '').join(' ');
  const [currency, per = null] = unit.split('/');
  const text = currency === 'USD' ? `$${amount}` : `${amount} ${currency}`;
  return per === null ? text : `${text}/${per}`;
}

/** Formats a band: its middle, and its ends where they differ. */
export function formatBand({ low, middle, high }: Band, unit: string, digits = maxShown): string {
  const [a, b, c] = [low, middle, high].map((value) => formatValue(value, unit, digits));
  return a === c ? b : `${b} (${a} to ${c})`;
}

/** Formats a figure; "unknown" where it is. */
export function formatFigure({ value, unit, digits }: Figure): string {
  return value === null ? 'unknown' : formatBand(value, unit, digits);
}

const letters: Readonly<Record<string, number>> = { '': 1, K: 1e3, M: 1e6, B: 1e9, T: 1e12 };

/** Reads a quantity with a letter: 14.8T, 500M, 4096; null where the text is none, or not above 0. */
export function readAmount(text: string): number | null {
  const [, digits, letter] = /^([\d.]+(?:e\d+)?)([KMBT]?)$/i.exec(text.trim()) ?? [];
  const value = Number(digits) * letters[letter?.toUpperCase() ?? ''];
  return Number.isFinite(value) && value > 0 ? value : null;
}

// Written arithmetic, digit by digit from the right, with what is carried or borrowed.
//
// A line is `347+58: 7+8=15, 4+5+1=10, 3+1=4 -> 405`; a longer product takes a line for each digit and sums for what
// they make. `equate` writes each equation: exactly, or with the slips of a simulated worker. What it believes goes on
// into the next column.

/** A true equation, and the same equation with a part forgotten (a carry, for example). */
export interface Equation {
  readonly left: string;
  readonly value: number;
  readonly forgetful?: { readonly left: string; readonly value: number };
}

/** A text, and the value that it claims. */
export interface Written {
  readonly text: string;
  readonly value: number;
}

/** Writes an equation. `isPlausible` says which wrong values may be written. */
export type Equate = (equation: Equation, isPlausible?: (wrong: number) => boolean) => Written;

const exactly: Equate = ({ left, value }) => ({ text: `${left}=${value}`, value });

/** Digits from the right. */
const toDigits = (value: number): number[] => [...`${value}`].reverse().map(Number);

/** Writes a result column by column; each column is an equation whose tens are carried. */
function columns(head: string, count: number, column: (i: number, carry: number) => Written): Written {
  const texts: string[] = [];
  let digits = '';
  let carry = 0;
  for (let i = 0; i < count; i++) {
    const { text, value } = column(i, carry);
    texts.push(text);
    digits = `${value % 10}${digits}`;
    carry = Math.floor(value / 10);
  }
  const value = Number(`${carry}${digits}`);
  return { text: `${head}: ${texts.join(', ')} -> ${value}`, value };
}

const copied = (digit: number): Written => ({ text: `${digit}`, value: digit });

function withCarry(left: string, value: number, carry: number): Equation {
  return carry === 0 ? { left, value } : { left: `${left}+${carry}`, value: value + carry, forgetful: { left, value } };
}

export function addInColumns(x: number, y: number, equate = exactly): Written {
  const [a, b] = [toDigits(x), toDigits(y)];
  return columns(`${x}+${y}`, Math.max(a.length, b.length), (i, carry) => {
    const digits = [a[i], b[i]].filter((digit) => digit !== undefined);
    const sum = digits.reduce((total, digit) => total + digit, 0);
    return digits.length === 1 && carry === 0 ? copied(sum) : equate(withCarry(digits.join('+'), sum, carry));
  });
}

/** x is not less than y. */
export function subtractInColumns(x: number, y: number, equate = exactly): Written {
  const [a, b] = [toDigits(x), toDigits(y)] as [number[], (number | undefined)[]];
  let borrowed = 0;
  return columns(`${x}-${y}`, a.length, (i) => {
    const [bottom, borrow] = [b[i], borrowed];
    if (bottom === undefined && borrow === 0) return copied(a[i]);
    borrowed = a[i] < (bottom ?? 0) + borrow ? 1 : 0;
    const top = a[i] + 10 * borrowed;
    const full = { left: bottom === undefined ? `${top}` : `${top}-${bottom}`, value: top - (bottom ?? 0) };
    const isDigit = (digit: number) => digit >= 0 && digit <= 9;
    if (borrow === 0) return equate(full, isDigit);
    return equate({ left: `${full.left}-1`, value: full.value - 1, forgetful: full }, isDigit);
  });
}

/** A line of a product: its text, and what is said when it is shifted to its place. */
export interface ProductLine {
  readonly text: string;
  readonly shifted?: string;
}

/** Yields the lines of a product of whole numbers from 0. Returns the value that the last one claims. */
export function* multiplyInColumns(x: number, y: number, equate = exactly): Generator<ProductLine, number> {
  const a = toDigits(x);
  let total: number | null = null;
  for (const [place, digit] of toDigits(y).entries()) {
    if (digit === 0) continue;
    const { text, value } = columns(`${x}*${digit}`, a.length, (i, carry) =>
      equate(withCarry(`${a[i]}*${digit}`, a[i] * digit, carry)),
    );
    const part = value * 10 ** place;
    yield place > 0 ? { text, shifted: `so ${part}` } : { text };
    if (total === null) total = part;
    else {
      const sum = addInColumns(part, total, equate);
      yield { text: sum.text };
      total = sum.value;
    }
  }
  return total ?? 0;
}

/** The steps of a sum, a difference, or a product of whole numbers from 0, all of them true. */
export function computeInColumns(x: number, operator: '+' | '-' | '*', y: number): string[] {
  if (operator === '+') return [addInColumns(x, y).text];
  if (operator === '*') {
    const lines = [...multiplyInColumns(x, y)].map(({ text, shifted }) => (shifted ? `${text} ${shifted}` : text));
    return lines.length === 0 ? [`${x}*${y}=0`] : lines;
  }
  if (x >= y) return [subtractInColumns(x, y).text];
  return [`${x}-${y} less than 0`, subtractInColumns(y, x).text, `so ${x - y}`];
}

/** A quotient, what is left over, and the line that finds them: `405/9: 40-9*4=4, 45-9*5=0 -> 45`. */
export interface Quotient {
  readonly text: string;
  readonly value: number;
  readonly rest: number;
}

/** Divides whole numbers digit by digit from the left; each equation takes a multiple away. */
export function divideInColumns(x: number, y: number): Quotient {
  const texts: string[] = [];
  let [value, rest] = [0, 0];
  for (const digit of `${x}`) {
    const current = 10 * rest + Number(digit);
    const times = Math.floor(current / y);
    value = 10 * value + times;
    rest = current - y * times;
    if (value > 0) texts.push(`${current}-${y}*${times}=${rest}`);
  }
  if (value === 0) texts.push(`${x}-${y}*0=${x}`);
  return { text: `${x}/${y}: ${texts.join(', ')} -> ${value}${rest === 0 ? '' : ` rest ${rest}`}`, value, rest };
}

/** Euclid's algorithm: each equation takes a multiple of the smaller number from the larger, until nothing is left. */
export function findDivisor(x: number, y: number): Written {
  let [large, little] = x > y ? [x, y] : [y, x];
  const texts: string[] = [];
  while (little > 0) {
    const times = Math.floor(large / little);
    texts.push(`${large}-${little}*${times}=${large - little * times}`);
    [large, little] = [little, large - little * times];
  }
  return { text: `${texts.join(', ')} so ${large}`, value: large };
}

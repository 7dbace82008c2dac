// Exact fractions of whole numbers, in lowest terms, with a positive denominator.

export interface Rational {
  readonly top: bigint;
  readonly bottom: bigint;
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? (a < 0n ? -a : a) : gcd(b, a % b);
}

/** Returns top / bottom; null where bottom is 0. */
export function rational(top: bigint | number, bottom: bigint | number = 1n): Rational | null {
  const [a, b] = [BigInt(top), BigInt(bottom)];
  if (b === 0n) return null;
  const shared = gcd(a, b) * (b < 0n ? -1n : 1n);
  return { top: a / shared, bottom: b / shared };
}

export type Operator = '+' | '-' | '*' | '/';

/** Returns x op y; null for a division by 0. */
export function combine(x: Rational, operator: Operator, y: Rational): Rational | null {
  switch (operator) {
    case '+':
      return rational(x.top * y.bottom + y.top * x.bottom, x.bottom * y.bottom);
    case '-':
      return rational(x.top * y.bottom - y.top * x.bottom, x.bottom * y.bottom);
    case '*':
      return rational(x.top * y.top, x.bottom * y.bottom);
    case '/':
      return rational(x.top * y.bottom, x.bottom * y.top);
  }
}

export function equals(x: Rational, y: Rational): boolean {
  return x.top === y.top && x.bottom === y.bottom;
}

export function formatRational({ top, bottom }: Rational): string {
  return bottom === 1n ? `${top}` : `${top}/${bottom}`;
}

// Numbers as people write them, read and compared exactly: 1,234 = 1234 = 1234.0 = $1,234, and 3/4 = 0.75.
//
// Contract: never throws, takes time proportional to the text, refuses texts beyond 60 characters. A leading dollar
// sign and a trailing percent sign are units and are ignored. Left out on purpose: exponents, hexadecimal, words, other
// units and digits of other scripts, because an answer that needs a guess is no answer.
import { equals, type Rational, rational } from './rational.ts';
import type { Verdict } from './task.ts';

const maxLength = 60;
const whole = String.raw`(?:\d{1,3}(?:,\d{3})+|\d+)`;
const decimal = new RegExp(String.raw`^([-−]?)\$?(${whole})(?:\.(\d*))?%?$`);
const fraction = new RegExp(`^([-−]?)(${whole}) ?/ ?(${whole})$`);

const toBigInt = (text: string): bigint => BigInt(text.replaceAll(',', ''));

/** Returns the number; null where the text is none. */
export function readNumber(text: string): Rational | null {
  const trimmed = text.trim();
  if (trimmed.length > maxLength) return null;
  const [, minus, before, after = ''] = decimal.exec(trimmed) ?? [];
  if (before !== undefined) {
    const top = toBigInt(before) * 10n ** BigInt(after.length) + BigInt(after === '' ? 0 : after);
    return rational(minus === '' ? top : -top, 10n ** BigInt(after.length));
  }
  const [, sign, top, bottom] = fraction.exec(trimmed) ?? [];
  if (top === undefined || bottom === undefined) return null;
  return rational(sign === '' ? toBigInt(top) : -toBigInt(top), toBigInt(bottom));
}

/** Compares exactly; `truth` is a number as text. */
export function gradeNumber(truth: string, answer: string): Verdict {
  const read = readNumber(answer);
  if (read === null) return { correct: false, reason: 'the answer is not one number' };
  const correct = equals(read, readNumber(truth) as Rational);
  return { correct, reason: correct ? `it is ${truth}` : `it says ${answer.trim()}` };
}

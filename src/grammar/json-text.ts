// JSON texts as rules: white space, strings, numbers, any value.
//
// White space is what people and models write: a space, or a line break and its indentation, so that no answer is lost
// in blanks. Numbers stay in what a double holds exactly enough.
import { type AnchoredPattern, type Pattern, readPattern } from './regex.ts';
import {
  characters,
  choice,
  complement,
  type Expression,
  empty,
  intersect,
  optional,
  type Range,
  repeat,
  rule,
  sequence,
  text,
} from './rules.ts';

const one = (c: string): Range => [c.codePointAt(0) as number, c.codePointAt(0) as number];
const hex: readonly Range[] = [
  [0x30, 0x39],
  [0x41, 0x46],
  [0x61, 0x66],
];
const digit = characters([[0x30, 0x39]]);
const escaped: readonly Range[] = [one('"'), one('\\'), [0, 0x1f]];

/** A code point as it stands in a JSON string. */
const plainCharacter = characters(complement(escaped));

/** Half of a surrogate pair is not written: it is no character. */
const unicodeEscape = sequence(
  text('\\u'),
  choice(
    sequence(
      characters([
        [0x30, 0x39],
        [0x41, 0x43],
        [0x45, 0x46],
        [0x61, 0x63],
        [0x65, 0x66],
      ]),
      repeat(characters(hex), 3, 3),
    ),
    sequence(characters([one('d'), one('D')]), characters([[0x30, 0x37]]), repeat(characters(hex), 2, 2)),
  ),
);

export function member(key: Expression, value: Expression): Expression {
  return sequence(key, rule('ws'), text(':'), rule('ws'), value);
}

/** A separator between elements. */
export const comma = sequence(rule('ws'), text(','), rule('ws'));

/** Elements between brackets, from `min` to `max` of them. */
export function list(open: string, item: Expression, close: string, min: number, max: number | null): Expression {
  const more = repeat(sequence(comma, item), Math.max(0, min - 1), max === null ? null : max - 1);
  const some = sequence(rule('ws'), item, more);
  const inside = max === 0 ? empty : min === 0 ? optional(some) : some;
  return sequence(text(open), inside, rule('ws'), text(close));
}

/** Rules that every JSON grammar has. */
export const jsonRules: ReadonlyMap<string, Expression> = new Map([
  ['ws', optional(choice(text(' '), sequence(text('\n'), repeat(characters([one(' '), one('\t')]), 0, 16))))],
  ['character', choice(plainCharacter, sequence(text('\\'), characters([...'"\\/bfnrt'].map(one))), unicodeEscape)],
  ['string', sequence(text('"'), repeat(rule('character'), 0, null), text('"'))],
  ['integer', sequence(optional(text('-')), rule('whole'))],
  ['whole', choice(text('0'), sequence(characters([[0x31, 0x39]]), repeat(digit, 0, 15)))],
  [
    'number',
    sequence(
      rule('integer'),
      optional(sequence(text('.'), repeat(digit, 1, 16))),
      optional(
        sequence(characters([one('e'), one('E')]), optional(characters([one('+'), one('-')])), repeat(digit, 1, 2)),
      ),
    ),
  ],
  ['boolean', choice(text('true'), text('false'))],
  ['value', choice(rule('string'), rule('number'), rule('boolean'), text('null'), rule('array'), rule('object'))],
  ['array', list('[', rule('value'), ']', 0, null)],
  ['object', list('{', member(rule('string'), rule('value')), '}', 0, null)],
]);

/** Characters of a string, in the JSON text of it. */
function encodeCharacters(ranges: readonly Range[]): Expression {
  const controls = intersect(ranges, [[0, 0x1f]]).flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i),
  );
  const has = (c: string) => intersect(ranges, [one(c)]).length > 0;
  return choice(
    characters(intersect(ranges, complement(escaped))),
    ...['"', '\\'].filter(has).map((c) => text(`\\${c}`)),
    ...controls.map((point) => text(JSON.stringify(String.fromCodePoint(point)).slice(1, -1))),
  );
}

/** Turns rules for strings into rules for their JSON texts. */
export function encodeStrings(expression: Expression): Expression {
  if (expression.type === 'text') return text(JSON.stringify(expression.text).slice(1, -1));
  if (expression.type === 'characters') return encodeCharacters(expression.ranges);
  if (expression.type === 'sequence') return sequence(...expression.items.map(encodeStrings));
  if (expression.type === 'choice') return choice(...expression.items.map(encodeStrings));
  if (expression.type === 'repeat') return repeat(encodeStrings(expression.item), expression.min, expression.max);
  return expression;
}

/** Returns the fewest and the most characters of texts that rules without names match; null: no limit. */
export function lengthBounds(expression: Expression): [min: number, max: number | null] {
  if (expression.type === 'text') return [[...expression.text].length, [...expression.text].length];
  if (expression.type === 'characters') return [1, 1];
  if (expression.type === 'repeat') {
    const [min, max] = lengthBounds(expression.item);
    return [min * expression.min, max === null || expression.max === null ? null : max * expression.max];
  }
  if (expression.type !== 'sequence' && expression.type !== 'choice') return [0, null];
  const bounds = expression.items.map(lengthBounds);
  const most = bounds.map(([, max]) => max);
  const hasMost = most.every((max) => max !== null);
  if (expression.type === 'sequence')
    return [bounds.reduce((sum, [min]) => sum + min, 0), hasMost ? most.reduce((a, b) => a + b, 0) : null];
  return [Math.min(...bounds.map(([min]) => min)), hasMost ? Math.max(...most) : null];
}

/** A whole text that a pattern matches; `any`: what may stand before and after one without anchors. */
export function matchPattern(pattern: string, any: Expression): Expression {
  const whole = ({ expression, fromStart, toEnd }: AnchoredPattern) =>
    sequence(fromStart ? empty : any, expression, toEnd ? empty : any);
  const { alternatives }: Pattern = readPattern(pattern);
  return choice(...alternatives.map(whole));
}

// Context-free grammars as data: what schemas, patterns, and grammars of users become, and what masks are made from.
//
// Characters are code points. `none` matches nothing. A dispatch is any text, until one of certain beginnings: what
// follows it is a text of its rule, and the end. Sizes are limited here, because masks are compiled from expanded
// repetitions.
import { GrammarError } from './errors.ts';

/** Code points from and to, inclusive. */
export type Range = readonly [from: number, to: number];

export type Expression =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'characters'; readonly ranges: readonly Range[] }
  | { readonly type: 'sequence' | 'choice'; readonly items: readonly Expression[] }
  /** max: null for any number. */
  | { readonly type: 'repeat'; readonly item: Expression; readonly min: number; readonly max: number | null }
  | { readonly type: 'rule'; readonly name: string }
  | { readonly type: 'dispatch'; readonly tags: readonly Tag[] };

/** A beginning in free text, and the rule of what must follow it. */
export interface Tag {
  readonly begin: string;
  readonly rule: string;
}

/** Rules by name; a text of the grammar is one of the rule `root`. */
export type Rules = ReadonlyMap<string, Expression>;

export const none: Expression = { type: 'choice', items: [] };
export const empty: Expression = { type: 'text', text: '' };
export const text = (value: string): Expression => (value === '' ? empty : { type: 'text', text: value });
export const rule = (name: string): Expression => ({ type: 'rule', name });

export function sequence(...items: readonly Expression[]): Expression {
  if (items.includes(none)) return none;
  const rest = items.filter((item) => item !== empty);
  return rest.length === 0 ? empty : rest.length === 1 ? rest[0] : { type: 'sequence', items: rest };
}

export function choice(...items: readonly Expression[]): Expression {
  const rest = items.filter((item) => item !== none);
  return rest.length === 0 ? none : rest.length === 1 ? rest[0] : { type: 'choice', items: rest };
}

export function repeat(item: Expression, min: number, max: number | null): Expression {
  if (item === none) return min === 0 ? empty : none;
  if (max === 0) return empty;
  return min === 1 && max === 1 ? item : { type: 'repeat', item, min, max };
}

export const optional = (item: Expression): Expression => repeat(item, 0, 1);

const maxCodePoint = 0x10ffff;
/** UTF-8 has no halves of surrogate pairs. */
const surrogates: Range = [0xd800, 0xdfff];

/** Sorts and joins ranges. */
function joined(ranges: readonly Range[]): Range[] {
  const out: [number, number][] = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else out.push([from, to]);
  }
  return out;
}

/** Returns all code points that are not in the ranges. */
export function complement(ranges: readonly Range[]): Range[] {
  const out: Range[] = [];
  let from = 0;
  for (const [start, end] of joined([...ranges, surrogates])) {
    if (start > from) out.push([from, start - 1]);
    from = end + 1;
  }
  if (from <= maxCodePoint) out.push([from, maxCodePoint]);
  return out;
}

/** Returns the code points of both. */
export const intersect = (a: readonly Range[], b: readonly Range[]): Range[] =>
  complement([...complement(a), ...complement(b)]);

const ascii: readonly Range[] = [[0, 0x7f]];
/** All characters beyond ASCII. */
export const beyondAscii: readonly Range[] = complement(ascii);
/** Characters beyond ASCII that are written one by one. */
const maxListed = 512;

/**
 * Characters of the ranges; none if there are none. Beyond ASCII all, or a few: XGrammar 0.1.27 takes wrong characters
 * for other ranges (masks.test.ts). Throws GrammarError.
 */
export function characters(ranges: readonly Range[]): Expression {
  const others = intersect(ranges, beyondAscii);
  const count = others.reduce((sum, [from, to]) => sum + to - from + 1, 0);
  const isAll = complement([...others, ...ascii]).length === 0;
  if (count > maxListed && !isAll)
    throw new GrammarError(
      `a class has ${count} characters beyond ASCII: it can have all of them, or at most ${maxListed}`,
    );
  const own = intersect(ranges, isAll ? [[0, maxCodePoint]] : ascii);
  const listed = isAll ? [] : others.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
  return choice(
    own.length === 0 ? none : { type: 'characters', ranges: own },
    ...listed.map((point) => text(String.fromCodePoint(point))),
  );
}

const maxRules = 4000;
/** The size of all rules with repetitions written out. */
const maxSize = 60_000;

function measure(expression: Expression): number {
  if (expression.type === 'sequence' || expression.type === 'choice')
    return 1 + expression.items.reduce((sum, item) => sum + measure(item), 0);
  if (expression.type === 'repeat')
    return 1 + measure(expression.item) * Math.max(1, expression.max ?? expression.min + 1);
  return expression.type === 'text' ? 1 + expression.text.length / 4 : 1;
}

/** Throws GrammarError for rules that are too large to be compiled in reasonable time. */
export function checkSize(rules: Rules): void {
  let size = 0;
  for (const expression of rules.values()) size += measure(expression);
  if (rules.size <= maxRules && size <= maxSize) return;
  const limits = `at most ${maxRules} rules and ${maxSize} parts with repetitions written out`;
  throw new GrammarError(`it is too large (${rules.size} rules, ${Math.ceil(size)} parts): ${limits}; make it smaller`);
}

/** Removes what no text can match, so that no answer runs into a dead end. `root` is absent if nothing is left. */
export function prune(rules: Rules): Map<string, Expression> {
  const productive = new Set<string>();
  const isProductive = (expression: Expression): boolean => {
    if (expression.type === 'rule') return productive.has(expression.name);
    if (expression.type === 'sequence') return expression.items.every(isProductive);
    if (expression.type === 'choice') return expression.items.some(isProductive);
    if (expression.type === 'repeat') return expression.min === 0 || isProductive(expression.item);
    return true;
  };
  for (let before = -1; before < productive.size; ) {
    before = productive.size;
    for (const [name, expression] of rules) if (isProductive(expression)) productive.add(name);
  }
  const clean = (expression: Expression): Expression => {
    if (!isProductive(expression)) return none;
    if (expression.type === 'sequence') return sequence(...expression.items.map(clean));
    if (expression.type === 'choice') return choice(...expression.items.map(clean));
    if (expression.type === 'repeat') return repeat(clean(expression.item), expression.min, expression.max);
    return expression;
  };
  const pruned = [...rules].map(([name, expression]) => [name, clean(expression)] as const);
  return new Map(pruned.filter(([name]) => productive.has(name)));
}

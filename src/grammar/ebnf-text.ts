// Rules as a text in the notation of XGrammar, which compiles them.
import { beyondAscii, complement, type Expression, type Range, type Rules } from './rules.ts';

const code = (point: number): string => `\\U${point.toString(16).toUpperCase().padStart(8, '0')}`;

/** Letters and digits stand for themselves; all else is escaped, so that nothing has a meaning of its own. */
const escaped = (value: string): string =>
  [...value].map((c) => (/[A-Za-z0-9 ]/.test(c) ? c : code(c.codePointAt(0) as number))).join('');

const writeRanges = (ranges: readonly Range[]) =>
  ranges.map(([from, to]) => (from === to ? code(from) : `${code(from)}-${code(to)}`)).join('');

/** Characters beyond ASCII are there all or not at all: as what is not excluded. */
function writeClass(ranges: readonly Range[]): string {
  const hasOthers = ranges.some(([, to]) => to > 0x7f);
  if (!hasOthers) return `[${writeRanges(ranges)}]`;
  const excluded = complement([...ranges, ...beyondAscii]);
  // A class that excludes nothing has no notation: NUL, which no text has, is left out.
  return `[^${excluded.length === 0 ? code(0) : writeRanges(excluded)}]`;
}

function write(expression: Expression): string {
  switch (expression.type) {
    case 'text':
      return `"${escaped(expression.text)}"`;
    case 'characters':
      return writeClass(expression.ranges);
    case 'sequence':
      return `(${expression.items.map(write).join(' ')})`;
    case 'choice':
      return `(${expression.items.map(write).join(' | ')})`;
    case 'repeat': {
      const { item, min, max } = expression;
      if (max === null && min <= 1) return `(${write(item)})${min === 0 ? '*' : '+'}`;
      return min === 0 && max === 1 ? `(${write(item)})?` : `(${write(item)}){${min},${max ?? ''}}`;
    }
    case 'rule':
      return expression.name;
    case 'dispatch': {
      const tags = expression.tags.map(({ begin, rule }) => `("${escaped(begin)}", ${rule})`).join(', ');
      return `TagDispatch(${tags}, stop_eos=true, stop_str=(), loop_after_dispatch=false)`;
    }
  }
}

/** Writes rules, `root` first. */
export function toEbnf(rules: Rules): string {
  const root = rules.get('root');
  const rest = [...rules].filter(([name]) => name !== 'root');
  const all = root === undefined ? rest : [['root', root] as const, ...rest];
  return all.map(([name, expression]) => `${name} ::= ${write(expression)}\n`).join('');
}

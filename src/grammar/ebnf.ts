// Grammars of users as rules: EBNF as in XGrammar and vLLM, and llama.cpp's GBNF.
//
// A rule is `name ::= expression`; expressions have "texts", [classes], groups, alternatives, `.`, and the repetitions
// * + ? {m} {m,} {m,n}; # begins a comment. Refused: a rule that begins with itself, which no text would end.
import { GrammarError } from './errors.ts';
import {
  characters,
  checkSize,
  choice,
  complement,
  type Expression,
  prune,
  type Range,
  type Rules,
  repeat,
  rule,
  sequence,
  text,
} from './rules.ts';

interface Lexeme {
  readonly kind: 'name' | 'text' | 'class' | 'bounds' | 'mark';
  readonly text: string;
  readonly line: number;
}

const patterns: readonly (readonly [Lexeme['kind'] | null, RegExp])[] = [
  [null, /[ \t\r\n]+|#[^\n]*/y],
  ['mark', /::=|[()|*+?.]/y],
  ['bounds', /\{\s*\d{1,6}\s*(?:,\s*\d{0,6}\s*)?\}/y],
  ['name', /[A-Za-z_][A-Za-z0-9_.-]*/y],
  ['text', /"(?:[^"\\\n]|\\.)*"/y],
  ['class', /\[(?:[^\]\\\n]|\\.)*\]/y],
];

const maxLength = 200_000;

function split(grammar: string): Lexeme[] {
  if (grammar.length > maxLength)
    throw new GrammarError(`the grammar has more than ${maxLength} characters: write a shorter one`);
  const lexemes: Lexeme[] = [];
  for (let at = 0, line = 1; at < grammar.length; ) {
    const found = patterns.flatMap(([kind, pattern]) => {
      pattern.lastIndex = at;
      const match = pattern.exec(grammar);
      return match ? [{ kind, text: match[0] }] : [];
    })[0];
    if (found === undefined)
      throw new GrammarError(`line ${line} of the grammar: ${JSON.stringify(grammar[at])} has no place here`);
    if (found.kind !== null) lexemes.push({ kind: found.kind, text: found.text, line });
    line += found.text.split('\n').length - 1;
    at += found.text.length;
  }
  return lexemes;
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', 0: '\0' };

/** Returns the code points of a text or class, and which of them were escaped. */
function readEscapes(source: string, line: number): { readonly point: number; readonly isEscaped: boolean }[] {
  const units = source.matchAll(/\\x([0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|\\(.)|([^\\])/gsu);
  return [...units].map(([, x, u, U, other, plain]) => {
    const hex = x ?? u ?? U;
    if (hex === undefined && other !== undefined && /[a-zA-Z0-9]/.test(other) && !Object.hasOwn(escapes, other))
      throw new GrammarError(`line ${line} of the grammar: \\${other} is not supported`);
    const point = hex === undefined ? (plain ?? escapes[other] ?? other).codePointAt(0) : Number.parseInt(hex, 16);
    if (point === undefined || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
      throw new GrammarError(`line ${line} of the grammar: \\${hex} is no character`);
    return { point, isEscaped: plain === undefined };
  });
}

function readClass(source: string, line: number): Expression {
  const isNegated = source[1] === '^';
  const units = readEscapes(source.slice(isNegated ? 2 : 1, -1), line);
  const ranges: Range[] = [];
  for (let i = 0; i < units.length; i++) {
    const from = units[i].point;
    const isRange = units[i + 1]?.point === 0x2d && !units[i + 1].isEscaped && i + 2 < units.length;
    const to = isRange ? units[i + 2].point : from;
    if (to < from) throw new GrammarError(`line ${line} of the grammar: a range of a class is not in order`);
    ranges.push([from, to]);
    if (isRange) i += 2;
  }
  return characters(isNegated ? complement(ranges) : ranges);
}

const maxRepeat = 20_000;
const maxDepth = 200;

class EbnfReader {
  readonly #lexemes: readonly Lexeme[];
  #at = 0;
  #depth = 0;

  constructor(lexemes: readonly Lexeme[]) {
    this.#lexemes = lexemes;
  }

  read(): Map<string, Expression> {
    const rules = new Map<string, Expression>();
    while (this.#at < this.#lexemes.length) {
      const { kind, text: name } = this.#next();
      if (kind !== 'name' || !this.#take('::=')) this.#refuse(`expected a rule such as name ::= "text"`);
      if (rules.has(name)) this.#refuse(`rule ${name} is defined twice`);
      rules.set(name, this.#choice());
    }
    return rules;
  }

  #refuse(problem: string): never {
    const { line = 1 } = this.#lexemes[Math.min(this.#at, this.#lexemes.length) - 1] ?? {};
    throw new GrammarError(`line ${line} of the grammar: ${problem}`);
  }

  #next(): Lexeme {
    const found = this.#lexemes[this.#at++];
    if (found === undefined) this.#refuse('it ends too early');
    return found;
  }

  #take(mark: string): boolean {
    const { kind, text: found } = this.#lexemes[this.#at] ?? {};
    if (kind !== 'mark' || found !== mark) return false;
    this.#at++;
    return true;
  }

  #choice(): Expression {
    if (++this.#depth > maxDepth) this.#refuse(`it has more than ${maxDepth} groups in each other`);
    const items = [this.#sequence()];
    while (this.#take('|')) items.push(this.#sequence());
    this.#depth--;
    return choice(...items);
  }

  #sequence(): Expression {
    const items: Expression[] = [];
    for (;;) {
      const lexeme = this.#lexemes[this.#at];
      const isEnd = lexeme === undefined || (lexeme.kind === 'mark' && ['|', ')'].includes(lexeme.text));
      const isRule = lexeme?.kind === 'name' && this.#lexemes[this.#at + 1]?.text === '::=';
      if (isEnd || isRule) return sequence(...items);
      items.push(this.#repeated(this.#atom()));
    }
  }

  #repeated(item: Expression): Expression {
    if (this.#take('*')) return this.#repeated(repeat(item, 0, null));
    if (this.#take('+')) return this.#repeated(repeat(item, 1, null));
    if (this.#take('?')) return this.#repeated(repeat(item, 0, 1));
    if (this.#lexemes[this.#at]?.kind !== 'bounds') return item;
    const [from, to] = this.#next().text.slice(1, -1).split(',');
    const min = Number(from);
    const max = to === undefined ? min : to.trim() === '' ? null : Number(to);
    if (min > maxRepeat || (max ?? 0) > maxRepeat) this.#refuse(`a repetition is above ${maxRepeat}`);
    if (max !== null && max < min) this.#refuse('a repetition ends before it begins');
    return this.#repeated(repeat(item, min, max));
  }

  #atom(): Expression {
    const { kind, text: found, line } = this.#next();
    if (kind === 'name') return rule(found);
    if (kind === 'class') return readClass(found, line);
    if (kind === 'text') {
      const points = readEscapes(found.slice(1, -1), line).map(({ point }) => point);
      return text(String.fromCodePoint(...points));
    }
    if (found === '.') return characters(complement([[0x0a, 0x0a]]));
    if (found !== '(') return this.#refuse(`${found} has no place here`);
    const inside = this.#choice();
    if (!this.#take(')')) this.#refuse('a group does not end');
    return inside;
  }
}

/** Lists the rules that an expression may begin with. */
function beginnings(expression: Expression, isEmpty: (each: Expression) => boolean): string[] {
  if (expression.type === 'rule') return [expression.name];
  if (expression.type === 'repeat') return beginnings(expression.item, isEmpty);
  if (expression.type === 'choice') return expression.items.flatMap((item) => beginnings(item, isEmpty));
  if (expression.type !== 'sequence') return [];
  const end = expression.items.findIndex((item) => !isEmpty(item));
  const first = end < 0 ? expression.items : expression.items.slice(0, end + 1);
  return first.flatMap((item) => beginnings(item, isEmpty));
}

/** Returns a function that tells whether an expression may match nothing. */
function emptyExpressions(rules: Rules): (expression: Expression) => boolean {
  const known = new Set<string>();
  const isEmpty = (expression: Expression): boolean => {
    if (expression.type === 'rule') return known.has(expression.name);
    if (expression.type === 'text') return expression.text === '';
    if (expression.type === 'repeat') return expression.min === 0 || isEmpty(expression.item);
    if (expression.type === 'sequence') return expression.items.every(isEmpty);
    return expression.type === 'choice' && expression.items.some(isEmpty);
  };
  for (let before = -1; before < known.size; ) {
    before = known.size;
    for (const [name, expression] of rules) if (isEmpty(expression)) known.add(name);
  }
  return isEmpty;
}

function refuseLeftRecursion(rules: Rules): void {
  const isEmpty = emptyExpressions(rules);
  const state = new Map<string, 'open' | 'done'>();
  const visit = (name: string): void => {
    if (state.get(name) === 'done') return;
    if (state.get(name) === 'open')
      throw new GrammarError(`rule ${name} of the grammar begins with itself: use a repetition`);
    state.set(name, 'open');
    for (const next of beginnings(rules.get(name) as Expression, isEmpty)) visit(next);
    state.set(name, 'done');
  };
  for (const name of rules.keys()) visit(name);
}

function namesIn(expression: Expression): string[] {
  if (expression.type === 'rule') return [expression.name];
  if (expression.type === 'repeat') return namesIn(expression.item);
  return expression.type === 'sequence' || expression.type === 'choice' ? expression.items.flatMap(namesIn) : [];
}

/** Reads a grammar. Throws GrammarError with the line. Its rules get names of ours, but for `root`. */
export function readGrammar(grammar: string): Rules {
  const rules = new EbnfReader(split(grammar)).read();
  if (!rules.has('root')) throw new GrammarError('the grammar has no rule root: name the first one root ::= ...');
  for (const [name, expression] of rules)
    for (const used of namesIn(expression))
      if (!rules.has(used)) throw new GrammarError(`rule ${name} of the grammar uses ${used}, which is not defined`);
  checkSize(rules);
  refuseLeftRecursion(rules);
  const pruned = prune(rules);
  if (!pruned.has('root')) throw new GrammarError('no text of the grammar ever ends: give its rules an end');
  return renamed(pruned);
}

/** Names of users may be words of the notation, or have characters that it does not. */
function renamed(rules: Rules): Rules {
  const names = new Map([...rules.keys()].map((name, i) => [name, name === 'root' ? name : `rule_${i}`]));
  const rename = (expression: Expression): Expression => {
    if (expression.type === 'rule') return rule(names.get(expression.name) as string);
    if (expression.type === 'repeat') return repeat(rename(expression.item), expression.min, expression.max);
    if (expression.type === 'sequence') return sequence(...expression.items.map(rename));
    return expression.type === 'choice' ? choice(...expression.items.map(rename)) : expression;
  };
  return new Map([...rules].map(([name, expression]) => [names.get(name) as string, rename(expression)]));
}

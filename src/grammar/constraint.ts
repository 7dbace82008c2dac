// What an answer must be, as data; and its rules.
import { readGrammar } from './ebnf.ts';
import { GrammarError } from './errors.ts';
import type { JsonSchema } from './json-schema.ts';
import { jsonRules, matchPattern } from './json-text.ts';
import { checkSize, choice, type Expression, empty, prune, type Rules, rule, sequence, text } from './rules.ts';
import { schemaRules } from './schema-rules.ts';

export type Constraint =
  /** Any JSON object. */
  | { readonly kind: 'object' }
  /** JSON that is valid against a schema, of draft 2020-12 or 7. */
  | { readonly kind: 'schema'; readonly schema: JsonSchema }
  /** A text that the whole pattern matches. */
  | { readonly kind: 'regex'; readonly pattern: string }
  /** One of several texts. */
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  /** A text of the rule `root` of a grammar in EBNF or llama.cpp's GBNF. */
  | { readonly kind: 'grammar'; readonly text: string }
  | CallConstraint;

/** Calls of functions in the syntax of a model. */
export interface CallConstraint {
  readonly kind: 'calls';
  readonly syntax: CallSyntax;
  readonly functions: readonly CallableFunction[];
  /** Whether the answer is calls and nothing else. */
  readonly isRequired: boolean;
  /** Whether there may be several calls. */
  readonly isParallel: boolean;
  /** What an answer without calls must be, where it may have none; null: any text. */
  readonly otherwise: Constraint | null;
}

/** A function and the schema of its arguments, an object. */
export interface CallableFunction {
  readonly name: string;
  readonly schema: JsonSchema;
  /** Whether a schema that cannot be enforced is refused; else its arguments are any object then. */
  readonly isStrict: boolean;
}

/** How a model writes calls: `open` (never empty, it announces them), calls with `between` them, `close`. */
export interface CallSyntax {
  readonly open: string;
  readonly between: string;
  readonly close: string;
  /** The text before and after the name, and after the arguments. */
  readonly beforeName: string;
  readonly afterName: string;
  readonly afterArguments: string;
}

/** Copies rules under new names, and returns the expression of their root. */
function embed(rules: Rules, prefix: string, into: Map<string, Expression>): Expression {
  const rename = (expression: Expression): Expression => {
    if (expression.type === 'rule') return rule(prefix + expression.name);
    if (expression.type === 'repeat') return { ...expression, item: rename(expression.item) };
    if (expression.type === 'sequence' || expression.type === 'choice')
      return { ...expression, items: expression.items.map(rename) };
    return expression;
  };
  for (const [name, expression] of rules) into.set(prefix + name, rename(expression));
  return rule(`${prefix}root`);
}

const objectRules = (): Rules => new Map([['root', rule('object')], ...jsonRules]);

function argumentRules({ name, schema, isStrict }: CallableFunction): Rules {
  const whole = typeof schema === 'object' && schema.type === undefined ? { ...schema, type: 'object' } : schema;
  try {
    return schemaRules(whole === true ? { type: 'object' } : whole);
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    if (isStrict) throw new GrammarError(error.problem, error.pointer, name);
    return objectRules();
  }
}

function callRules({ syntax, functions, isRequired, isParallel, otherwise }: CallConstraint): Rules {
  if (functions.length === 0) throw new GrammarError('there is no function to call');
  const rules = new Map<string, Expression>();
  const calls = functions.map((each, i) => {
    const inside = embed(argumentRules(each), `f${i}_`, rules);
    return sequence(text(syntax.beforeName + each.name + syntax.afterName), inside, text(syntax.afterArguments));
  });
  rules.set('call', choice(...calls));
  const more: Expression = { type: 'repeat', item: sequence(text(syntax.between), rule('call')), min: 0, max: null };
  rules.set('calls', sequence(rule('call'), isParallel ? more : empty, text(syntax.close)));
  const tags = [{ begin: syntax.open, rule: 'calls' }];
  const onlyCalls = sequence(text(syntax.open), rule('calls'));
  if (isRequired) rules.set('root', onlyCalls);
  else if (otherwise === null) rules.set('root', { type: 'dispatch', tags });
  else rules.set('root', choice(onlyCalls, embed(constraintRules(otherwise), 'o_', rules)));
  return rules;
}

/** Returns the rules of a constraint. Throws GrammarError. */
export function constraintRules(constraint: Constraint): Rules {
  const rules = rulesWithoutLimit(constraint);
  checkSize(rules);
  return rules;
}

function rulesWithoutLimit(constraint: Constraint): Rules {
  switch (constraint.kind) {
    case 'object':
      return objectRules();
    case 'schema':
      return schemaRules(constraint.schema);
    case 'regex': {
      const rules = prune(new Map([['root', matchPattern(constraint.pattern, empty)]]));
      if (!rules.has('root')) throw new GrammarError('no text matches the pattern: loosen it');
      return rules;
    }
    case 'choice':
      if (constraint.choices.length === 0) throw new GrammarError('the list of choices is empty: give one or more');
      return new Map([['root', choice(...constraint.choices.map(text))]]);
    case 'grammar':
      return readGrammar(constraint.text);
    case 'calls':
      return callRules(constraint);
  }
}

// A JSON Schema as rules for JSON texts: every text of the rules is valid against the schema.
//
// They may leave texts out (keys in another order than the schema's, escapes in names, patterns beside additional
// properties), but never allow more. What would is refused with its JSON pointer.
import { GrammarError } from './errors.ts';
import { decimalBetween, wholeBetween } from './integers.ts';
import {
  asSchema,
  child,
  type JsonSchema,
  type PlacedSchema,
  readCount,
  readNumber,
  type SchemaObject,
  SchemaReader,
} from './json-schema.ts';
import { comma, jsonRules, list } from './json-text.ts';
import {
  checkSize,
  choice,
  type Expression,
  empty,
  none,
  optional,
  prune,
  type Rules,
  repeat,
  rule,
  sequence,
  text,
} from './rules.ts';
import { canonical } from './schema-merge.ts';
import { ObjectRules } from './schema-objects.ts';
import { stringRule } from './schema-strings.ts';

const typeNames = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'] as const;
type TypeName = (typeof typeNames)[number];

/** Keywords by the type that they are about. */
const keywordsAbout: Readonly<Partial<Record<TypeName, readonly string[]>>> = {
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  array: ['items', 'prefixItems', 'additionalItems', 'minItems', 'maxItems', 'uniqueItems', 'unevaluatedItems'],
  object: ['properties', 'required', 'additionalProperties', 'patternProperties', 'minProperties', 'maxProperties'],
};

/** The types of a schema; where it names none, those that its keywords are about, as its author means. */
function readTypes(schema: SchemaObject, pointer: string): readonly TypeName[] {
  const { type } = schema;
  if (type === undefined) {
    const isMeant = (name: TypeName) => keywordsAbout[name]?.some((keyword) => keyword in schema);
    const meant = typeNames.filter(isMeant);
    return meant.length > 0 ? meant : typeNames.filter((name) => name !== 'integer');
  }
  const given = Array.isArray(type) ? type : [type];
  for (const name of given)
    if (!typeNames.includes(name))
      throw new GrammarError(
        `expected one of ${typeNames.join(', ')}, received ${JSON.stringify(name)}`,
        `${pointer}/type`,
      );
  return given;
}

function typeName(value: unknown): TypeName {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value as 'boolean' | 'string' | 'object';
}

const isOfType = (value: unknown, types: readonly TypeName[]) =>
  types.includes(typeName(value)) || (typeof value === 'number' && types.includes('number'));

export class SchemaRules {
  readonly #reader: SchemaReader;
  readonly #names = new Map<string, string>();
  readonly #objects: ObjectRules;
  readonly rules = new Map<string, Expression>(jsonRules);

  constructor(root: JsonSchema) {
    this.#reader = new SchemaReader(root);
    this.#objects = new ObjectRules(this.rules, (placed) => this.schema(placed));
  }

  /** Returns the expression of a schema: a rule, so that schemas may refer to themselves. */
  schema(placed: PlacedSchema): Expression {
    const { schema, pointer } = this.#reader.follow(placed);
    if (schema === true) return rule('value');
    if (schema === false) return none;
    const key = canonical(schema);
    const known = this.#names.get(key);
    if (known !== undefined) return rule(known);
    const name = `schema_${this.#names.size}`;
    this.#names.set(key, name);
    if (this.#names.size > 2000) throw new GrammarError('it has more than 2000 schemas: simplify it', pointer);
    this.rules.set(name, none);
    const cases = this.#reader.cases({ schema, pointer });
    this.rules.set(name, choice(...this.#located(pointer, () => cases.map((each) => this.#case(each, pointer)))));
    return rule(name);
  }

  #case(schema: SchemaObject, pointer: string): Expression {
    const types = readTypes(schema, pointer);
    if ('const' in schema || 'enum' in schema) return this.#values(schema, types, pointer);
    const unevaluated = schema.unevaluatedProperties;
    if (
      unevaluated !== undefined &&
      unevaluated !== true &&
      !(unevaluated === false && schema.additionalProperties === undefined)
    )
      throw new GrammarError('only false is enforced: use additionalProperties', `${pointer}/unevaluatedProperties`);
    const closed = unevaluated === false ? { ...schema, additionalProperties: false } : schema;
    return choice(...types.map((type) => this.#type(type, closed, pointer)));
  }

  /** The values of enum or const that the type allows. Other keywords beside them are refused. */
  #values(schema: SchemaObject, types: readonly TypeName[], pointer: string): Expression {
    const values = 'const' in schema ? [schema.const] : schema.enum;
    if (!Array.isArray(values) || values.length === 0)
      throw new GrammarError('expected a list of one value or more', `${pointer}/enum`);
    const fitting = values.filter((value) => isOfType(value, types));
    for (const [about, keywords] of Object.entries(keywordsAbout)) {
      const isMet = fitting.some((value) => isOfType(value, [about as TypeName]));
      const keyword = isMet && keywords.find((each) => each in schema);
      if (keyword)
        throw new GrammarError('it cannot be enforced beside const or enum: leave it out', child(pointer, keyword));
    }
    return choice(...fitting.map((value) => text(JSON.stringify(value))));
  }

  #type(type: TypeName, schema: SchemaObject, pointer: string): Expression {
    if (type === 'null') return text('null');
    if (type === 'boolean') return rule('boolean');
    if (type === 'integer' || type === 'number') return this.#number(type, schema, pointer);
    if (type === 'string') return stringRule(schema, pointer);
    if (type === 'array') return this.#array(schema, pointer);
    return this.#objects.object(schema, pointer);
  }

  #number(type: 'integer' | 'number', schema: SchemaObject, pointer: string): Expression {
    const multiple = readNumber(schema, 'multipleOf', pointer);
    const isWhole = type === 'integer' || multiple === 1;
    if (multiple !== null && multiple !== 1 && !(isWhole && 1 % multiple === 0))
      throw new GrammarError('it cannot be enforced but for 1: leave it out', `${pointer}/multipleOf`);
    const read = (keyword: string) => readNumber(schema, keyword, pointer);
    const [min, above] = [read('minimum') ?? -Infinity, read('exclusiveMinimum') ?? -Infinity];
    const [max, below] = [read('maximum') ?? Infinity, read('exclusiveMaximum') ?? Infinity];
    const bounds = {
      min: Math.max(min, above),
      max: Math.min(max, below),
      isAboveMin: above >= min && above !== -Infinity,
      isBelowMax: below <= max && below !== Infinity,
    };
    if (bounds.min === -Infinity && bounds.max === Infinity) return rule(isWhole ? 'integer' : 'number');
    if (!isWhole) return this.#located(pointer, () => decimalBetween(bounds));
    const low = bounds.isAboveMin ? Math.floor(bounds.min) + 1 : bounds.min;
    return wholeBetween(low, bounds.isBelowMax ? Math.ceil(bounds.max) - 1 : bounds.max);
  }

  #located<T>(pointer: string, make: () => T): T {
    try {
      return make();
    } catch (error) {
      throw error instanceof GrammarError && error.pointer === null ? new GrammarError(error.problem, pointer) : error;
    }
  }

  #array(schema: SchemaObject, pointer: string): Expression {
    const isTuple = Array.isArray(schema.items);
    const prefix = (schema.prefixItems ?? (isTuple ? schema.items : [])) as readonly unknown[];
    if (!Array.isArray(prefix)) throw new GrammarError('expected a list of schemas', `${pointer}/prefixItems`);
    const restName = isTuple ? 'additionalItems' : 'items';
    const given = schema[restName] ?? schema.unevaluatedItems !== false;
    const rest = this.schema({ schema: asSchema(given, child(pointer, restName)), pointer: child(pointer, restName) });
    const min = readCount(schema, 'minItems', pointer) ?? 0;
    const max = readCount(schema, 'maxItems', pointer);
    if (schema.uniqueItems === true && (max ?? Infinity) > 1)
      throw new GrammarError('it cannot be enforced: leave it out, or set maxItems to 1', `${pointer}/uniqueItems`);
    if (max !== null && max < min) return none;
    if (prefix.length === 0) return list('[', rest, ']', min, max);
    const at = (i: number) => child(child(pointer, isTuple ? 'items' : 'prefixItems'), i);
    const items = prefix.map((each, i) => this.schema({ schema: asSchema(each, at(i)), pointer: at(i) }));
    return this.#tuple(items.slice(0, max ?? Infinity), rest, min, max);
  }

  /** Items of their own schemas, then any number of others: each is optional from the least number on. */
  #tuple(items: readonly Expression[], rest: Expression, min: number, max: number | null): Expression {
    const left = max === null ? null : max - items.length;
    let tail = repeat(sequence(comma, rest), Math.max(0, min - items.length), left);
    for (let i = items.length - 1; i > 0; i--) {
      const more = sequence(comma, items[i], tail);
      tail = i < min ? more : more === none ? empty : optional(more);
    }
    const some = items.length === 0 ? empty : sequence(items[0], tail);
    const inside = min > 0 || items.length === 0 ? some : some === none ? empty : optional(some);
    return sequence(text('['), rule('ws'), inside, rule('ws'), text(']'));
  }
}

/** Returns the rules of a schema. Throws GrammarError where it cannot be enforced, or where no value fits it. */
export function schemaRules(schema: JsonSchema): Rules {
  const reader = new SchemaRules(schema);
  const root = reader.schema({ schema, pointer: '' });
  const rules = prune(new Map([['root', root], ...reader.rules]));
  if (!rules.has('root')) throw new GrammarError('no value fits it: loosen it', '');
  checkSize(rules);
  return rules;
}

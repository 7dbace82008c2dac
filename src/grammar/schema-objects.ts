// Objects of a schema as rules: declared properties in the schema's order, then others.
//
// A name stands once: additional names are none of the declared ones, in any spelling, because JSON keeps the last.
import { GrammarError } from './errors.ts';
import { asSchema, child, isObject, type PlacedSchema, readCount, type SchemaObject } from './json-schema.ts';
import { comma, encodeStrings, matchPattern, member } from './json-text.ts';
import { matchesWhole } from './matches.ts';
import {
  beyondAscii,
  characters,
  choice,
  complement,
  type Expression,
  empty,
  none,
  optional,
  repeat,
  rule,
  sequence,
  text,
} from './rules.ts';
import { canonical } from './schema-merge.ts';

interface Property {
  readonly item: Expression;
  readonly isRequired: boolean;
}

/** A JSON string without escapes: what additional names are. */
const plain = characters(
  complement([
    [0, 0x1f],
    [0x22, 0x22],
    [0x5c, 0x5c],
  ]),
);
const anyText = repeat(characters(complement([])), 0, null);

const quoted = (inside: Expression): Expression => sequence(text('"'), inside, text('"'));

export class ObjectRules {
  readonly #rules: Map<string, Expression>;
  readonly #schema: (placed: PlacedSchema) => Expression;
  #count = 0;

  /** `rules`: receives rules for the parts of objects; `schema`: the rule of a property's schema. */
  constructor(rules: Map<string, Expression>, schema: (placed: PlacedSchema) => Expression) {
    this.#rules = rules;
    this.#schema = schema;
  }

  object(schema: SchemaObject, pointer: string): Expression {
    const properties = this.#readProperties(schema, pointer);
    const names = [...properties.keys()];
    const additional = this.#additional(schema, names, pointer);
    const required = [...properties.values()].filter(({ isRequired }) => isRequired).length;
    const min = readCount(schema, 'minProperties', pointer) ?? 0;
    const max = readCount(schema, 'maxProperties', pointer);
    if (min > Math.max(required, 1))
      throw new GrammarError('it cannot be enforced: require the properties by name', `${pointer}/minProperties`);
    if (max !== null && max < required) return none;
    const isTight = max !== null && max < names.length;
    if (isTight && max > required)
      throw new GrammarError('it cannot be enforced below the number of properties', `${pointer}/maxProperties`);
    const written = [...properties.values()].filter(({ isRequired }) => isRequired || !isTight);
    const others = max === null ? null : Math.max(0, max - written.length);
    return this.#write(written, repeat(sequence(comma, additional), 0, others), additional, others, min > 0);
  }

  #readProperties(schema: SchemaObject, pointer: string): Map<string, Property> {
    const { properties = {}, required = [] } = schema;
    if (!isObject(properties)) throw new GrammarError('expected an object of schemas', `${pointer}/properties`);
    if (!Array.isArray(required) || required.some((name) => typeof name !== 'string'))
      throw new GrammarError('expected a list of names', `${pointer}/required`);
    const patterns = Object.entries(isObject(schema.patternProperties) ? schema.patternProperties : {});
    const names = [...new Set([...Object.keys(properties), ...(required as string[])])];
    return new Map(
      names.map((name) => {
        const at = child(`${pointer}/properties`, name);
        const own = Object.hasOwn(properties, name) ? [asSchema(properties[name], at)] : [];
        const met = patterns.filter(([pattern]) => matchesWhole(this.#pattern(pattern, anyText, pointer), name));
        const schemas = [
          ...own,
          ...met.map(([pattern, each]) => asSchema(each, child(`${pointer}/patternProperties`, pattern))),
        ];
        const rest = schema.additionalProperties ?? true;
        const whole =
          schemas.length === 0
            ? asSchema(rest, `${pointer}/additionalProperties`)
            : schemas.length === 1
              ? schemas[0]
              : { allOf: schemas };
        const value = this.#schema({ schema: whole, pointer: at });
        const item = member(text(JSON.stringify(name)), value);
        return [name, { item, isRequired: required.includes(name) }] as const;
      }),
    );
  }

  #pattern(pattern: string, any: Expression, pointer: string): Expression {
    try {
      return matchPattern(pattern, any);
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
      throw new GrammarError(error.problem, child(`${pointer}/patternProperties`, pattern));
    }
  }

  /** A member that is not declared; none: there is none. */
  #additional(schema: SchemaObject, names: readonly string[], pointer: string): Expression {
    const { patternProperties: patterns, additionalProperties: given = true } = schema;
    if (patterns === undefined) {
      const at = `${pointer}/additionalProperties`;
      const value = this.#schema({ schema: asSchema(given, at), pointer: at });
      if (value === none) return none;
      return member(names.length === 0 ? quoted(repeat(plain, 0, null)) : this.#otherNames(names), value);
    }
    if (!isObject(patterns)) throw new GrammarError('expected an object of schemas', `${pointer}/patternProperties`);
    // With patterns, only names that fit one are written; names that fit several must mean the same.
    const entries = Object.entries(patterns);
    if (new Set(entries.map(([, each]) => canonical(each))).size > 1)
      throw new GrammarError(
        'several patterns with different schemas cannot be enforced',
        `${pointer}/patternProperties`,
      );
    const found = entries.map(([pattern]) => this.#pattern(pattern, anyText, pointer));
    if (entries.length === 0 || found.some((each) => names.some((name) => matchesWhole(each, name)))) return none;
    const at = child(`${pointer}/patternProperties`, entries[0][0]);
    const value = this.#schema({ schema: asSchema(entries[0][1], at), pointer: at });
    return member(quoted(encodeStrings(choice(...found))), value);
  }

  /** Names that are none of these: a tree of their characters; in ASCII where a class without some others would be. */
  #otherNames(names: readonly string[]): Expression {
    const any = repeat(plain, 0, null);
    const below = (prefixed: readonly string[]): Expression => {
      const heads = [...new Set(prefixed.filter((name) => name !== '').map((name) => [...name][0] as string))];
      const taken = heads.map((head) => [head.codePointAt(0), head.codePointAt(0)] as [number, number]);
      const others = taken.some(([point]) => point > 0x7f) ? beyondAscii : [];
      const apart = complement([[0, 0x1f], [0x22, 0x22], [0x5c, 0x5c], ...taken, ...others]);
      const different = sequence(characters(apart), any);
      const same = heads.map((head) => {
        const rest = prefixed.filter((name) => name.startsWith(head)).map((name) => name.slice(head.length));
        return sequence(/["\\\p{Cc}]/u.test(head) ? none : text(head), below(rest));
      });
      return choice(prefixed.includes('') ? none : empty, different, ...same);
    };
    return quoted(this.#name(below(names)));
  }

  #name(expression: Expression): Expression {
    const name = `object_${this.#count++}`;
    this.#rules.set(name, expression);
    return rule(name);
  }

  /** Members in order: `start` where none is written yet, `rest` after one. */
  #write(
    properties: readonly Property[],
    more: Expression,
    additional: Expression,
    others: number | null,
    isFilled: boolean,
  ): Expression {
    const following = others === null ? null : others - 1;
    const first =
      others === 0 || additional === none
        ? none
        : sequence(additional, repeat(sequence(comma, additional), 0, following));
    let rest: Expression = more;
    let start: Expression = isFilled ? first : first === none ? empty : optional(first);
    for (const { item, isRequired } of [...properties].reverse()) {
      const after = this.#name(rest);
      const begun = sequence(item, after);
      start = isRequired ? begun : this.#name(choice(begun, start));
      rest = isRequired ? sequence(comma, item, after) : choice(sequence(comma, item, after), after);
    }
    return sequence(text('{'), rule('ws'), start, rule('ws'), text('}'));
  }
}

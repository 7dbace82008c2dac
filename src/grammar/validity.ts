// Whether a value is valid against a schema, by the same reading of it from which grammars are made.
//
// A schema that no grammar enforces says nothing here either. The number of steps is limited, and patterns are matched
// without backtracking, because schemas come from strangers.
import { GrammarError } from './errors.ts';
import { formats } from './formats.ts';
import {
  asSchema,
  child,
  isObject,
  type JsonSchema,
  type PlacedSchema,
  type SchemaObject,
  SchemaReader,
} from './json-schema.ts';
import { matchPattern } from './json-text.ts';
import { matchesWhole } from './matches.ts';
import { characters, complement, repeat } from './rules.ts';
import { canonical } from './schema-merge.ts';

const maxSteps = 20_000;
/** Longer texts match no pattern: the time grows with the square. */
const maxPatternText = 500;
const anyText = repeat(characters(complement([])), 0, null);

function hasType(value: unknown, type: unknown): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return isObject(value);
  if (type === 'integer') return Number.isInteger(value);
  return typeof value === type; // boolean, number, string
}

/** Whether a keyword is absent, or a number that the value fits. */
const holds = (limit: unknown, fits: (limit: number) => boolean) => typeof limit !== 'number' || fits(limit);

function isValidNumber(schema: SchemaObject, value: number): boolean {
  return (
    holds(schema.minimum, (min) => value >= min) &&
    holds(schema.maximum, (max) => value <= max) &&
    holds(schema.exclusiveMinimum, (min) => value > min) &&
    holds(schema.exclusiveMaximum, (max) => value < max) &&
    holds(schema.multipleOf, (unit) => Math.abs(value / unit - Math.round(value / unit)) < 1e-9)
  );
}

const matches = (pattern: string, text: string) =>
  text.length <= maxPatternText && matchesWhole(matchPattern(pattern, anyText), text);

function isValidText({ minLength, maxLength, pattern, format }: SchemaObject, value: string): boolean {
  const length = [...value].length;
  return (
    holds(minLength, (min) => length >= min) &&
    holds(maxLength, (max) => length <= max) &&
    (typeof pattern !== 'string' || matches(pattern, value)) &&
    (typeof format !== 'string' || !Object.hasOwn(formats, format) || matches(`^(?:${formats[format]})$`, value))
  );
}

class Validator {
  readonly #reader: SchemaReader;
  readonly #cases = new Map<JsonSchema, readonly SchemaObject[]>();
  #steps = 0;

  constructor(root: JsonSchema) {
    this.#reader = new SchemaReader(root);
  }

  /** Throws GrammarError for a schema that cannot be read. */
  isValid(placed: PlacedSchema, value: unknown): boolean {
    const { schema, pointer } = this.#reader.follow(placed);
    const cases = this.#cases.get(schema) ?? this.#reader.cases({ schema, pointer });
    this.#cases.set(schema, cases);
    return cases.some((each) => ++this.#steps <= maxSteps && this.#fits(each, pointer, value));
  }

  #fits(schema: SchemaObject, pointer: string, value: unknown): boolean {
    const { type, enum: values } = schema;
    if (type !== undefined && ![type].flat().some((each) => hasType(value, each))) return false;
    if ('const' in schema && canonical(schema.const) !== canonical(value)) return false;
    if (Array.isArray(values) && !values.some((each) => canonical(each) === canonical(value))) return false;
    if (typeof value === 'number') return isValidNumber(schema, value);
    if (typeof value === 'string') return isValidText(schema, value);
    if (Array.isArray(value)) return this.#fitsArray(schema, pointer, value);
    return !isObject(value) || this.#fitsObject(schema, pointer, value);
  }

  #fitsArray(schema: SchemaObject, pointer: string, value: readonly unknown[]): boolean {
    const isTuple = Array.isArray(schema.items);
    const given = schema.prefixItems ?? (isTuple ? schema.items : []);
    const prefix: readonly unknown[] = Array.isArray(given) ? given : [];
    const rest = schema[isTuple ? 'additionalItems' : 'items'] ?? schema.unevaluatedItems ?? true;
    return (
      holds(schema.minItems, (min) => value.length >= min) &&
      holds(schema.maxItems, (max) => value.length <= max) &&
      (schema.uniqueItems !== true || new Set(value.map(canonical)).size === value.length) &&
      value.every((item, i) => {
        const at = child(pointer, i);
        return this.isValid({ schema: asSchema(i < prefix.length ? prefix[i] : rest, at), pointer: at }, item);
      })
    );
  }

  #fitsObject(schema: SchemaObject, pointer: string, value: SchemaObject): boolean {
    const { required, properties = {}, patternProperties = {} } = schema;
    const rest = schema.additionalProperties ?? schema.unevaluatedProperties ?? true;
    const count = Object.keys(value).length;
    const names: readonly unknown[] = Array.isArray(required) ? required : [];
    const schemas = (name: string): unknown[] => {
      const own = isObject(properties) && Object.hasOwn(properties, name) ? [properties[name]] : [];
      const patterns = isObject(patternProperties) ? Object.entries(patternProperties) : [];
      const met = [...own, ...patterns.filter(([pattern]) => matches(pattern, name)).map(([, each]) => each)];
      return met.length > 0 ? met : [rest];
    };
    return (
      holds(schema.minProperties, (min) => count >= min) &&
      holds(schema.maxProperties, (max) => count <= max) &&
      names.every((name) => typeof name === 'string' && Object.hasOwn(value, name)) &&
      Object.entries(value).every(([name, each]) => {
        const at = child(pointer, name);
        return schemas(name).every((own) => this.isValid({ schema: asSchema(own, at), pointer: at }, each));
      })
    );
  }
}

/** Returns whether a value of JSON is valid against a schema; true where the schema cannot be read. */
export function isValid(schema: JsonSchema, value: unknown): boolean {
  try {
    return new Validator(schema).isValid({ schema, pointer: '' }, value);
  } catch (error) {
    if (error instanceof GrammarError) return true;
    throw error;
  }
}

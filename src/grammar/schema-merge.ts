// Two sets of keywords as one that says both.
import { GrammarError } from './errors.ts';
import type { JsonSchema, SchemaObject } from './json-schema.ts';

type Merge = (a: unknown, b: unknown, keyword: string, pointer: string) => unknown;

const isEqual = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b);

/** A JSON text that does not depend on the order of keys. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join()}}`;
}

const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);
const both = (a: unknown, b: unknown): JsonSchema => (isEqual(a, b) ? a : { allOf: [a, b] }) as JsonSchema;

/** Types of both; an integer is a number. */
function mergeTypes(a: unknown, b: unknown): unknown[] {
  const [some, others] = [asList(a), asList(b)];
  const has = (types: unknown[], type: unknown) =>
    types.includes(type) || (type === 'integer' && types.includes('number'));
  return [...new Set([...some.filter((type) => has(others, type)), ...others.filter((type) => has(some, type))])];
}

const inBoth: Merge = (a, b) => asList(a).filter((x) => asList(b).some((y) => isEqual(x, y)));
const larger: Merge = (a, b) => Math.max(a as number, b as number);
const smaller: Merge = (a, b) => Math.min(a as number, b as number);
const only: Merge = (a, b, keyword, pointer) => {
  if (isEqual(a, b)) return a;
  throw new GrammarError(
    `it stands twice with different values, which cannot be enforced together`,
    `${pointer}/${keyword}`,
  );
};

const merges: Readonly<Record<string, Merge>> = {
  type: mergeTypes,
  enum: inBoth,
  required: (a, b) => [...new Set([...asList(a), ...asList(b)])],
  uniqueItems: (a, b) => a === true || b === true,
  minimum: larger,
  exclusiveMinimum: larger,
  minLength: larger,
  minItems: larger,
  minProperties: larger,
  maximum: smaller,
  exclusiveMaximum: smaller,
  maxLength: smaller,
  maxItems: smaller,
  maxProperties: smaller,
  items: (a, b, keyword, pointer) => (Array.isArray(a) || Array.isArray(b) ? only(a, b, keyword, pointer) : both(a, b)),
};

type Properties = Readonly<Record<string, unknown>>;

/** Keywords of objects: a property of one is an additional one of the other. */
function mergeObjects(a: SchemaObject, b: SchemaObject, pointer: string): SchemaObject {
  const [some, others] = [a, b].map(({ properties }) => (properties ?? {}) as Properties);
  const hasPatterns = [a, b].some(({ patternProperties: patterns }) => patterns !== undefined);
  const isClosed = (each: SchemaObject) =>
    each.additionalProperties !== undefined && each.additionalProperties !== true;
  if (hasPatterns && !isEqual(a.patternProperties, b.patternProperties) && (isClosed(a) || isClosed(b)))
    throw new GrammarError('it cannot be merged with a schema that limits properties', `${pointer}/patternProperties`);
  if (hasPatterns && a.patternProperties !== undefined && b.patternProperties !== undefined)
    only(a.patternProperties, b.patternProperties, 'patternProperties', pointer);
  const names = [...new Set([...Object.keys(some), ...Object.keys(others)])];
  const schemas = (name: string) =>
    [
      Object.hasOwn(some, name) ? some[name] : (a.additionalProperties ?? true),
      Object.hasOwn(others, name) ? others[name] : (b.additionalProperties ?? true),
    ].filter((schema) => schema !== true);
  const merge = (list: unknown[]) => (list.length === 0 ? true : list.length === 1 ? list[0] : both(list[0], list[1]));
  const additional = [a.additionalProperties, b.additionalProperties].filter((each) => each !== undefined);
  const patterns = a.patternProperties ?? b.patternProperties;
  return {
    ...(names.length > 0 && { properties: Object.fromEntries(names.map((name) => [name, merge(schemas(name))])) }),
    ...(additional.length > 0 && { additionalProperties: merge(additional.filter((each) => each !== true)) }),
    ...(patterns !== undefined && { patternProperties: patterns }),
  };
}

const objectKeywords = ['properties', 'additionalProperties', 'patternProperties'];

/** Returns the keywords of both, or null where no value can fit them. Throws GrammarError if that cannot be said. */
export function mergeKeywords(a: SchemaObject, b: SchemaObject, pointer: string): SchemaObject | null {
  const merged: Record<string, unknown> = { ...a };
  for (const [keyword, value] of Object.entries(b)) {
    if (objectKeywords.includes(keyword)) continue;
    const merge = Object.hasOwn(merges, keyword) ? merges[keyword] : only;
    if (keyword === 'const' && merged.const !== undefined && !isEqual(merged.const, value)) return null;
    merged[keyword] = Object.hasOwn(merged, keyword) ? merge(merged[keyword], value, keyword, pointer) : value;
  }
  if (
    objectKeywords.some((keyword) => a[keyword] !== undefined && b !== undefined) ||
    objectKeywords.some((k) => k in b)
  )
    Object.assign(merged, mergeObjects(a, b, pointer));
  if (Array.isArray(merged.type) && merged.type.length === 0) return null;
  if (
    merged.const !== undefined &&
    Array.isArray(merged.enum) &&
    !merged.enum.some((each) => isEqual(each, merged.const))
  )
    return null;
  return Array.isArray(merged.enum) && merged.enum.length === 0 ? null : merged;
}

// JSON Schemas: drafts 2020-12 and 7 as one conjunction of keywords at each place, with references followed.
//
// `allOf`, `$ref` beside other keywords, and what stands beside `anyOf` are merged. A keyword that cannot be enforced
// is refused with its JSON pointer; keywords that assert nothing (title, default, format of other things) are left out.
import { GrammarError } from './errors.ts';
import { mergeKeywords } from './schema-merge.ts';

/** A schema: true allows everything, false nothing. */
export type JsonSchema = boolean | SchemaObject;

export interface SchemaObject {
  readonly [keyword: string]: unknown;
}

/** Keywords that are asserted here. */
export const asserted: ReadonlySet<string> = new Set(
  (
    'type enum const properties required additionalProperties patternProperties minProperties maxProperties items ' +
    'prefixItems minItems maxItems uniqueItems minLength maxLength pattern format minimum maximum exclusiveMinimum ' +
    'exclusiveMaximum multipleOf anyOf oneOf allOf $ref additionalItems unevaluatedProperties unevaluatedItems'
  ).split(' '),
);

/** Keywords that assert something that no grammar here can hold. */
const refused: readonly (readonly [keywords: string, remedy: string])[] = [
  ['not', 'state what is allowed instead'],
  ['if then else dependentRequired dependentSchemas dependencies', 'use anyOf with the cases'],
  ['contains', 'constrain all items'],
  ['propertyNames', 'use patternProperties with additionalProperties: false'],
  ['$dynamicRef $recursiveRef', 'use $ref'],
];
const remedies = new Map(refused.flatMap(([keywords, remedy]) => keywords.split(' ').map((each) => [each, remedy])));

/** A schema and where it stands. */
export interface PlacedSchema {
  readonly schema: JsonSchema;
  readonly pointer: string;
}

const maxDepth = 60;
const maxCases = 256;

export const isObject = (value: unknown): value is SchemaObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const child = (pointer: string, key: string | number): string =>
  `${pointer}/${`${key}`.replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** Reads a keyword that is a number. */
export function readNumber(schema: SchemaObject, keyword: string, pointer: string): number | null {
  const value = schema[keyword];
  if (value === undefined) return null;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new GrammarError(`expected a number, received ${JSON.stringify(value)}`, child(pointer, keyword));
}

/** Reads a keyword that counts something. */
export function readCount(schema: SchemaObject, keyword: string, pointer: string): number | null {
  const value = readNumber(schema, keyword, pointer);
  if (value === null || (Number.isInteger(value) && value >= 0)) return value;
  throw new GrammarError(`expected a whole number from 0, received ${value}`, child(pointer, keyword));
}

/** Reads a value that must be a schema. */
export function asSchema(value: unknown, pointer: string): JsonSchema {
  if (typeof value === 'boolean' || isObject(value)) return value;
  throw new GrammarError('expected a schema: an object, true or false', pointer);
}

function readList(value: unknown, pointer: string): readonly PlacedSchema[] {
  if (!Array.isArray(value) || value.length === 0)
    throw new GrammarError('expected a list of one schema or more', pointer);
  return value.map((each, i) => ({ schema: asSchema(each, child(pointer, i)), pointer: child(pointer, i) }));
}

export class SchemaReader {
  readonly #root: JsonSchema;

  constructor(root: JsonSchema) {
    this.#root = root;
  }

  /**
   * Returns the cases of a schema: objects of keywords without references and combinations, one of which a value must
   * fit. Throws GrammarError.
   */
  cases({ schema, pointer }: PlacedSchema, depth = 0): SchemaObject[] {
    if (depth > maxDepth) throw new GrammarError('it refers to itself without end: put a type between', pointer);
    if (schema === true) return [{}];
    if (schema === false) return [];
    this.#check(schema, pointer);
    const { allOf, anyOf, oneOf, $ref: reference, ...own } = schema;
    const kept = Object.entries(own).filter(([keyword]) => asserted.has(keyword));
    let cases: SchemaObject[] = [Object.fromEntries(kept)];
    const meet = (others: SchemaObject[]) => {
      cases = cases.flatMap((a) =>
        others.flatMap((b): SchemaObject[] => {
          const merged = mergeKeywords(a, b, pointer);
          return merged === null ? [] : [merged];
        }),
      );
      if (cases.length > maxCases) throw new GrammarError(`it has more than ${maxCases} cases: simplify it`, pointer);
    };
    if (reference !== undefined) meet(this.cases(this.#resolve(reference, pointer), depth + 1));
    for (const each of allOf === undefined ? [] : readList(allOf, `${pointer}/allOf`))
      meet(this.cases(each, depth + 1));
    if (anyOf !== undefined) meet(readList(anyOf, `${pointer}/anyOf`).flatMap((each) => this.cases(each, depth + 1)));
    if (oneOf !== undefined) meet(this.#exclusive(readList(oneOf, `${pointer}/oneOf`), pointer, depth + 1));
    return cases;
  }

  /** Follows a schema that is nothing but a reference, so that it is written once. */
  follow(placed: PlacedSchema, depth = 0): PlacedSchema {
    const { schema, pointer } = placed;
    if (!isObject(schema) || schema.$ref === undefined) return placed;
    if (Object.keys(schema).some((keyword) => keyword !== '$ref' && asserted.has(keyword))) return placed;
    if (depth > maxDepth) throw new GrammarError('it refers to itself without end', pointer);
    this.#check(schema, pointer);
    return this.follow(this.#resolve(schema.$ref, pointer), depth + 1);
  }

  #check(schema: SchemaObject, pointer: string): void {
    for (const [keyword, remedy] of remedies)
      if (Object.hasOwn(schema, keyword))
        throw new GrammarError(`it cannot be enforced: ${remedy}, or leave it out`, child(pointer, keyword));
  }

  #resolve(reference: unknown, pointer: string): PlacedSchema {
    const at = `${pointer}/$ref`;
    if (typeof reference !== 'string' || !/^#(\/|$)/.test(reference))
      throw new GrammarError('only references within the schema are followed, such as "#/$defs/name"', at);
    let value: unknown = this.#root;
    let path: string;
    try {
      path = decodeURIComponent(reference.slice(1));
    } catch {
      throw new GrammarError('the reference is not a URI fragment', at);
    }
    for (const part of path.split('/').slice(1)) {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
      value =
        typeof value === 'object' && value !== null && Object.hasOwn(value, key)
          ? (value as Record<string, unknown>)[key]
          : undefined;
    }
    if (value === undefined) throw new GrammarError(`there is nothing at ${JSON.stringify(reference)}`, at);
    return { schema: asSchema(value, at), pointer: path };
  }

  /** Cases of oneOf: at most one may fit a value, which is known only where they cannot meet. */
  #exclusive(options: readonly PlacedSchema[], pointer: string, depth: number): SchemaObject[] {
    const all = options.map((each) => this.cases(each, depth));
    for (const [i, some] of all.entries())
      for (const others of all.slice(i + 1))
        for (const a of some)
          for (const b of others)
            if (!this.#areApart(a, b, pointer, depth))
              throw new GrammarError(
                'its schemas may overlap, and exactly one of them cannot be enforced: use anyOf',
                `${pointer}/oneOf`,
              );
    return all.flat();
  }

  /** Whether no value fits both: the types differ, the values do, or those of a property that both require. */
  #areApart(a: SchemaObject, b: SchemaObject, pointer: string, depth: number): boolean {
    const merged = mergeKeywords(a, b, pointer);
    if (merged === null) return true;
    const { type, required, properties } = merged;
    const types = Array.isArray(type) ? type : [type];
    if (types.length !== 1 || types[0] !== 'object' || !Array.isArray(required) || !isObject(properties)) return false;
    if (depth > 12) return false;
    return required.some((name) => {
      const schema = Object.hasOwn(properties, name) ? properties[name] : true;
      const at = child(`${pointer}/properties`, name);
      return this.cases({ schema: asSchema(schema, at), pointer: at }, depth + 1).length === 0;
    });
  }
}

// JSON Schemas as values that nobody has checked.

/** A schema: true allows everything, false nothing. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

// The grammar module: what an answer must be, from a schema, a pattern, or a grammar.
export type { Constraint } from './constraint.ts';
export type { JsonSchema } from './json-schema.ts';

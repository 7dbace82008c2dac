// The grammar module: what an answer must be (a schema, a pattern, a grammar, calls of functions) as masks of tokens.
export { type CompiledConstraint, type CompilerOptions, ConstraintCompiler, type TokenMatcher } from './compiler.ts';
export type { CallableFunction, CallConstraint, CallSyntax, Constraint } from './constraint.ts';
export { GrammarError } from './errors.ts';
export type { JsonSchema } from './json-schema.ts';
export { isValid } from './validity.ts';

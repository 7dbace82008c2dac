// What an answer must be: the texts that a constraint allows, as data.
import type { JsonSchema } from './json-schema.ts';

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
  | { readonly kind: 'grammar'; readonly text: string };

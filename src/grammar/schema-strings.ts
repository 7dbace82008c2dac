// Strings of a schema as rules: lengths, patterns, formats.
import { GrammarError } from './errors.ts';
import { formats } from './formats.ts';
import { readCount, type SchemaObject } from './json-schema.ts';
import { encodeStrings, lengthBounds, matchPattern } from './json-text.ts';
import { characters, complement, type Expression, empty, none, repeat, rule, sequence, text } from './rules.ts';

const anyText = repeat(characters(complement([])), 0, null);
const quoted = (inside: Expression): Expression => sequence(text('"'), inside, text('"'));

/** The expression of a pattern as the schema has it; null: it is longer or shorter than allowed. */
function fitting(pattern: string, any: Expression, [min, max]: readonly [number, number | null]): Expression | null {
  const expression = matchPattern(pattern, any);
  const [least, most] = lengthBounds(expression);
  const fits = least >= min && (max === null || (most !== null && most <= max));
  return fits ? expression : null;
}

function patternRule(pattern: string, schema: SchemaObject, pointer: string): Expression {
  const limits = [readCount(schema, 'minLength', pointer) ?? 0, readCount(schema, 'maxLength', pointer)] as const;
  const found = fitting(pattern, anyText, limits) ?? fitting(pattern, empty, limits);
  if (found === null)
    throw new GrammarError(
      'it cannot be enforced together with minLength and maxLength: put the lengths into it, or leave them out',
      `${pointer}/${'pattern' in schema ? 'pattern' : 'format'}`,
    );
  return quoted(encodeStrings(found));
}

/** Returns the rule of a string. Throws GrammarError for what cannot be enforced. */
export function stringRule(schema: SchemaObject, pointer: string): Expression {
  const { pattern, format } = schema;
  if (pattern !== undefined && format !== undefined)
    throw new GrammarError('it cannot be enforced beside a pattern: leave one of them out', `${pointer}/format`);
  try {
    if (typeof pattern === 'string') return patternRule(pattern, schema, pointer);
    if (typeof format === 'string' && Object.hasOwn(formats, format))
      return patternRule(`^(?:${formats[format]})$`, schema, pointer);
  } catch (error) {
    throw error instanceof GrammarError && error.pointer === null
      ? new GrammarError(error.problem, `${pointer}/pattern`)
      : error;
  }
  if (pattern !== undefined) throw new GrammarError('expected a regular expression', `${pointer}/pattern`);
  if (format !== undefined)
    throw new GrammarError(
      `it cannot be enforced but for ${Object.keys(formats).join(', ')}: leave it out, or use a pattern`,
      `${pointer}/format`,
    );
  const min = readCount(schema, 'minLength', pointer) ?? 0;
  const max = readCount(schema, 'maxLength', pointer);
  if (max !== null && max < min) return none;
  return min === 0 && max === null ? rule('string') : quoted(repeat(rule('character'), min, max));
}

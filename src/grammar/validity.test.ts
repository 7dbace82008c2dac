// Validity of values, compared with ajv. npm test -- grammar/validity
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import type { JsonSchema } from './json-schema.ts';
import { isValid } from './validity.ts';

const ajv = new Ajv2020({ strict: false, validateFormats: false });

const schemas: readonly (boolean | object)[] = [
  true,
  { type: 'integer', minimum: -1, exclusiveMaximum: 3 },
  { type: ['number', 'null'], multipleOf: 0.5 },
  { type: 'string', minLength: 1, maxLength: 2, pattern: '^[ab]' },
  { enum: ['a', 1, null, [1], { a: 1 }] },
  { const: { a: [1], b: null } },
  { type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 2, uniqueItems: true },
  { prefixItems: [{ type: 'integer' }, { type: 'string' }], items: false },
  {
    type: 'object',
    properties: { a: { type: 'integer' }, b: { $ref: '#/$defs/b' } },
    required: ['a'],
    additionalProperties: false,
    $defs: { b: { anyOf: [{ type: 'string' }, { type: 'array', items: { $ref: '#/$defs/b' } }] } },
  },
  { patternProperties: { '^a': { type: 'integer' } }, additionalProperties: { type: 'null' }, minProperties: 1 },
  { allOf: [{ properties: { a: { minimum: 0 } } }, { properties: { a: { type: 'integer' } }, required: ['b'] }] },
  { oneOf: [{ type: 'integer' }, { type: 'string' }] },
];

/** Values that are often valid, and often nearly. */
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom(null, true, 0, 1, 2, 3, -1, -2, 0.5, 'a', 'b', 'ab', 'abc', ''),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'ab'), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

describe('validity', () => {
  for (const schema of schemas)
    test(`is what ajv says: ${JSON.stringify(schema).slice(0, 90)}`, () => {
      const isRight = ajv.compile(schema);
      fc.assert(
        fc.property(value, (each) => assert.equal(isValid(schema as JsonSchema, each), isRight(each))),
        { numRuns: 100 },
      );
    });

  test('formats that are enforced are checked', () => {
    assert.equal(isValid({ type: 'string', format: 'date' }, '2025-02-28'), true);
    assert.equal(isValid({ type: 'string', format: 'date' }, '2025-02-30'), false);
  });

  test('what cannot be read says nothing; work is limited', () => {
    assert.equal(isValid({ not: {} }, 1), true);
    const loop = { items: { $ref: '#' } };
    const many = { anyOf: [loop, loop].map((each) => ({ ...each, minItems: 1 })), items: { $ref: '#' } };
    let deep: unknown = 1;
    for (let i = 0; i < 60; i++) deep = [deep, 0];
    assert.equal(isValid({ ...many, type: 'array' }, deep), false);
    assert.equal(isValid({ pattern: '^(((a*)*)*)*b$' }, 'a'.repeat(400)), false);
  });
});

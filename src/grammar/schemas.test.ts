// Generated schemas: random walks over the allowed tokens of a real vocabulary give valid answers, or the schema is
// refused with its JSON pointer. npm test -- grammar/schemas; MINKE_LONG: 2,000 schemas instead of 60
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { Random } from '../math/index.ts';
import { loadTokenizer } from '../tokenizer/index.ts';
import { type CompiledConstraint, ConstraintCompiler } from './compiler.ts';
import { GrammarError } from './errors.ts';
import type { JsonSchema } from './json-schema.ts';
import { isValid } from './validity.ts';

const [count, walks] = process.env.MINKE_LONG ? [2000, 2] : [60, 1];
const { tokenizer, eosIds } = loadTokenizer('models/minke');
const [end] = eosIds;
const compiler = new ConstraintCompiler(tokenizer, { vocabSize: tokenizer.vocabSize, endIds: eosIds });
after(() => compiler.close());

const names = ['a', 'b', 'name', 'x-y', 'a/b', 'é', '"', '~', ''];
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
/** An object without its undefined fields. */
const fields = (parts: Readonly<Record<string, fc.Arbitrary<unknown>>>) =>
  fc.record(parts).map((made) => Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined)));
const literal = fc.constantFrom<unknown>('x', 'a"b', 1, -2.5, true, null, [1], { a: 'b' });

const { schema } = fc.letrec<{ schema: unknown }>((tie) => {
  const dictionary = fc.dictionary(fc.constantFrom(...names), tie('schema'), { maxKeys: 3, noNullPrototype: true });
  const list = fc.array(tie('schema'), { minLength: 1, maxLength: 3 });
  return {
    schema: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      fields({ type: fc.constant('string'), minLength: maybe(fc.nat(3)), maxLength: maybe(fc.nat(6)) }),
      fields({
        type: fc.constant('string'),
        pattern: fc.constantFrom('^[a-c]+$', '^\\d{2,4}-x?$', 'b', '(a|b)c', '(?=a)'),
      }),
      fields({ type: fc.constant('string'), format: fc.constantFrom('date', 'uuid', 'ipv4', 'email', 'iri') }),
      fields({
        type: fc.constant('integer'),
        minimum: maybe(fc.integer({ min: -99, max: 99 })),
        maximum: maybe(fc.nat(999)),
      }),
      fields({
        type: fc.constant('number'),
        exclusiveMinimum: maybe(fc.nat(9)),
        multipleOf: maybe(fc.constantFrom(1, 0.5)),
      }),
      fields({ type: fc.constantFrom<unknown>('boolean', 'null', ['string', 'null'], ['integer', 'boolean']) }),
      fields({ enum: fc.array(literal, { minLength: 1, maxLength: 4 }) }),
      fields({ const: literal }),
      fc.boolean(),
      fc.constantFrom({ $ref: '#/$defs/t' }, { $ref: '#/$defs/u' }, { $ref: '#' }),
      fields({
        type: fc.constant('object'),
        properties: maybe(dictionary),
        required: maybe(fc.uniqueArray(fc.constantFrom(...names), { maxLength: 3 })),
        additionalProperties: maybe(fc.oneof(fc.constant(false), tie('schema'))),
        minProperties: maybe(fc.nat(2)),
        maxProperties: maybe(fc.nat(4)),
      }),
      fields({ type: fc.constant('object'), patternProperties: fc.constant({ '^x': { type: 'integer' } }) }),
      fields({
        type: fc.constant('array'),
        items: maybe(tie('schema')),
        prefixItems: maybe(list),
        minItems: maybe(fc.nat(2)),
        maxItems: maybe(fc.nat(3)),
        uniqueItems: maybe(fc.constant(false)),
      }),
      fields({ anyOf: list }),
      fields({ oneOf: list }),
      fields({ allOf: list }),
      fields({ not: tie('schema') }),
    ),
  };
});

const whole = fc
  .record({ schema, t: schema, u: schema })
  .map(({ schema: root, t, u }): JsonSchema => (typeof root === 'object' ? { ...root, $defs: { t, u } } : true));

const isAllowed = (mask: Int32Array, id: number) => ((mask[id >> 5] >>> (id & 31)) & 1) === 1;
/** What ends texts and lists soon. */
const closing = [...'"}]01abcx', 'null'].map((text) => tokenizer.encode(text)[0]);

/** Returns a text of random tokens, each of them allowed; null: it did not end. */
async function walk(compiled: CompiledConstraint, random: Random): Promise<string | null> {
  const matcher = compiled.matcher();
  const ids: number[] = [];
  try {
    while (ids.length < 400) {
      const [mask] = await matcher.masks(null);
      const isLate = ids.length > 30;
      if (isAllowed(mask, end) && (isLate || random.chance(0.3))) return tokenizer.decode(ids);
      const allowed = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter(
        (id) => id !== end && isAllowed(mask, id),
      );
      if (allowed.length === 0) return tokenizer.decode(ids); // only the end is left
      const soon = closing.filter((id) => isAllowed(mask, id));
      const id = random.pick(isLate && soon.length > 0 && random.chance(0.8) ? soon : allowed);
      ids.push(id);
      matcher.push(id);
    }
    return null;
  } finally {
    matcher.close();
  }
}

test(`${count} generated schemas: every answer is valid, or the schema is refused with its place`, async () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, logger: false });
  const found = { valid: 0, endless: 0, refused: 0 };
  for (const [i, each] of fc.sample(whole, { seed: 7, numRuns: count }).entries()) {
    const where = JSON.stringify(each);
    let compiled: CompiledConstraint;
    try {
      compiled = await compiler.compile({ kind: 'schema', schema: each });
    } catch (error) {
      assert.ok(error instanceof GrammarError, `${error}: ${where}`);
      assert.ok(error.problem !== '' && (error.pointer !== null || /too large|vocabulary/.test(error.problem)), where);
      found.refused++;
      continue;
    }
    const validate = ajv.compile(each);
    for (let k = 0; k < walks; k++) {
      const text = await walk(compiled, new Random(i, k));
      if (text === null) {
        found.endless++;
        continue;
      }
      const value: unknown = JSON.parse(text);
      assert.ok(validate(value), `${text} is not valid: ${where}`);
      // Longer texts are compared with no pattern.
      if (text.length < 500) assert.ok(isValid(each, value), `${text} is valid: ${where}`);
      found.valid++;
    }
  }
  assert.ok(found.valid > count / 2 && found.refused > count / 20, JSON.stringify(found));
  assert.ok(found.endless < (count * walks) / 6, JSON.stringify(found));
});

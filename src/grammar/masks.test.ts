// Masks, compared with the slow reference; and what is refused. npm test -- grammar/masks
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Random } from '../math/index.ts';
import { Tokenizer } from '../tokenizer/index.ts';
import { ConstraintCompiler } from './compiler.ts';
import { type CallSyntax, type Constraint, constraintRules } from './constraint.ts';
import { GrammarError } from './errors.ts';
import { ReferenceMatcher } from './test-matcher.ts';

const words = [
  ...[...' !"#$%\'()*+,-./0123456789:;<=>?@ABCXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\n\té'],
  ...['"name"', '": "', '", "', '{"', '"}', '\\"', '\\n', 'true', 'null', '12', '99', '-1', '.5', '\n  ', '<call>'],
];
const end = words.length;
const tokenizer = new Tokenizer({
  added_tokens: words.map((content, id) => ({ id, content, special: false, normalized: false })),
  model: { type: 'BPE', vocab: {}, merges: [] },
});
const compiler = new ConstraintCompiler(tokenizer, { vocabSize: words.length + 5, endIds: [end] });
after(() => compiler.close());

const object = (properties: object, more: object = {}): Constraint => ({
  kind: 'schema',
  schema: { type: 'object', properties, ...more },
});
const syntax: CallSyntax = {
  open: '<call>',
  between: '\n<call>',
  close: '',
  beforeName: '\n',
  afterName: ': ',
  afterArguments: '!',
};

const constraints: readonly Constraint[] = [
  { kind: 'object' },
  object(
    { a: { type: 'string', maxLength: 3 }, b: { type: 'integer', minimum: -12, maximum: 305 } },
    { required: ['b'] },
  ),
  object({ a: { enum: ['x', 'xy', 3] }, ab: { type: 'null' } }, { additionalProperties: { type: 'boolean' } }),
  object({ n: { type: 'number', minimum: 0, exclusiveMaximum: 2 } }, { required: ['n'], additionalProperties: false }),
  object({}, { patternProperties: { '^x[0-9]+$': { type: 'integer' } }, minProperties: 1 }),
  {
    kind: 'schema',
    schema: { type: 'array', prefixItems: [{ const: 1 }, { type: 'null' }], minItems: 1, maxItems: 4 },
  },
  { kind: 'schema', schema: { $ref: '#/$defs/t', $defs: { t: { type: 'array', items: { $ref: '#/$defs/t' } } } } },
  { kind: 'schema', schema: { type: 'string', pattern: '^(a|b")\\\\?[^c-z]{1,2}$' } },
  { kind: 'schema', schema: { allOf: [{ type: ['integer', 'string'] }, { minimum: 7 }], minLength: 2 } },
  { kind: 'regex', pattern: '(?:ab?|\\d{2,3})+[^a-z]?' },
  { kind: 'choice', choices: ['yes', 'yes!', 'no'] },
  { kind: 'grammar', text: 'root ::= item ("," item){0,2} # list\nitem ::= [0-9]+ | "(" root ")" | "é"' },
  {
    kind: 'calls',
    syntax,
    functions: [
      { name: 'f', schema: { properties: { x: { type: 'integer' } }, required: ['x'] }, isStrict: true },
      { name: 'fg', schema: true, isStrict: false },
    ],
    isRequired: true,
    isParallel: true,
    otherwise: null,
  },
];

describe('masks', () => {
  for (const [i, constraint] of constraints.entries())
    test(`equal the slow reference: ${JSON.stringify(constraint).slice(0, 90)}`, async () => {
      const random = new Random(i, 3);
      const compiled = await compiler.compile(constraint);
      for (let walk = 0; walk < 2; walk++) {
        const reference = new ReferenceMatcher(constraintRules(constraint));
        const matcher = compiled.matcher();
        for (let step = 0; step < 25; step++) {
          const draft = random.whole(0, words.length - 1);
          const [mask, next] = await matcher.masks(draft);
          const has = (id: number) => ((mask[id >> 5] >>> (id & 31)) & 1) === 1;
          const allowed = words.map((word) => reference.allows(word));
          assert.deepEqual([...words.keys()].map(has), allowed, `walk ${walk}, step ${step}`);
          assert.equal(has(end), reference.canEnd);
          assert.equal(next !== null, allowed[draft]);
          assert.deepEqual(
            [1, 2, 3, 4].filter((beyond) => has(end + beyond)),
            [],
          );
          const open = [...words.keys()].filter(has);
          if (open.length === 0) break;
          const id = open[random.whole(0, open.length - 1)] as number;
          reference.push(words[id] as string);
          matcher.push(id);
        }
        matcher.close();
      }
    });

  test('a token that was not allowed, and a dead end, are errors', async () => {
    const matcher = (await compiler.compile({ kind: 'choice', choices: ['no'] })).matcher();
    matcher.push(words.indexOf('x'));
    await assert.rejects(matcher.masks(null), /token \d+ does not continue/);
    const dead = (await compiler.compile({ kind: 'choice', choices: ['a€'] })).matcher();
    dead.push(words.indexOf('a'));
    await assert.rejects(dead.masks(null), /no token of the vocabulary/);
    await assert.rejects(compiler.compile({ kind: 'choice', choices: ['€'] }), /the vocabulary of this model/);
  });
});

const refusals: readonly (readonly [Constraint, string | null, RegExp])[] = [
  [object({ a: { not: {} } }), '/properties/a/not', /cannot be enforced/],
  [object({ 'a/b': { if: {} } }), '/properties/a~1b/if', /use anyOf/],
  [object({ a: { type: 'array', uniqueItems: true } }), '/properties/a/uniqueItems', /set maxItems to 1/],
  [object({ a: { type: 'string', format: 'iri' } }), '/properties/a/format', /but for date/],
  [object({ a: { type: 'number', multipleOf: 3 } }), '/properties/a/multipleOf', /but for 1/],
  [object({ a: { type: 'string', pattern: '(?=a)' } }), '/properties/a/pattern', /looks ahead/],
  [object({ a: { type: 'string', pattern: '^a+$', maxLength: 3 } }), '/properties/a/pattern', /lengths into it/],
  [object({ a: { $ref: 'https://example.com/x' } }), '/properties/a/$ref', /within the schema/],
  [object({ a: { $ref: '#/nowhere' } }), '/properties/a/$ref', /nothing at/],
  [object({ a: { oneOf: [{ minimum: 1 }, { maximum: 5 }] } }), '/properties/a/oneOf', /use anyOf/],
  [object({ a: { type: 'strin' } }), '/properties/a/type', /expected one of null/],
  [object({ a: { enum: ['abc'], maxLength: 2 } }), '/properties/a/maxLength', /beside const or enum/],
  [object({ a: false }, { required: ['a'] }), '', /no value fits/],
  [{ kind: 'schema', schema: { $ref: '#' } }, '', /without end/],
  [{ kind: 'schema', schema: { allOf: [{ $ref: '#' }] } }, null, /without end/],
  [object({ a: { $ref: '#' } }, { required: ['a'] }), '', /no value fits/],
  [{ kind: 'schema', schema: { type: 'array', minItems: 1e5 } }, null, /too large/],
  [{ kind: 'regex', pattern: '(a)\\1' }, null, /refers back/],
  [{ kind: 'regex', pattern: '(a{999}){999}' }, null, /too large/],
  [{ kind: 'grammar', text: 'root ::= x' }, null, /uses x, which is not defined/],
  [{ kind: 'grammar', text: 'root ::= root "a" | "b"' }, null, /begins with itself/],
  [{ kind: 'grammar', text: 'root ::= "a" root' }, null, /no text of the grammar ever ends/],
  [{ kind: 'grammar', text: 'x ::= "a"' }, null, /no rule root/],
  [{ kind: 'grammar', text: 'root ::=\n"a' }, null, /^line 2 of the grammar/],
];

describe('what cannot be enforced', () => {
  for (const [constraint, pointer, problem] of refusals)
    test(`is refused: ${JSON.stringify(constraint).slice(8, 100)}`, async () => {
      await assert.rejects(compiler.compile(constraint), (error) => {
        assert.ok(error instanceof GrammarError, `${error}`);
        assert.match(error.problem, problem);
        if (pointer !== null) assert.equal(error.pointer ?? '', pointer);
        return true;
      });
    });
});

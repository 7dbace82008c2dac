// Constraints in the engine: every answer fits, alone or in a crowd, with and without drafts.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { constraintCompiler } from '../src/engine/answer-constraint.ts';
import type { GenerateOptions } from '../src/engine/generation.ts';
import { openModel } from '../src/engine/open-model.ts';
import type { ServedModel } from '../src/engine/served-model.ts';
import type { Constraint } from '../src/grammar/index.ts';
import { writeSmallModel } from './small-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-constraint-'));
let [model, plain]: [ServedModel | null, ServedModel | null] = [null, null];

before(async () => {
  await writeSmallModel(folder);
  const options = { cacheBytes: 2 ** 22, drafting: 'always' } as const;
  model = await openModel(folder, options);
  plain = await openModel(folder, { ...options, speculate: false });
});

after(async () => {
  await model?.close();
  await plain?.close();
  rmSync(folder, { recursive: true });
});

const pair: Constraint = {
  kind: 'schema',
  schema: {
    type: 'object',
    properties: { name: { type: 'string', maxLength: 6 }, age: { type: 'integer', minimum: 0, maximum: 130 } },
    required: ['name', 'age'],
    additionalProperties: false,
  },
};
const constraints: readonly Constraint[] = [
  pair,
  { kind: 'choice', choices: ['yes', 'no', 'perhaps'] },
  { kind: 'regex', pattern: '[a-f]{3}-\\d{2,4}' },
];

async function answer(from: ServedModel | null, constraint: Constraint | null, options: GenerateOptions) {
  assert.ok(from);
  const compiler = constraintCompiler(from.tokenizer, from.vocabSize);
  const compiled = constraint && (await compiler.compile(constraint));
  const prompt = from.tokenizer.tokenizer.encode(`the whale sings ${options.seed}`);
  const texts = { thinking: '', answer: '' };
  const ids: number[] = [];
  for await (const event of from.generate(prompt, {
    maxTokens: 150,
    logprobs: 0,
    ...options,
    ...(compiled && { constraint: compiled }),
  })) {
    if (event.type === 'part') {
      texts[event.channel] += event.text;
      ids.push(...event.tokens.map(({ id }) => id));
    } else return { ...texts, ids, reason: event.finishReason, error: event.error?.message };
  }
  throw new Error('no end');
}

function fits(constraint: Constraint, text: string): boolean {
  if (constraint.kind === 'choice') return constraint.choices.includes(text);
  if (constraint.kind === 'regex') return new RegExp(`^(?:${constraint.pattern})$`).test(text);
  const { name, age, ...rest } = JSON.parse(text);
  return (
    typeof name === 'string' &&
    [...name].length <= 6 &&
    Number.isInteger(age) &&
    age >= 0 &&
    age <= 130 &&
    Object.keys(rest).length === 0
  );
}

describe('constraints', () => {
  test('answers fit; a crowd and drafts change no token', async () => {
    const asked = Array.from({ length: 8 }, (_, i) => ({
      constraint: i % 4 === 3 ? null : constraints[i % 4],
      options: { seed: i, temperature: i % 2, startsThinking: false, logitBias: new Map([[3, 1]]) },
    }));
    const alone = [];
    for (const { constraint, options } of asked) alone.push(await answer(plain, constraint, options));
    const inCrowd = await Promise.all(asked.map(({ constraint, options }) => answer(model, constraint, options)));
    for (const [i, { constraint }] of asked.entries()) {
      assert.deepEqual(inCrowd[i], alone[i], `request ${i}`);
      if (constraint === null || alone[i].reason !== 'stop') continue;
      assert.ok(fits(constraint, alone[i].answer.replace(/^\s+/, '')), `${constraint.kind}: ${alone[i].answer}`);
    }
    const ended = alone.filter(({ reason }, i) => asked[i].constraint !== null && reason === 'stop');
    assert.ok(ended.length >= 4, `${ended.length} answers ended`);
  });

  test('the thinking is free, and the constraint begins after it', async () => {
    const budgets = [0, 3, 17];
    for (const reasoningBudget of budgets) {
      const constraint: Constraint = { kind: 'choice', choices: ['yes', 'no'] };
      const {
        answer: text,
        ids,
        reason,
        error,
      } = await answer(model, constraint, { seed: 1, startsThinking: true, reasoningBudget });
      assert.equal(reason, 'stop', error);
      assert.match(text, /^(yes|no)$/);
      const close = model?.tokenizer.tokenizer.tokenToId('</think>');
      assert.ok(ids.indexOf(close as number) <= reasoningBudget + 2);
    }
  });

  test('what would end an answer early or never is refused', async () => {
    await assert.rejects(answer(model, pair, { seed: 1, minTokens: 4 }), /minTokens: expected 0, because the answer/);
    await assert.rejects(answer(model, pair, { seed: 1, ignoreEos: true }), /ignoreEos: expected false, because/);
  });
});

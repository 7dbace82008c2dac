// Drafts are on where they pay and off where they do not, by a clock that the test moves; the tokens are the same.
// npm test -- engine/speculation
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { blockTokens } from '../kernels/index.ts';
import type { EngineOptions } from './engine.ts';
import { Sequence } from './sequence.ts';
import { Speculation, SpeculationPolicy } from './speculation.ts';
import { ask, defaults, expected, openTestEngine, TokenRunner, type TokenRunnerOptions } from './test-runner.ts';

const blocks = 64;

/**
 * Asks for answers of `tokens` tokens, `parallel` at once. Checks their tokens; returns the time in plain steps of one
 * answer.
 */
async function spent(
  options: TokenRunnerOptions,
  { rounds = 1, parallel = 1, tokens = 500, drafts = 1, ...engineOptions }: Partial<Shape & EngineOptions> = {},
) {
  const runner = new TokenRunner(blocks, drafts, options);
  const engine = openTestEngine(runner, { blocks, ...engineOptions });
  for (let round = 0; round < rounds; round++) {
    const prompts = Array.from({ length: parallel }, (_, i) => [round, i, 3]);
    const asked = prompts.map((prompt) => ask(engine, prompt, { maxTokens: tokens }));
    await Promise.all(asked.map(({ ended }) => ended));
    asked.forEach(({ outcome }, i) => {
      assert.deepEqual(outcome.tokens, expected(prompts[i], tokens));
    });
  }
  return { time: runner.time, stats: engine.stats, speculation: engine.stats.speculation };
}

interface Shape {
  readonly rounds: number;
  readonly parallel: number;
  readonly tokens: number;
  readonly drafts: number;
}

const always = () => true;
const never = () => false;

describe('drafts', () => {
  test('always right: they stay on, for nearly all that they can give', async () => {
    const { time, speculation, stats } = await spent({ isRight: always, cost: () => 1.5 });
    const { isOn, acceptance, stepCost } = speculation ?? assert.fail('no speculation');
    assert.deepEqual({ isOn, acceptance, stepCost }, { isOn: true, acceptance: 1, stepCost: 1.5 });
    assert.equal(stats.acceptedTokens, stats.draftedTokens);
    assert.ok(time < 1.07 * 500 * (1.5 / 2), `${time}`);
  });

  test('always wrong: they are off after a few steps, and tried again ever more rarely', async () => {
    const shape = { rounds: 50, tokens: 200 };
    const { time, speculation, stats } = await spent({ isRight: never, cost: () => 1.8 }, shape);
    const plain = await spent({}, { ...shape, drafts: 0 });
    assert.equal(speculation?.isOn, false);
    assert.equal(stats.acceptedTokens, 0);
    assert.ok(stats.draftedTokens > 2 * 24 && stats.draftedTokens < 4 * 30, `${stats.draftedTokens} drafts`);
    assert.ok(time < 1.01 * plain.time, `${time} steps, ${plain.time} without`);
    assert.equal(plain.speculation, null);
  });

  test('right two times of three: on for one sequence, off for eight that make them dear', async () => {
    const cost = (count: number) => (count === 1 ? 1.3 : 2);
    assert.equal((await spent({ cost })).speculation?.isOn, true);
    const many = await spent({ cost }, { parallel: 8, tokens: 400 });
    assert.equal(many.speculation?.isOn, false);
    assert.ok(many.time < 1.05 * 400, `${many.time}`);
  });

  test('what became predictable is found out by a later answer', async () => {
    let asked = 0;
    const isRight = (length: number) => {
      if (length === 3) asked++;
      return asked > 25;
    };
    const { speculation, stats } = await spent({ isRight, cost: () => 1.4 }, { rounds: 60, tokens: 200 });
    assert.deepEqual([speculation?.isOn, speculation?.switches], [true, 3], 'off, off again, on');
    assert.ok(stats.acceptedTokens > 1000);
  });

  test('any cost and acceptance: the tokens of plain steps, in hardly more than the shorter time', async () => {
    const shape = fc.record({
      right: fc.integer({ min: 0, max: 10 }),
      cost: fc.double({ min: 1, max: 2.2, noNaN: true }),
      parallel: fc.integer({ min: 1, max: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ right, cost, parallel }) => {
        const options = { isRight: (length: number) => (length * 7) % 10 < right, cost: () => cost };
        const given = { parallel, tokens: 300 };
        const { time } = await spent(options, given);
        const plain = await spent(options, { ...given, drafts: 0 });
        const drafted = await spent(options, { ...given, drafting: 'always' });
        const trial = 40 * Math.max(cost - 1, 1);
        assert.ok(time < 1.05 * Math.min(plain.time, drafted.time) + trial, `${time} ${plain.time} ${drafted.time}`);
      }),
      { numRuns: 12, seed: 3 },
    );
  });

  test('where every step has prompts in it, nothing can be timed: off', async () => {
    const runner = new TokenRunner(blocks, 1, { isRight: always, cost: () => 1.2 });
    const engine = openTestEngine(runner, { blocks, maxSequences: 2 });
    const long = ask(engine, [1], { maxTokens: 700 });
    const follow = () => {
      if (long.outcome.reason === '') void ask(engine, [2, runner.steps], { maxTokens: 1 }).ended.then(follow);
    };
    follow();
    await long.ended;
    assert.equal(engine.stats.speculation?.isOn, false);
    assert.equal(engine.stats.speculation?.stepCost, null);
    assert.deepEqual(long.outcome.tokens, expected([1], 700));
  });

  test('a prompt whose beginning was computed without is not drafted in vain', async () => {
    const runner = new TokenRunner(blocks, 1, { isRight: never, cost: () => 1.8 });
    const engine = openTestEngine(runner, { blocks });
    await ask(engine, [1], { maxTokens: 200 }).ended;
    const prompt = Array.from({ length: 5 * blockTokens }, (_, i) => i);
    assert.equal(engine.stats.speculation?.isOn, false);
    await ask(engine, prompt, { maxTokens: 1 }).ended;
    const again = ask(engine, [...prompt, 5], { maxTokens: 50 });
    await ask(engine, [2], { maxTokens: 2 }).ended;
    assert.equal(again.sequence.cachedTokens, 5 * blockTokens);
    assert.equal(engine.usage(again.sequence).draftedTokens, 0);
    engine.abort(again.sequence);
  });
});

test('a sequence with many draftless tokens is not draftable, also through shared blocks', () => {
  const speculation = new Speculation({ maxDrafts: 1, drafting: 'always', clock: () => 0 });
  const listener = {
    onToken: () => 'continue' as const,
    constraint: null,
    forcedToken: () => null,
    tokensUntilForced: Number.POSITIVE_INFINITY,
    onPromptLogprobs: () => undefined,
    onEnd: () => undefined,
  };
  const sequence = (length: number, ids: readonly number[]) => {
    const prompt = Array.from({ length }, (_, i) => i);
    const sequence = new Sequence(0, prompt, defaults, listener);
    sequence.blocks.push(...ids);
    sequence.computed = length;
    return { sequence, chunk: { sequence, from: 0, ids: Int32Array.from(prompt), sampleFrom: length } };
  };
  const first = sequence(2 * blockTokens, [7, 9]);
  speculation.ran(first.chunk, true);
  assert.equal(speculation.isDraftable(first.sequence), true);
  speculation.ran(first.chunk, false);
  assert.equal(speculation.isDraftable(first.sequence), false);
  const sharing = sequence(blockTokens, [9]);
  assert.equal(speculation.isDraftable(sharing.sequence), false);
  speculation.ran(sharing.chunk, true); // the block is written anew
  assert.equal(speculation.isDraftable(sharing.sequence), true);
  assert.equal(speculation.isDraftable(first.sequence), false);
});

test('a size is judged for itself, once both kinds of step were timed', () => {
  const governor = new SpeculationPolicy();
  for (let i = 0; i < 40; i++) governor.countDraft(false);
  assert.equal(governor.next(1, true), true, 'nothing was timed');
  for (let i = 0; i < 7; i++) {
    governor.record(2, 1, true);
    governor.record(1, 1, false);
  }
  assert.deepEqual([governor.next(1, true), governor.prepares(1)], [false, false]);
  assert.deepEqual(governor.stats, { isOn: false, acceptance: 0, stepCost: 2, switches: 1 });
  assert.deepEqual([governor.next(2, true), governor.prepares(2)], [true, true]);
  assert.equal(new SpeculationPolicy(true).next(1, true), true);
});

// The engine without a model: its runner keeps tokens where a model keeps rows, and reads all of them back.
// npm test -- engine/engine
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { blockTokens } from '../kernels/index.ts';
import { BlockPool, prefixKeys } from './block-pool.ts';
import { RefusedError } from './generation.ts';
import { ReasoningBudget } from './reasoning-budget.ts';
import type { ChunkResult, Phase, ScheduledChunk } from './runner.ts';
import { ask, defaults, expected, openTestEngine, TokenRunner } from './test-runner.ts';

/** Obeys forced tokens, as a model's draws do. */
class ForcedRunner extends TokenRunner {
  override async run(form: Phase, runs: readonly ScheduledChunk[], drafts: boolean): Promise<ChunkResult[]> {
    const results = await super.run(form, runs, drafts);
    return results.map((result, i) => {
      const forced = runs[i].sequence.listener.forcedToken();
      if (forced === null || result.sampled.length === 0) return result;
      return { ...result, sampled: [{ id: forced, logprob: 0, top: [] }, ...result.sampled.slice(1)] };
    });
  }
}

describe('engine', () => {
  test('any mix of requests, pools, windows, drafts and aborts: the tokens of each alone, no block lost', async () => {
    const request = fc.record({
      length: fc.integer({ min: 1, max: 300 }),
      shared: fc.constantFrom('nothing', 'beginning', 'all'),
      maxTokens: fc.integer({ min: 1, max: 200 }),
      stopAt: fc.oneof(fc.constant(-1), fc.integer({ min: 1, max: 60 })),
      abortAfter: fc.option(fc.integer({ min: 0, max: 30 }), { nil: null, freq: 1 }),
    });
    const setting = fc.record({
      blocks: fc.integer({ min: 8, max: 32 }),
      maxSequences: fc.integer({ min: 1, max: 8 }),
      maxStepTokens: fc.integer({ min: 1, max: 400 }),
      drafts: fc.integer({ min: 0, max: 1 }),
      prefixCache: fc.boolean(),
      reuseGenerated: fc.boolean(),
      phasesAgree: fc.boolean(),
      window: fc.option(fc.integer({ min: 1, max: 150 }), { nil: undefined }),
      common: fc.integer({ min: 1, max: 200 }),
      drafting: fc.constantFrom('always' as const, 'measured' as const),
      cost: fc.constantFrom(1, 1.9),
    });
    let preempted = 0;
    let cached = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 12 }), setting, async (requests, options) => {
        const { cost, phasesAgree, window, common } = options;
        const given = { cost: () => cost, phasesAgree, ...(window && { window }) };
        const runner = new TokenRunner(options.blocks, options.drafts, given);
        const engine = openTestEngine(runner, { ...options, contextLength: options.blocks * blockTokens });
        const answers = requests.map(({ length, shared, maxTokens, stopAt, abortAfter }, i) => {
          const own = shared === 'all' ? common : length;
          const prompt = Array.from({ length: own }, (_, p) => (shared === 'nothing' ? (p * 7 + i) % 90 : p % 50));
          const it = ask(engine, prompt, { maxTokens }, stopAt);
          const { onToken } = it.sequence.listener;
          it.sequence.listener.onToken = (token) => {
            const verdict = onToken(token);
            if (it.outcome.tokens.length === abortAfter) engine.abort(it.sequence);
            return verdict;
          };
          return { ...it, prompt };
        });
        await Promise.all(answers.map(({ ended }) => ended));
        for (const { prompt, outcome } of answers)
          assert.deepEqual(outcome.tokens, expected(prompt, outcome.tokens.length, window), outcome.error?.stack);
        answers.forEach(({ outcome }, i) => {
          const { maxTokens, stopAt, abortAfter } = requests[i];
          const limits = [maxTokens, stopAt, abortAfter].filter((n) => n !== null && n > 0) as number[];
          assert.equal(outcome.tokens.length, Math.min(...limits));
          assert.notEqual(outcome.reason, 'error');
        });
        const { blocksUsed, running, waiting, preemptions, cachedTokens } = engine.stats;
        assert.deepEqual({ blocksUsed, running, waiting }, { blocksUsed: 0, running: 0, waiting: 0 });
        assert.ok(runner.largest <= options.maxSequences);
        preempted += preemptions;
        cached += options.prefixCache ? cachedTokens : 0;
        if (!options.prefixCache) assert.equal(cachedTokens, 0);
      }),
      { numRuns: 120, seed: 7 },
    );
    assert.ok(preempted > 0 && cached > 0, 'the cases never preempted, or never found a prefix');
  });

  test('blocks before a window are given back: long answers in a pool that holds their windows alone', async () => {
    const window = 100;
    const runner = new TokenRunner(20, 0, { window });
    const engine = openTestEngine(runner, { blocks: 20 });
    let most = 0;
    const answers = [1, 2, 3].map((id) => {
      const it = ask(engine, [id, 7], { maxTokens: 1000 });
      const { onToken } = it.sequence.listener;
      it.sequence.listener.onToken = (token) => {
        most = Math.max(most, engine.stats.blocksUsed);
        return onToken(token);
      };
      return it;
    });
    await Promise.all(answers.map(({ ended }) => ended));
    for (const [i, { outcome }] of answers.entries())
      assert.deepEqual(outcome.tokens, expected([i + 1, 7], 1000, window));
    const { preemptions, blocksUsed } = engine.stats;
    assert.deepEqual({ preemptions, blocksUsed }, { preemptions: 0, blocksUsed: 0 });
    assert.ok(most <= 3 * 3, `${most} blocks were used at once`);
  });

  test('correct drafts save steps and change no token', async () => {
    const steps = async (drafts: number) => {
      const runner = new TokenRunner(64, drafts);
      const { outcome, ended } = ask(openTestEngine(runner), [1, 2, 3], { maxTokens: 60 });
      await ended;
      assert.deepEqual(outcome.tokens, expected([1, 2, 3], 60));
      return runner.steps;
    };
    assert.ok((await steps(1)) < 0.8 * (await steps(0)));
  });

  test('a reasoning budget closes the thinking at the same place with and without drafts', async () => {
    const think = async (drafts: number, limit: number) => {
      const budget = new ReasoningBudget(limit, [7777], true);
      const tokens: number[] = [];
      const engine = openTestEngine(new ForcedRunner(64, drafts));
      await new Promise<void>((resolve) => {
        engine.add(
          [1, 2, 3],
          { ...defaults, maxTokens: 12 },
          {
            onToken: ({ id }) => {
              tokens.push(id);
              budget.onToken(!tokens.includes(7777));
              return 'continue';
            },
            constraint: null,
            forcedToken: () => budget.forcedToken(),
            get tokensUntilForced() {
              return budget.tokensUntilForced;
            },
            onPromptLogprobs: () => undefined,
            onEnd: () => resolve(),
          },
        );
      });
      return tokens;
    };
    for (const limit of [0, 1, 2, 3, 4, 5]) {
      const plain = await think(0, limit);
      assert.equal(plain.indexOf(7777), limit);
      assert.deepEqual(await think(1, limit), plain);
    }
  });

  test('a second prompt with the same beginning runs only what is new', async () => {
    const engine = openTestEngine(new TokenRunner(64));
    const prompt = Array.from({ length: 200 }, (_, i) => i);
    await ask(engine, prompt).ended;
    await ask(engine, [...prompt.slice(0, 150), 5, 6]).ended;
    assert.equal(engine.stats.cachedTokens, 2 * blockTokens);
    await ask(engine, prompt, { promptLogprobs: 0 }).ended; // they need every row
    assert.equal(engine.stats.cachedTokens, 2 * blockTokens);
  });

  for (const phasesAgree of [false, true])
    test(`a prompt that many ask at once is computed once, ${phasesAgree ? 'with' : 'without'} decode`, async () => {
      for (const length of [1, 2, 63, 64, 65, 100, 128, 129]) {
        const runner = new TokenRunner(64, 0, { phasesAgree });
        const engine = openTestEngine(runner, { maxSequences: 5, maxStepTokens: 40 });
        const prompts = [7, 8, 9].map((first) => Array.from({ length }, (_, i) => (i === 0 ? first : i)));
        const answers = prompts.flatMap((prompt) =>
          Array.from({ length: 4 }, (_, i) => ({ prompt, ...ask(engine, prompt, { maxTokens: 3 + 2 * i }) })),
        );
        await Promise.all(answers.map(({ ended }) => ended));
        const tokens = answers.reduce((sum, { outcome }) => sum + outcome.tokens.length, 0);
        for (const [i, { prompt, outcome }] of answers.entries())
          assert.deepEqual(outcome.tokens, expected(prompt, 3 + 2 * (i % 4)));
        // A sequence runs its last token and those that it generates but the last; one of a group all of the prompt.
        assert.equal(runner.rows, tokens + prompts.length * (length - 1), `${length} tokens`);
        assert.equal(engine.stats.cachedTokens, 9 * (length - 1));
        assert.equal(engine.stats.blocksUsed, 0);
      }
    });

  test('prompts are forgotten when the weights have changed', async () => {
    const engine = openTestEngine(new TokenRunner(64));
    const prompt = Array.from({ length: 100 }, (_, i) => i);
    await ask(engine, prompt).ended;
    engine.forgetPrefixes();
    await ask(engine, prompt).ended;
    assert.equal(engine.stats.cachedTokens, 0);
    await ask(engine, prompt).ended;
    assert.equal(engine.stats.cachedTokens, 99);
  });

  test('blocks made during decode serve a later prompt only when requested', async () => {
    const hits = async (reuseGenerated: boolean) => {
      const engine = openTestEngine(new TokenRunner(64), { reuseGenerated });
      const first = ask(engine, [1, 2, 3], { maxTokens: 140 });
      await first.ended;
      await ask(engine, [1, 2, 3, ...first.outcome.tokens, 4]).ended;
      return engine.stats.cachedTokens;
    };
    assert.equal(await hits(false), 0);
    assert.equal(await hits(true), 2 * blockTokens);
  });

  test('an abort frees blocks at once, also during a step', async () => {
    let open = () => {};
    const gate = () =>
      new Promise<void>((resolve) => {
        open = resolve;
      });
    const engine = openTestEngine(new TokenRunner(64, 0, { gate }));
    const { sequence, outcome, ended } = ask(engine, [1, 2, 3]);
    await new Promise(setImmediate);
    assert.ok(engine.stats.blocksUsed > 0);
    engine.abort(sequence);
    assert.equal(engine.stats.blocksUsed, 0);
    open();
    await ended;
    assert.deepEqual(outcome, { tokens: [], reason: 'abort', error: undefined });
  });

  test('a step that fails ends its sequences with the error; the engine continues', async () => {
    const runner = new TokenRunner(64);
    const { run } = runner;
    runner.run = () => Promise.reject(new Error('NaN'));
    const engine = openTestEngine(runner);
    const failed = ask(engine, [1]);
    await failed.ended;
    assert.equal(failed.outcome.reason, 'error');
    assert.equal(failed.outcome.error?.message, 'NaN');
    runner.run = run;
    const next = ask(engine, [1]);
    await next.ended;
    assert.deepEqual(next.outcome.tokens, expected([1], 20));
    assert.equal(engine.stats.requests.error, 1);
  });

  test('refusals say what is wrong and why', async () => {
    const engine = openTestEngine(new TokenRunner(4), { blocks: 4, maxWaiting: 2, maxSequences: 1 });
    const refusal = (prompt: number[]) => {
      try {
        ask(engine, prompt);
      } catch (error) {
        if (error instanceof RefusedError) return `${error.kind}: ${error.message}`;
        throw error;
      }
      return 'taken';
    };
    assert.match(refusal([]), /^invalid: the prompt is empty/);
    assert.match(refusal(new Array(256).fill(1)), /^too-long: the prompt has 256 tokens, the context holds 256/);
    const taken = [ask(engine, [1]), ask(engine, [2])];
    assert.match(refusal([3]), /^overloaded: 2 requests of 2 tokens are waiting/);
    await Promise.all(taken.map(({ ended }) => ended));
    await engine.close();
    assert.match(refusal([1]), /^closing/);
  });

  test('close lets what runs finish, and aborts it after the grace', async () => {
    const engine = openTestEngine(new TokenRunner(64));
    const finishing = ask(engine, [1], { maxTokens: 5 });
    await engine.close(10_000);
    assert.equal(finishing.outcome.reason, 'length');
    const slow = openTestEngine(
      new TokenRunner(64, 0, { gate: () => new Promise((resolve) => setTimeout(resolve, 5)) }),
    );
    const cut = ask(slow, [1], { maxTokens: 2000 });
    await slow.close(20);
    assert.equal(cut.outcome.reason, 'abort');
  });
});

describe('block pool', () => {
  test('named blocks outlive their owners, the longest unused goes first', () => {
    const pool = new BlockPool(2);
    const [a, b] = [pool.take() as number, pool.take() as number];
    assert.equal(pool.take(), null);
    pool.setKey(a, 'a');
    pool.setKey(b, 'b');
    pool.release(b);
    pool.release(a);
    assert.deepEqual([pool.used, pool.cached, pool.available], [0, 2, 2]);
    assert.equal(pool.take(), b);
    assert.equal(pool.find('b'), null);
    assert.equal(pool.find('a'), a);
    assert.throws(() => [pool.release(b), pool.release(b)], /released twice/);
  });

  test('a key depends on everything before the end of its block', () => {
    const ids = Int32Array.from({ length: 3 * blockTokens + 5 }, (_, i) => i);
    const keys = prefixKeys(ids);
    assert.equal(keys.length, 4);
    const other = ids.slice();
    other[0] = 99;
    assert.equal(new Set([...keys, ...prefixKeys(other)]).size, 8);
    assert.deepEqual(prefixKeys(ids.subarray(0, 3 * blockTokens)), keys.slice(0, 3));
    assert.notEqual(prefixKeys(ids.subarray(0, 3 * blockTokens + 4))[3], keys[3]);
  });
});

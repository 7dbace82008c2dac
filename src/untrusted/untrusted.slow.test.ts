// Work that never ends or takes all the memory, and JSON counted before it is parsed. npm test -- untrusted
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { JsonScanner, runWithin, Sandbox, SandboxError, TimeLimitError } from './index.ts';
import { measureJson } from './json-shape.ts';
import type { TestJob } from './test-process.ts';

describe('a time limit', () => {
  const endless: readonly (readonly [string, () => unknown])[] = [
    [
      'a loop',
      () => {
        for (;;);
      },
    ],
    ['a regular expression', () => /(a+)+$/.test(`${'a'.repeat(40)}!`)],
    ['JSON of 2^40 values', () => JSON.stringify(Array.from({ length: 40 }).reduce((list) => [list, list], 1))],
  ];
  for (const [name, work] of endless)
    test(`${name} is cut off`, () => assert.throws(() => runWithin(20, work), TimeLimitError));

  test('values and errors pass, also from within', () => {
    assert.equal(
      runWithin(1000, () => runWithin(999.5, () => 3) + 1),
      4,
    );
    assert.throws(
      () =>
        runWithin(1000, () => {
          throw new RangeError('own');
        }),
      /^RangeError: own$/,
    );
    assert.throws(
      () =>
        runWithin(1000, () =>
          runWithin(20, () => {
            for (;;);
          }),
        ),
      TimeLimitError,
    );
  });
});

describe('the shape of JSON', () => {
  const isNumbers = (value: unknown): value is number[] =>
    Array.isArray(value) && value.length > 1 && value.every((each) => typeof each === 'number');
  /** The same counts from the parsed value: separators and brackets, without lists of two numbers or more. */
  const count = (value: unknown): { values: number; numbers: number; depth: number } => {
    if (typeof value !== 'object' || value === null) return { values: 0, numbers: 0, depth: 0 };
    if (isNumbers(value)) return { values: 1, numbers: value.length, depth: 1 };
    const parts = Object.values(value).map(count);
    const sum = (field: 'values' | 'numbers') => parts.reduce((total, part) => total + part[field], 0);
    const separators = Math.max(0, parts.length - 1) + (Array.isArray(value) ? 0 : parts.length);
    const depth = 1 + parts.reduce((max, part) => Math.max(max, part.depth), 0);
    return { values: 1 + separators + sum('values'), numbers: sum('numbers'), depth };
  };
  const json = fc.oneof(fc.jsonValue({ maxDepth: 5 }), fc.array(fc.oneof(fc.integer(), fc.array(fc.integer()))));

  test('is that of the parsed value, wherever the bytes are split', () => {
    const check = (value: unknown, spaces: number, at: number) => {
      const bytes = new TextEncoder().encode(JSON.stringify(value, null, spaces));
      const scanner = new JsonScanner();
      scanner.push(bytes.subarray(0, at));
      scanner.push(bytes.subarray(at));
      assert.deepEqual(scanner.shape, count(value), JSON.stringify(value));
    };
    fc.assert(fc.property(json, fc.nat(2), fc.nat(60), check), { numRuns: 1000, seed: 5 });
  });

  test('brackets and quotes inside texts do not count', () => {
    const bytes = new TextEncoder().encode('["[[{,:\\"[", "\\\\", [1,2,3]]');
    assert.deepEqual(measureJson(bytes), { depth: 2, values: 4, numbers: 3 });
  });
});

describe('a sandbox', () => {
  const entry = new URL(import.meta.url.replace(/untrusted\.slow\.test(\.[jt]s)$/, 'test-process$1'));
  const sandbox = new Sandbox<TestJob, unknown>({ entry, setup: () => 'the setup' });
  after(() => sandbox.close());
  const is = (fault: string) => (error: unknown) => error instanceof SandboxError && error.fault === fault;

  test('each hostile job ends its process alone, and the next job has another one', async () => {
    const faults: readonly (readonly [TestJob, string])[] = [
      ['loop', 'time'],
      ['regex', 'time'],
      ['memory', 'memory'],
      ['exit', 'memory'],
      ['throw', 'memory'],
    ];
    for (const [job, fault] of faults) {
      const failed = sandbox.run(job, job === 'memory' ? 60_000 : 100);
      const next = sandbox.run('echo', 10_000);
      await assert.rejects(failed, is(fault), job);
      assert.equal(await next, 'the setup', job);
    }
  });

  test('a process does many jobs, and whoever leaves the queue is not waited for', async () => {
    const [first, second] = await Promise.all([sandbox.run('pid', 10_000), sandbox.run('pid', 10_000)]);
    assert.equal(first, second);
    const controller = new AbortController();
    const running = sandbox.run('loop', 100);
    const waiting = sandbox.run('echo', 10_000, controller.signal);
    controller.abort(new Error('left'));
    await assert.rejects(waiting, /left/);
    await assert.rejects(running, is('time'));
  });

  test('no more than 256 jobs wait, and closing rejects them', async () => {
    const own = new Sandbox<TestJob, unknown>({ entry, setup: () => null });
    const jobs = Array.from({ length: 257 }, () => own.run('loop', 60_000));
    await assert.rejects(own.run('echo', 10_000), is('busy'));
    own.close();
    for (const job of jobs) await assert.rejects(job, is('closed'));
    await assert.rejects(own.run('echo', 10_000), is('closed'));
  });

  test('a module that is not there is a fault of its job', async () => {
    const own = new Sandbox({ entry: new URL('./none.js', entry), setup: () => null });
    await assert.rejects(own.run('echo', 10_000), SandboxError);
    own.close();
  });
});

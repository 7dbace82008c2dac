// Evaluations of answerers that are known to be right, wrong or out of order. npm test -- src/rl/evaluate
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { ApiError } from '../corpus/index.ts';
import { type Grading, openTask } from '../tasks/index.ts';
import { type Answerer, ofApi } from './answerer.ts';
import { evaluate } from './evaluate.ts';

const options = { difficulty: 3, problems: 12, samples: 4, maxTokens: 50, template: 'short', seed: 3 } as const;

let task: Grading;
before(async () => {
  task = await openTask('countdown');
});

/** Answers by solutions, but for the samples that `isWrong` names. */
async function solver(isWrong: (call: number) => boolean): Promise<Answerer> {
  const places = Array.from({ length: options.problems }, (_, index) => ({
    ...options,
    index,
    split: 'held-out' as const,
  }));
  const problems = await task.problems(places);
  const solutions = await task.solutions(problems);
  let calls = 0;
  return async (prompt) => {
    const p = problems.findIndex((problem) => prompt[1] === problem.prompt);
    const isWell = !isWrong(calls++);
    return { text: `trying\n</think>\n<answer>${isWell ? solutions[p] : '1'}</answer>`, tokens: 9 };
  };
}

describe('evaluate', () => {
  test('an answerer that knows all solutions passes everything', async () => {
    let told = 0;
    const result = await evaluate(task, await solver(() => false), {
      ...options,
      progress: (n) => {
        told += n;
      },
    });
    assert.deepEqual([result.passAt1, result.consensus.mean, result.format], [{ mean: 1, margin: 0 }, 1, 1]);
    assert.deepEqual([result.tokens, told], [9, options.problems * options.samples]);
  });

  test('one wrong answer of four lowers pass@1, not the majority', async () => {
    const result = await evaluate(task, await solver((call) => call % 4 === 1), { ...options, parallel: 1 });
    assert.deepEqual([result.passAt1.mean, result.consensus.mean], [0.75, 1]);
  });

  test('answers that hide in the thinking do not count', async () => {
    const hidden: Answerer = async () => ({ text: '<answer>1</answer>', tokens: 1 });
    const result = await evaluate(task, hidden, options);
    assert.deepEqual([result.passAt1.mean, result.format], [0, 0]);
  });
});

describe('an API', () => {
  let server: Server;
  let base: string;
  let statuses: (number | string)[] = [];
  before(async () => {
    server = createServer((_, response) => {
      const next = statuses.shift() ?? 200;
      if (next === 'drop') response.destroy();
      else if (typeof next === 'string') response.end(next);
      else {
        response.statusCode = next;
        response.end(
          next === 200 ? JSON.stringify({ choices: [{ text: 'yes' }], usage: { completion_tokens: 2 } }) : 'no',
        );
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`;
  });
  after(() => server.close());
  const sampling = { temperature: 1, topP: 1, maxTokens: 5, seed: 1 };

  test('is asked again when it throttles, fails or drops the line', async () => {
    statuses = [429, 503, 'drop'];
    assert.deepEqual(await ofApi({ base, model: 'm', key: null, waitMs: 1 })(['', 'hi', ''], sampling), {
      text: 'yes',
      tokens: 2,
      isEnded: true,
    });
  });

  test('that refuses, or never recovers, is an error with its status', async () => {
    statuses = [401];
    await assert.rejects(
      ofApi({ base, model: 'm', key: 'key', waitMs: 1 })(['', 'hi', ''], sampling),
      /answered 401.*check the address, the name of the model and the key/,
    );
    statuses = Array(20).fill(500);
    await assert.rejects(ofApi({ base, model: 'm', key: null, waitMs: 1 })(['', 'hi', ''], sampling), ApiError);
    statuses = ['{"choices":[]}'];
    assert.equal((await ofApi({ base, model: 'm', key: null })(['', 'hi', ''], sampling)).text, '');
  });
});

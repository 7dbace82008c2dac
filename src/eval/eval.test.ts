// Evaluations of answerers that are known to be right, wrong or out of order. npm test -- src/eval
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type ChosenTask, closeTasks, openTasks } from '../tasks/index.ts';
import { type Answerer, apiAnswerer } from './answerer.ts';
import { ApiError } from './completion-api.ts';
import { consensus, passAt1 } from './estimate.ts';
import { evaluate } from './evaluate.ts';
import { type QuestionSource, readQuestions } from './question.ts';

const options = { problems: 12, samples: 4, maxTokens: 50, temperature: 0.6, topP: 0.95 } as const;

let source: QuestionSource;
let chosen: ChosenTask;
before(async () => {
  const seed = 3;
  const tasks = await openTasks([{ task: 'countdown', difficulty: 3, share: 1 }], seed);
  source = { tasks, seed, template: 'short' };
  [chosen] = tasks;
});
after(() => closeTasks(source.tasks));

/** Answers with solutions, except the calls that `isWrong` names. */
async function solver(isWrong: (call: number) => boolean): Promise<Answerer> {
  const questions = await readQuestions(source, chosen, [...Array(options.problems).keys()], 'held-out');
  const solutions = await chosen.task.solutions(questions.map(({ problem }) => problem));
  let calls = 0;
  return async (prompt) => {
    const p = questions.findIndex((question) => prompt[1] === question.problem.prompt);
    const answer = isWrong(calls++) ? '1' : solutions[p];
    return { text: `trying\n</think>\n<answer>${answer}</answer>`, tokens: 9, isEnded: true };
  };
}

describe('evaluate', () => {
  test('an answerer that knows all solutions passes everything', async () => {
    let answers = 0;
    const result = await evaluate(await solver(() => false), source, chosen, {
      ...options,
      progress: () => {
        answers++;
      },
    });
    assert.deepEqual([result.passAt1, result.consensus.mean, result.format], [{ mean: 1, margin: 0 }, 1, 1]);
    assert.deepEqual([result.tokens, answers], [9, options.problems * options.samples]);
  });

  test('one wrong answer of four lowers pass@1, not the majority', async () => {
    const answerer = await solver((call) => call % 4 === 1);
    const result = await evaluate(answerer, source, chosen, { ...options, parallel: 1 });
    assert.deepEqual([result.passAt1.mean, result.consensus.mean], [0.75, 1]);
  });

  test('answers that hide in the thinking do not count', async () => {
    const hidden: Answerer = async () => ({ text: '<answer>1</answer>', tokens: 1, isEnded: true });
    const result = await evaluate(hidden, source, chosen, options);
    assert.deepEqual([result.passAt1.mean, result.format], [0, 0]);
  });
});

test('pass@1 with its interval, and the majority', () => {
  const { mean, margin } = passAt1([
    [true, true],
    [false, false],
    [true, false],
  ]);
  assert.equal(mean, 0.5);
  assert.ok(Math.abs(margin - (1.96 * 0.5) / Math.sqrt(3)) < 1e-12, `${margin}`);
  const vote = (answer: string | null, isCorrect: boolean) => ({ answer, isCorrect });
  assert.equal(consensus([[vote('7', true), vote('8', false), vote(' 7 ', true)]]).mean, 1);
  assert.equal(consensus([[vote('7', true), vote('8', false), vote('8', false)]]).mean, 0);
  assert.equal(consensus([[vote(null, false), vote(null, false)]]).mean, 0);
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
    assert.deepEqual(await apiAnswerer({ base, model: 'm', key: null, waitMs: 1 })(['', 'hi', ''], sampling), {
      text: 'yes',
      tokens: 2,
      isEnded: true,
    });
  });

  test('that refuses, or never recovers, is an error with its status', async () => {
    statuses = [401];
    await assert.rejects(
      apiAnswerer({ base, model: 'm', key: 'key', waitMs: 1 })(['', 'hi', ''], sampling),
      /answered 401.*check the address, the name of the model and the key/,
    );
    statuses = Array(20).fill(500);
    await assert.rejects(apiAnswerer({ base, model: 'm', key: null, waitMs: 1 })(['', 'hi', ''], sampling), ApiError);
    statuses = ['{"choices":[]}'];
    assert.equal((await apiAnswerer({ base, model: 'm', key: null })(['', 'hi', ''], sampling)).text, '');
  });
});

// Evaluations of answerers that are known to be right or wrong, of an API that fails, of the bundled model.
// npm test -- src/eval
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { packageRoot } from '../kernels/index.ts';
import { type ChosenTask, closeTasks, openTasks, toPrompt } from '../tasks/index.ts';
import { type Answerer, apiAnswerer, isSkippable, type OpenedAnswerer, openAnswerer } from './answerer.ts';
import { ApiError } from './completion-api.ts';
import { consensus, passAt1 } from './estimate.ts';
import { evaluate } from './evaluate.ts';
import { type QuestionSource, readQuestions } from './question.ts';
import { completion, type Reply, startApi } from './test-completion-api.ts';

const options = { problems: 12, samples: 4, maxTokens: 50, temperature: 0.6, topP: 0.95 } as const;

let source: QuestionSource;
let chosen: ChosenTask;
before(async () => {
  const seed = 3;
  const tasks = await openTasks([{ task: 'countdown', difficulty: 3, share: 1, phrasing: 'canonical' }], seed);
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

  test('drafts are counted over all answers; without any there is no share', async () => {
    let calls = 0;
    const drafting: Answerer = async () => {
      const drafts = calls++ % 2 === 0 ? { drafted: 9, accepted: 6 } : { drafted: 1, accepted: 1 };
      return { text: '', tokens: 9, isEnded: true, drafts };
    };
    assert.equal((await evaluate(drafting, source, chosen, options)).draftAcceptance, 0.7);
    assert.equal((await evaluate(await solver(() => false), source, chosen, options)).draftAcceptance, null);
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
  const sampling = { temperature: 1, topP: 1, maxTokens: 5, seed: 1 };
  /** Answers a prompt from an API that gives these replies, one after the other. */
  async function answerFrom(replies: readonly Reply[]) {
    const api = await startApi((_, nth) => replies[Math.min(nth, replies.length - 1)]);
    try {
      return await apiAnswerer({ base: api.url, model: 'm', key: null, waitMs: 1 })(['', 'hi', ''], sampling);
    } finally {
      await api.close();
    }
  }

  test('a request is repeated while the API throttles, fails or hangs up', async () => {
    const failures = [
      { status: 429, body: 'no' },
      { status: 503, body: 'no' },
      { body: '', hangUp: true },
    ];
    const answer = { text: 'yes', tokens: 3, promptTokens: 0, isEnded: true };
    assert.deepEqual(await answerFrom([...failures, completion('yes')]), answer);
    assert.deepEqual(await answerFrom([completion('yes', 'length')]), { ...answer, isEnded: false });
  });

  test('a refusal, and failures without end, are errors; only the latter may be skipped', async () => {
    const refused = await answerFrom([{ status: 401, body: 'no' }]).catch((error) => error);
    assert.match(refused.message, /answered 401.*check the address, the name of the model and the key/);
    const failed = await answerFrom([{ status: 500, body: 'no' }]).catch((error) => error);
    assert.ok(failed instanceof ApiError);
    assert.deepEqual([isSkippable(refused), isSkippable(failed)], [false, true]);
  });

  test('a body that is no completion is an error, not an empty answer', async () => {
    const failed = await answerFrom([{ body: '{"choices":[]}' }]).catch((error) => error);
    assert.match(failed.message, /answered 200 without a completion: \{"choices":\[\]\}/);
    assert.equal(isSkippable(failed), true);
  });
});

describe('the bundled model', () => {
  const prompt = toPrompt('short', 'What is 28 * 8?');
  const sampling = { temperature: 0.6, topP: 0.95, maxTokens: 250, seed: 1 };
  let opened: OpenedAnswerer;
  before(async () => {
    opened = await openAnswerer(join(packageRoot(), 'models/minke'), { api: { model: '', key: null } });
  });
  after(() => opened.close());

  test('answers with its thinking and without the end token', async () => {
    const seeds = [0, 1, 2, 3, 4, 5, 6, 7];
    const answers = await Promise.all(seeds.map((seed) => opened.answer(prompt, { ...sampling, seed })));
    const ended = answers.filter(({ isEnded }) => isEnded);
    assert.ok(ended.length > 0);
    for (const { text } of ended) assert.match(text, /<\/think>\s*<answer>.*<\/answer>\s*$/s);
    for (const { tokens, isEnded } of answers) assert.ok(isEnded || tokens === sampling.maxTokens, `${tokens} tokens`);
    const cut = await opened.answer(prompt, { ...sampling, seed: 0, maxTokens: 3 });
    assert.deepEqual([cut.tokens, cut.isEnded], [3, false]);
    assert.ok(answers[0].text.startsWith(cut.text));
  });

  test('stops when the signal aborts', async () => {
    const stopping = new AbortController();
    const answer = opened.answer(prompt, sampling, stopping.signal);
    stopping.abort();
    await assert.rejects(answer, { name: 'AbortError' });
  });
});

// Tasks to try: what there is, fresh problems, verdicts. npm test -- server/tasks
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isHeldOut } from '../tasks/index.ts';
import { gradeResult, taskList, taskProblem } from './protocol-tasks.ts';
import { assertRefused, get, json, post, serve } from './test-requests.ts';

const { app } = serve();
const verdictOn = async (prompt: string, content: string, thinking: string | null = 'Hm.') => {
  const response = await post(app, '/minke/tasks/grade', { prompt, content, reasoning_content: thinking });
  return gradeResult.parse(await response.json()).verdict;
};

describe('tasks to try', () => {
  test('are listed with their dials', async () => {
    const { tasks } = taskList.parse(await json(get(app, '/minke/tasks')));
    assert.deepEqual(
      tasks.map(({ name, difficulty }) => [name, difficulty.usual]),
      [
        ['countdown', 3],
        ['arithmetic', 2],
        ['sequence', 2],
      ],
    );
  });

  test('give problems that were held out: the same of a seed, another without', async () => {
    const ask = async (more: object) =>
      taskProblem.parse(await json(post(app, '/minke/tasks/problem', { task: 'countdown', ...more })));
    const first = await ask({ seed: 7, difficulty: 4 });
    assert.deepEqual(await ask({ seed: 7, difficulty: 4 }), first);
    assert.equal(first.key.split(' ').length, 4);
    assert.ok(isHeldOut(first.key));
    assert.notEqual((await ask({})).prompt, (await ask({})).prompt);
  });

  test('refuse what is not there', async () => {
    const ask = (body: object) => post(app, '/minke/tasks/problem', body);
    await assertRefused(await ask({ task: 'chess' }), 404, /countdown, arithmetic, sequence/, 'task');
    await assertRefused(
      await ask({ task: 'countdown', difficulty: 99 }),
      422,
      /whole number from 2 to 6/,
      'difficulty',
    );
    await assertRefused(await ask({ task: 'countdown', seed: -1 }), 422, /seed/, 'seed');
  });

  test('grade answers to their own problems and to those that people write', async () => {
    const asked = 'make 24 from 4, 7, 8, 8';
    const right = { task: 'countdown', answer: '(7-8/8)*4', correct: true, reason: 'it makes 24' };
    assert.deepEqual(await verdictOn(asked, '<answer>(7-8/8)*4</answer>'), right);
    assert.deepEqual(await verdictOn(asked, 'So it is \\boxed{(7-8/8)*4}.', null), right);
    assert.match((await verdictOn(asked, '<answer>4*7</answer>'))?.reason as string, /it uses 4, 7, not each/);
    assert.equal((await verdictOn('What is 12 * 12?', '<answer>144</answer>'))?.correct, true);
  });

  test('say why there is nothing to grade', async () => {
    const asked = 'make 24 from 3, 8';
    const reason = async (content: string) => {
      const verdict = await verdictOn(asked, content);
      assert.deepEqual([verdict?.correct, verdict?.answer], [false, null]);
      return verdict?.reason;
    };
    assert.equal(await reason(''), 'it did not come to an answer');
    assert.equal(await reason('It is 3*8.'), 'no answer stands between <answer> and </answer>');
    assert.equal(await reason('<answer>3*8'), 'the answer is not closed');
    assert.equal(await verdictOn('Why is the sky blue?', '<answer>3</answer>'), null);
  });
});

// Tasks to try a model on: the list with its levels and examples, drawn problems, verdicts. npm test -- server/tasks
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { bundledFacts, isHeldOut, openTask } from '../tasks/index.ts';
import { type TaskProblem, taskList, taskProblem, taskVerdict } from './protocol-tasks.ts';
import { readTaskResults } from './tasks.ts';
import { assertRefused, get, json, post, serve } from './test-requests.ts';

const { app } = serve();
const draw = async (more: object, name = 'countdown') =>
  taskProblem.parse(await json(post(app, '/minke/tasks/problem', { task: name, ...more })));
const countdown = (target: number, ...numbers: number[]): TaskProblem => ({
  task: 'countdown',
  difficulty: numbers.length,
  problem: { prompt: 'Make it.', key: numbers.join(' '), numbers, target },
});
const grade = async ({ task, problem }: TaskProblem, content: string, thinking: string | null = 'Hm.') =>
  taskVerdict.parse(
    await json(post(app, '/minke/tasks/grade', { task, problem, content, reasoning_content: thinking })),
  );

describe('tasks to try', () => {
  test('are listed with all levels where nothing is measured', async () => {
    const { tasks } = taskList.parse(await json(get(app, '/minke/tasks')));
    assert.deepEqual(
      tasks.map(({ name, difficulty, levels, example }) => [name, difficulty.default, levels.length, example]),
      [...bundledFacts.values()].map(({ name, difficulty }) => [
        name,
        difficulty.default,
        difficulty.to - difficulty.from + 1,
        null,
      ]),
    );
  });

  test('of a measured model, the levels that it solves are offered, and its example is', async () => {
    const level = (task: string, difficulty: number, mean: number) => ({ task, difficulty, passAt1: { mean } });
    const levels = [level('countdown', 2, 0), level('countdown', 3, 0.75), level('countdown', 5, 0)];
    for (const difficulty of [1, 2, 3, 4])
      levels.push(level('sequence', difficulty, 0), level('sums', difficulty, 0.5));
    const example = countdown(24, 3, 8);
    const { app, model } = serve({}, { taskResults: { 'test-model': { levels, examples: [example] } } });
    for (const query of ['', `?model=${model.name}`]) {
      const { tasks } = taskList.parse(await json(get(app, `/minke/tasks${query}`)));
      assert.deepEqual(
        tasks.map(({ name, levels }) => [name, levels]),
        [
          ['countdown', [3]],
          ['sums', [1, 2, 3, 4]],
        ],
      );
      assert.deepEqual([tasks[0].example, tasks[1].example], [example, null]);
    }
    await assertRefused(await get(app, '/minke/tasks?model=shark'), 404, /"shark" is not served/, 'model');
    const sum = { task: 'sums', difficulty: 1, problem: { prompt: 'What is 1 + 1?', key: '1 + 1' } };
    const other = serve({}, { taskResults: { 'test-model': { levels, examples: [sum] } } });
    const { tasks } = taskList.parse(await json(get(other.app, '/minke/tasks')));
    assert.deepEqual(
      tasks.map(({ name }) => name),
      ['sums', 'countdown'],
      'a task with an example comes first',
    );
  });

  test('the results of a model are a file in its folder', () => {
    const folder = mkdtempSync(join(tmpdir(), 'minke-tasks-'));
    assert.equal(readTaskResults(folder), null);
    writeFileSync(join(folder, 'tasks.json'), '{"levels":[]}');
    assert.throws(() => readTaskResults(folder), /tasks\.json\] is not valid; remove it/);
    writeFileSync(join(folder, 'tasks.json'), '{"levels":[],"examples":[]}');
    assert.deepEqual(readTaskResults(folder), { levels: [], examples: [] });
    rmSync(folder, { recursive: true });
  });

  test('problems are held out of training; the same seed gives the same one', async () => {
    const first = await draw({ seed: 7, difficulty: 4 });
    assert.deepEqual(await draw({ seed: 7, difficulty: 4 }), first);
    assert.equal(first.difficulty, 4);
    assert.equal(first.problem.key.split(' ').length, 4);
    assert.ok(isHeldOut(first.problem.key));
    assert.notEqual((await draw({})).problem.prompt, (await draw({})).problem.prompt);
  });

  test('what does not exist is refused', async () => {
    const ask = (body: object) => post(app, '/minke/tasks/problem', body);
    await assertRefused(await ask({ task: 'chess' }), 404, /countdown, arithmetic, sequence/, 'task');
    await assertRefused(
      await ask({ task: 'countdown', difficulty: 99 }),
      422,
      /whole number from 2 to 6/,
      'difficulty',
    );
    await assertRefused(await ask({ task: 'countdown', seed: -1 }), 422, /seed/, 'seed');
    await assertRefused(await ask({ task: './package.json' }), 404, /does not exist/, 'task');
  });

  test('answers are graded by the data of the problem', async () => {
    const problem = countdown(24, 4, 7, 8, 8);
    const right = { task: 'countdown', answer: '(7-8/8)*4', correct: true, reason: 'it makes 24' };
    assert.deepEqual(await grade(problem, '<answer>(7-8/8)*4</answer>'), right);
    assert.deepEqual(await grade(problem, 'So it is \\boxed{(7-8/8)*4}.', null), right);
    assert.match((await grade(problem, '<answer>4*7</answer>')).reason, /it uses 4, 7, not each/);
    for (const name of ['arithmetic', 'sequence']) {
      const drawn = await draw({ seed: 3 }, name);
      const truth = drawn.problem.answer ?? drawn.problem.next;
      assert.equal((await grade(drawn, `<answer>${truth}</answer>`)).correct, true);
      assert.equal((await grade(drawn, `<answer>${truth}1</answer>`)).correct, false);
    }
  });

  test('the verdict says why there is nothing to grade', async () => {
    const reason = async (content: string) => {
      const { correct, answer, reason } = await grade(countdown(24, 3, 8), content);
      assert.deepEqual([correct, answer], [false, null]);
      return reason;
    };
    assert.equal(await reason(''), 'the text ends before the answer');
    assert.equal(await reason('It is 3*8.'), 'there is no answer between <answer> and </answer>');
    assert.equal(await reason('<answer>3*8'), 'the answer is not closed');
  });

  test("the owner's task is offered first, drawn, and graded; one that hangs costs its answer alone", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'minke-tasks-'));
    const file = join(folder, 'double.js');
    writeFileSync(
      file,
      `export const task = {
        name: 'double', description: 'Double a number.', difficulty: { from: 1, to: 3, default: 2 },
        problem: (random) => {
          const n = random.whole(1, 999);
          return { prompt: 'Double ' + n + '.', key: 'n' + n, n };
        },
        grade: ({ n }, answer) => {
          while (answer === '?');
          return { correct: answer === String(2 * n), reason: 'twice' };
        },
      };`,
    );
    const own = await openTask(file, { limitMs: 200 });
    const level = { task: 'sums', difficulty: 1, passAt1: { mean: 1 } };
    const { app } = serve({}, { tasks: [own], taskResults: { 'test-model': { levels: [level], examples: [] } } });
    const { tasks } = taskList.parse(await json(get(app, '/minke/tasks')));
    assert.deepEqual(
      tasks.map(({ name, levels }) => [name, levels]),
      [
        ['double', [1, 2, 3]],
        ['sums', [1]],
      ],
    );
    const drawn = taskProblem.parse(await json(post(app, '/minke/tasks/problem', { task: 'double', seed: 3 })));
    assert.ok(isHeldOut(drawn.problem.key));
    const answer = (text: string) =>
      post(app, '/minke/tasks/grade', { task: 'double', problem: drawn.problem, content: `<answer>${text}</answer>` });
    const right = String(2 * Number(drawn.problem.n));
    assert.equal(taskVerdict.parse(await json(answer(right))).correct, true);
    await assertRefused(
      await answer('?'),
      422,
      /double cannot grade it \(it did not return within 200 ms\)/,
      'problem',
    );
    assert.equal(taskVerdict.parse(await json(answer(`${right}1`))).correct, false);
    await assertRefused(await post(app, '/minke/tasks/problem', { task: file }), 404, /use one of double, /, 'task');
    await own.close();
    rmSync(folder, { recursive: true });
  });

  test('data that is no problem of the task is refused', async () => {
    const ask = (body: object) => post(app, '/minke/tasks/grade', { content: '<answer>3</answer>', ...body });
    const problem = { prompt: 'Make 24 from 3, 8.', key: '3 8' };
    await assertRefused(
      await ask({ task: 'countdown', problem }),
      422,
      /countdown cannot grade it \(it threw .*\): send it as it was drawn/,
      'problem',
    );
    await assertRefused(await ask({ task: 'countdown', problem: { prompt: '' } }), 422, /prompt/, 'problem.prompt');
    const large = { ...problem, numbers: Array(70_000).fill(1) };
    await assertRefused(await ask({ task: 'countdown', problem: large }), 422, /65536 characters/, 'problem');
    await assertRefused(await ask({ task: 'chess', problem }), 404, /countdown, arithmetic, sequence/, 'task');
  });
});

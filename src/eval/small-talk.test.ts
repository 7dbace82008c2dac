// Small talk as a task: what is asked, how a reply is read, and what a rule says of it. npm test -- small-talk
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeTasks, readReply } from '../tasks/index.ts';
import { judge } from './judge.ts';
import { gradeReply, openRunTasks } from './small-talk.ts';

const choice = (task: string) => ({ task, share: 1, phrasing: 'canonical' }) as const;

test('a reply is what follows the thinking, in words and without tags', () => {
  assert.deepEqual(readReply('\n</think>\n\nHello!\n'), {
    thinking: '\n',
    answer: 'Hello!',
    isWellFormed: true,
    problem: null,
  });
  for (const [text, problem] of [
    ['Hello!', 'the thinking does not end'],
    ['\n</think>\n', 'the reply is empty'],
    ['3+4\n</think>\n<answer>7</answer>', '<answer> stands in a reply in words'],
    ['<think>\n</think>\nHello!', '<think> stands in a reply in words'],
  ])
    assert.deepEqual([readReply(text).answer, readReply(text).problem], [null, problem]);
});

test('a rule sees length, words and repetition', () => {
  assert.equal(gradeReply('Hello! What can I compute for you?').correct, true);
  for (const [reply, reason] of [
    ['42', 'the reply has no word'],
    ['It is 42', 'the reply is a number'],
    ['Hello! Hello! Hello!', 'the reply repeats itself'],
    ['word '.repeat(100), 'the reply has more than 240 characters'],
  ])
    assert.deepEqual(gradeReply(reply), { correct: false, reason });
});

test('it stands among the tasks of a run, in their order, and is judged by its own reading', async () => {
  const tasks = await openRunTasks([choice('small-talk'), choice('sums'), choice('small-talk')], 3);
  assert.deepEqual(
    tasks.map(({ task }) => task.name),
    ['small-talk', 'sums', 'small-talk'],
  );
  const [{ task }] = tasks;
  const places = ['train', 'held-out'].flatMap((split) =>
    Array.from({ length: 200 }, (_, index) => ({ seed: 3, index, split: split as 'train' | 'held-out' })),
  );
  const problems = await task.problems(places);
  assert.deepEqual(await task.problems(places.slice(0, 9)), problems.slice(0, 9));
  const [training, heldOut] = [0, 200].map((from) => problems.slice(from, from + 200).map(({ prompt }) => prompt));
  assert.equal(
    heldOut.some((prompt) => training.includes(prompt)),
    false,
  );
  const texts = ['\n</think>\n\nHello!', '1+1=2\n</think>\n<answer>2</answer>'];
  const judged = await judge(
    task,
    texts.map((text) => ({ problem: problems[0], text })),
  );
  assert.deepEqual(
    judged.map(({ isCorrect, isWellFormed, language }) => [isCorrect, isWellFormed, language]),
    [
      [true, true, 1],
      [false, false, 1],
    ],
  );
  await closeTasks(tasks);
  await assert.rejects(openRunTasks([{ ...choice('small-talk'), difficulty: 2 }], 3), /has no difficulty 2; leave/);
});

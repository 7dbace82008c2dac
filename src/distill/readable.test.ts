// Right answers made readable: what is left out, what is refused, which examples stay. npm test -- readable
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readResponse } from '../tasks/index.ts';
import { hasFalseEquation, toReadable, toReadableExamples } from './readable.ts';
import type { Trace } from './traces.ts';

const trace = (thinking: string, answer = '3*8', key = 'a'): Trace => ({
  prompt: ['User: ', 'Make 24 from 3, 8.', '\nAssistant: <think>\n'],
  response: `${thinking}\n</think>\n<answer>${answer}</answer>`,
  task: 'countdown',
  key,
  teacher: 'zero',
});

test('equations are checked where both sides can be read', () => {
  for (const [text, isFalse] of [
    ['3+8=11 no\n3*8=24', false],
    ['3+8=12', true],
    ['check: 14-3=11', false],
    ['(3+5)*3 = 24, 24/2=12', false],
    ['1/2+1/4=3/4', false],
    ['1/2+1/4=2/4', true],
    ['3*7=21+3=24', false],
    ['x=4, and a=b', false],
    ['0.5+0.5=1', false],
  ] as const)
    assert.equal(hasFalseEquation(text), isFalse, text);
});

test('a thought is rewritten: nothing twice, nothing in another language, the answer as its last line', () => {
  const readable = toReadable(trace(' 3+8=11  no \n3+8=11 no\n\nсемь\nseven\n3*8=24'));
  assert.equal(readable, '<think>\n3+8=11 no\n3*8=24\nso 3*8\n</think>\n<answer>3*8</answer>');
  assert.ok(readResponse((readable as string).slice('<think>'.length)).isWellFormed);
  assert.equal(toReadable(trace('3*8=24\nso 3*8')), '<think>\n3*8=24\nso 3*8\n</think>\n<answer>3*8</answer>');
  for (const thinking of ['3*8=25', 'семь', '', '<think>3*8=24']) assert.equal(toReadable(trace(thinking)), null);
});

test('of each problem the shortest stay; some are also asked without thinking', () => {
  const traces = [
    trace('3+8=11 no\n3*8=24'),
    trace('3*8=24'),
    trace('3*8=24\n3*8=24'),
    trace('8*3=24', '8*3', 'b'),
    trace('3*8=23', '3*8', 'c'),
  ];
  const examples = toReadableExamples(traces, { perProblem: 1, directEvery: 2 });
  assert.deepEqual(
    examples.map(({ messages: [user, assistant] }) => [user.content, assistant.content]),
    [
      ['Make 24 from 3, 8.', '<think>\n3*8=24\nso 3*8\n</think>\n<answer>3*8</answer>'],
      ['Make 24 from 3, 8. Answer at once.', '<answer>3*8</answer>'],
      ['Make 24 from 3, 8.', '<think>\n8*3=24\nso 8*3\n</think>\n<answer>8*3</answer>'],
    ],
  );
  assert.equal(toReadableExamples(traces, { perProblem: 4, directEvery: 0 }).length, 3);
});

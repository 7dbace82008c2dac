// Reading responses: the format, and answers that are hidden, doubled or broken. npm test -- tasks/response
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { arithmetic, countdown, readResponse } from './index.ts';

const tags = ['<think>', '</think>', '<answer>', '</answer>'] as const;

describe('a response', () => {
  test('that is well-formed', () => {
    assert.deepEqual(readResponse('3+4=7\n</think>\n<answer> 3+4 </answer>\n'), {
      thinking: '3+4=7\n',
      answer: ' 3+4 ',
      isWellFormed: true,
      problem: null,
    });
    assert.ok(readResponse('a</think><answer>b</answer>').isWellFormed);
    assert.ok(readResponse('1<2 and </THINK> < answer>, </think > too</think><answer>\n1<2\n</answer>').isWellFormed);
  });

  test('with an answer but not well-formed', () => {
    const cases: Readonly<Record<string, string>> = {
      '</think><answer>7</answer>': 'there is no thinking',
      ' \n</think><answer>7</answer>': 'there is no thinking',
      'a<answer>5</answer></think><answer>7</answer>': '<answer> stands inside the thinking',
      'a<answer>5</think><answer>7</answer>': '<answer> stands inside the thinking',
      '<think>a</think><answer>7</answer>': '<think> stands inside the thinking',
      'a</think>so<answer>7</answer>': 'something stands between the thinking and the answer',
      'a</think><answer>7</answer>.': 'something stands after the answer',
    };
    for (const [text, problem] of Object.entries(cases)) {
      const response = readResponse(text);
      assert.deepEqual([response.answer, response.isWellFormed, response.problem], ['7', false, problem], text);
    }
  });

  test('without an answer', () => {
    const cases: Readonly<Record<string, string>> = {
      '': 'the thinking does not end',
      '<answer>7</answer>': 'the thinking does not end',
      'a</work>\n<answer>7</answer>': '</work> stands in place of </think>',
      'a</think': 'the thinking does not end',
      'a<answer>7</answer></think>': 'there is no answer',
      'a</think><result>7</result>': '<result> stands in place of <answer>',
      'a<note>b</note></think>7': 'there is no answer',
      'a</think><answer>7</result>': '</result> stands in place of </answer>',
      'a</think>': 'there is no answer',
      'a</think>7': 'there is no answer',
      'a</think><answer>7': 'the answer is not closed',
      'a</think>7</answer>': '</answer> stands after the thinking, before an answer',
      'a</think></answer>7<answer>': '</answer> stands after the thinking, before an answer',
      'a</think></think><answer>7</answer>': '</think> stands after the thinking, before an answer',
      'a</think><think>b<answer>7</answer>': '<think> stands after the thinking, before an answer',
      'a</think><answer>7</answer></think>': '</think> stands after the answer',
      'a</think><answer>7</answer><answer>7</answer>': '<answer> stands after the answer',
      'a</think><answer>5</answer></think><answer>7</answer>': '</think> stands after the answer',
      'a</think><answer><answer>7</answer></answer>': '<answer> stands inside the answer',
      'a</think><answer>7</think></answer>': '</think> stands inside the answer',
      'a</think><answer></answer>': 'the answer is empty',
      'a</think><answer> \n </answer>': 'the answer is empty',
    };
    for (const [text, problem] of Object.entries(cases)) {
      const response = readResponse(text);
      assert.deepEqual([response.answer, response.isWellFormed, response.problem], [null, false, problem], text);
    }
  });

  test('any text at all: well-formed means exactly one thinking, one answer and white space', () => {
    const piece = fc.oneof(fc.constantFrom(...tags), fc.constantFrom(' ', '\n', '7', 'a', '<', '>', '</'), fc.string());
    const free = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
    const good = '3+4=7\n</think>\n<answer>7</answer>\n';
    const nearlyGood = fc
      .tuple(fc.nat(good.length), fc.nat(good.length), piece)
      .map(([from, to, inserted]) => good.slice(0, from) + inserted + good.slice(to));
    const property = fc.property(fc.oneof(free, nearlyGood), (text) => {
      const { thinking, answer, isWellFormed, problem } = readResponse(text);
      const counts = tags.map((tag) => text.split(tag).length - 1);
      const form = /^(.*\S.*)<\/think>\s*<answer>(.*\S.*)<\/answer>\s*$/s.exec(text);
      assert.equal(isWellFormed, form !== null && counts.join() === '0,1,1,1');
      assert.equal(isWellFormed, problem === null);
      if (isWellFormed) assert.deepEqual([thinking, answer], form?.slice(1));
      if (answer !== null) assert.ok(text.slice(thinking.length).includes(`<answer>${answer}</answer>`));
      assert.ok(text.startsWith(thinking));
    });
    fc.assert(property, { numRuns: process.env.MINKE_LONG ? 5000 : 1500, seed: 1 });
  });

  test('an answer that is only in the thinking earns nothing', () => {
    const problem = { prompt: '', key: '', numbers: [3, 8], target: 24, solution: '3*8' };
    for (const text of [
      '<answer>3*8</answer></think>3*8',
      '3*8</think><answer>?</answer>',
      '<answer>3*8</answer></think><answer>3+8</answer>',
    ]) {
      const { answer } = readResponse(text);
      assert.ok(answer === null || !countdown.grade(problem, answer).correct, text);
    }
    const sum = { prompt: '', key: '', calculation: [2, '+', 2] as const, answer: 4 };
    const { answer } = readResponse('4</think><answer>5</answer><answer>4</answer>');
    assert.ok(answer === null || !arithmetic.grade(sum, answer).correct);
  });
});

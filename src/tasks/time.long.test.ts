// Graders and the response parser take time proportional to their text, however hostile it is. npm run check:long
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bundledTasks, problemAt, readResponse } from './index.ts';

/** Asserts that 16 times the text takes far less than 16 * 16 times as long, by the fastest of several runs. */
function assertLinear(piece: string, run: (text: string) => unknown): void {
  const fastest = (count: number): number => {
    const text = piece.repeat(count);
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      run(text);
      return performance.now() - start;
    });
    return Math.min(...times);
  };
  const [short, long] = [fastest(20_000), fastest(320_000)];
  assert.ok(long <= 80 * Math.max(short, 0.05), `${JSON.stringify(piece)}: ${short} ms, then ${long} ms`);
}

describe('time grows with the length of the text, not with its square', () => {
  for (const task of bundledTasks.values())
    test(`the grader of ${task.name}`, () => {
      const problem = problemAt(task, { seed: 3, index: 0, split: 'train' });
      for (const piece of ['(', '()', '1', '1,', '-', ' ', '1+', '1/', '=', '1 ', '\n', '$'])
        assertLinear(piece, (text) => task.grade(problem, text));
    });

  test('the parser of responses', () => {
    const tags = ['<', '</', '<think>', '</think>', '<answer>', '</answer>', '<answer></answer>', '<answer', '<work>'];
    for (const piece of [...tags, '<a', '</a', 'a', ' ', '\n']) {
      assertLinear(piece, readResponse);
      assertLinear(piece, (text) => readResponse(`${text}</think>${text}<answer>${text}</answer>${text}`));
    }
  });
});

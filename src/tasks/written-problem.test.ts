// Problems read back from their words: those of the generators, those of people, and what is none.
// npm test -- written-problem
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bundledTasks, openTask, readProblem, type Verdict } from './index.ts';

const graded = (text: string, answer: string): Verdict => {
  const problem = readProblem(text);
  assert.ok(problem, text);
  return problem.grade(answer);
};

describe('problems in words', () => {
  for (const [name, { difficulty }] of bundledTasks)
    test(`${name}: what the generator writes is read as the same problem`, async () => {
      const task = await openTask(name);
      const places = Array.from({ length: 25 * difficulty.to }, (_, index) => ({
        seed: 3,
        index,
        split: 'held-out' as const,
        difficulty: difficulty.from + (index % (difficulty.to - difficulty.from + 1)),
      }));
      const problems = await task.problems(places);
      const solutions = (await task.solutions(problems)) as string[];
      for (const [i, { prompt }] of problems.entries()) {
        assert.equal(readProblem(prompt)?.task, name);
        assert.equal(graded(prompt, solutions[i]).correct, true, prompt);
        assert.equal(graded(prompt, `${solutions[i]}+1`).correct, false, prompt);
      }
      await task.close();
    });

  test('what people write', () => {
    assert.deepEqual(graded('make 24 from 3, 7, 8, 9', '(9-8)*(3*7+3)').correct, false);
    assert.deepEqual(graded('Make 24 from 4, 7, 8 and 8!', '(7-8/8)*4'), { correct: true, reason: 'it makes 24' });
    assert.equal(graded('Make 24 with 3 8', '3*8').correct, true);
    assert.equal(graded('what is 12*12?', '144').correct, true);
    assert.equal(graded('What comes next: 2, 4, 6, 8, ...?', '10').correct, true);
  });

  test('what is no problem of ours, or one of two answers', () => {
    const none = [
      '',
      'hello',
      'make 24 from scratch',
      'make 24 from 7',
      'what is 7?',
      'what is love?',
      'What is 1/0 + 2?',
    ];
    for (const text of [...none, 'What comes next: 5, 1, 7, 2?', `make 24 from ${'1 '.repeat(9)}`, 'x'.repeat(10_000)])
      assert.equal(readProblem(text), null, text);
  });
});

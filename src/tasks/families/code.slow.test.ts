// The task of small functions: programs are judged by what they return, and none harms the judge. npm test -- code
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Grading, openTask, type Problem } from '../index.ts';
import { isHeldOutPhrasing } from '../phrasing.ts';
import { type CodeProblem, code } from './code.ts';

const count = process.env.MINKE_LONG ? 500 : 12;
const levels = [1, 2, 3, 4];

describe('code', () => {
  let task: Grading;
  before(async () => {
    task = await openTask('code');
  });
  after(() => task.close());

  const draw = async (difficulty: number): Promise<Problem[]> =>
    task.problems(
      Array.from({ length: count }, (_, index) => ({
        seed: 7,
        index,
        difficulty,
        split: index % 2 === 0 ? ('train' as const) : ('held-out' as const),
      })),
    );
  const judge = async (problem: Problem, answers: readonly string[]) =>
    task.grade(answers.map((answer) => ({ problem, answer })));

  test('every solution is accepted, as a function of any form; that of another function is refused', async () => {
    for (const difficulty of levels) {
      const problems = await draw(difficulty);
      assert.deepEqual(await draw(difficulty), problems);
      const solutions = (await task.solutions(problems)) as string[];
      const graded = await task.grade(problems.map((problem, i) => ({ problem, answer: solutions[i] })));
      for (const [i, { correct, reason, fault }] of graded.entries())
        assert.ok(correct && fault === null, `${solutions[i]}: ${fault ?? reason}`);
      const others = problems.map((problem, i) => {
        const at = problems.findIndex(({ key }) => key !== problem.key);
        return { problem, answer: solutions[i === at ? (at + 1) % count : at] };
      });
      const refused = (await task.grade(others)).filter(({ correct }) => !correct).length;
      assert.ok(refused >= count - 3, `${refused} of ${count}`);
    }
    const [problem] = await draw(1);
    const double: CodeProblem = { ...problem, task: '', solution: '', cases: [{ args: [4], expected: 8 }] };
    const right = [
      'n => 2 * n',
      'function (n) { return n + n }',
      'function f(n) { return n * 2; }',
      'n => n * 2 // twice',
    ];
    for (const { correct, reason } of await judge(double, right)) assert.ok(correct, reason);
  });

  test('what does not return the value is refused with a reason', async () => {
    const [problem] = await draw(1);
    const double: CodeProblem = { ...problem, task: '', solution: '', cases: [{ args: [4], expected: 8 }] };
    const wrong: readonly (readonly [string, RegExp])[] = [
      ['n => n', /^with 4 it returns 4, not 8$/],
      ['n => "8"', /^with 4 it returns "8", not 8$/],
      ['8', /not a function/],
      ['n =>', /SyntaxError/],
      ['', /SyntaxError/],
      ['n => { throw new Error("x") }', /Error: x/],
      ['n => { for (;;); }', /interrupted/],
      ['(for(;;);)', /SyntaxError/],
      ['n => n.repeat(3)', /TypeError/],
      ['n => process.exit(0)', /process/],
      ['n => require("fs")', /require/],
      ['n => fetch("http://localhost")', /fetch/],
      ['n => (function f() { return f() })()', /stack overflow/],
      ['n => "x".repeat(1e9)', /out of memory/],
      ['0); JSON.stringify = () => "8"; (n => n', /compared|not 8|not a function/],
      ['x'.repeat(401), /more than 400 characters/],
      ['NaN', /not a function/],
      ['\ud800', /SyntaxError|not defined|unexpected|invalid/i],
    ];
    const graded = await judge(
      double,
      wrong.map(([answer]) => answer),
    );
    for (const [i, { correct, reason, fault }] of graded.entries()) {
      assert.equal(correct, false, wrong[i][0]);
      assert.match(fault ?? reason, wrong[i][1], wrong[i][0]);
    }
  });

  test('a program that ends the interpreter costs its own verdict alone', async () => {
    const [problem] = await draw(1);
    const double: CodeProblem = { ...problem, task: '', solution: '', cases: [{ args: [4], expected: 8 }] };
    const deadly = 'n => eval("(".repeat(1e5))';
    for (let round = 0; round < 6; round++) {
      const [bad, good] = await judge(double, [deadly, 'n => 2 * n']);
      assert.equal(bad.correct, false);
      assert.ok(good.correct, `round ${round}: ${good.fault ?? good.reason}`);
    }
  });

  test('phrasings and steps are those of a family', async () => {
    for (const difficulty of levels)
      for (const problem of (await draw(difficulty)) as CodeProblem[]) {
        const all = code.phrasings?.(problem) ?? [];
        assert.equal(all[0], problem.prompt);
        assert.ok(new Set(all).size === all.length && all.filter((_, i) => isHeldOutPhrasing(i)).length === 6);
        assert.ok(all.every((text) => text.includes(problem.task)));
        assert.equal(code.steps?.(problem).length, 1);
      }
  });
});

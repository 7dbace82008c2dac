// Tasks from users' files, as a new user would write them and as nobody should. npm test -- tasks/grading
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { bundledFacts, type Grading, loadTask, openTask, type Submission } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-own-task-'));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(text: string, extension = 'js'): string {
  const path = join(folder, `task-${files++}.${extension}`);
  writeFileSync(path, text);
  return path;
}

/** A task about doubling; parts of it can be replaced. */
function doubling(replaced: Readonly<Record<string, string>> = {}, before = ''): string {
  const parts = {
    name: `'double'`,
    description: `'Double a number.'`,
    difficulty: '{ from: 1, to: 3, default: 2 }',
    problem: `(random, level) => {
      const n = random.whole(1, 10 ** level);
      return { prompt: 'Double ' + n + '.', key: 'n' + n, n };
    }`,
    grade: `({ n }, answer) => ({ correct: answer.trim() === String(2 * n), reason: 'it is ' + 2 * n })`,
    solution: '({ n }) => String(2 * n)',
    ...replaced,
  };
  const fields = Object.entries(parts).map(([name, value]) => `${name}: ${value},`);
  return `${before}\nexport const task = {\n${fields.join('\n')}\n};\n`;
}

async function using<T>(path: string, use: (grading: Grading) => Promise<T>, limitMs = 300): Promise<T> {
  const grading = await openTask(path, { limitMs });
  try {
    return await use(grading);
  } finally {
    await grading.close();
  }
}

const place = (index: number) => ({ seed: 1, index, split: 'train' }) as const;

/** A grader that does something odd for the answer "odd". */
const odd = (what: string) =>
  doubling({
    grade: `({ n }, answer) => { if (answer === 'odd') { ${what} } return { correct: true, reason: 'fine' }; }`,
  });

describe('a task of a user', () => {
  const typed = `
    import type { Problem, Task } from 'minke/tasks';
    interface Doubling extends Problem { readonly n: number }
    ${doubling().replace('task =', 'task: Task<Doubling> =')}`;

  test('is opened, asked and graded; the same seed gives the same problems', async () => {
    await using(file(doubling()), async (grading) => {
      const { name, description, difficulty } = grading;
      assert.deepEqual(
        { name, description, difficulty },
        {
          name: 'double',
          description: 'Double a number.',
          difficulty: { from: 1, to: 3, default: 2 },
        },
      );
      const places = Array.from({ length: 50 }, (_, index) => place(index));
      const problems = await grading.problems(places);
      assert.deepEqual(await grading.problems(places), problems);
      const solutions = (await grading.solutions(problems)) as string[];
      const graded = await grading.grade(problems.map((problem, i) => ({ problem, answer: solutions[i] })));
      assert.ok(graded.every(({ correct, fault }) => correct && fault === null));
      const [wrong] = await grading.grade([{ problem: problems[0], answer: 'x' }]);
      assert.equal(wrong?.correct, false);
    });
  });

  test('in TypeScript, with types alone from minke/tasks', async () => {
    const path = file(typed, 'ts');
    if ((process.features as { typescript?: unknown }).typescript) {
      await using(path, async (grading) => assert.equal((await grading.problems([place(0)])).length, 1));
      return;
    }
    const message =
      /task-\d+\.ts: Node [\d.]+ does not read TypeScript: use Node 22.18 or newer, or compile the task to/;
    await assert.rejects(loadTask(path), message);
    await assert.rejects(openTask(path), message);
  });

  test('that cannot be used is refused in words', async () => {
    const refused: readonly (readonly [text: string, message: RegExp])[] = [
      ['export const exercise = 1;', /exports no task: write: export const task/],
      ['export const task = 7;', /task is 7: write: export const task = \{ name/],
      ['export const task = {', /cannot be loaded \(.*(Unexpected end|Unexpected token)/],
      [`throw new Error('boom')`, /cannot be loaded \(boom\): correct the task/],
      ['process.exit(3)', /it ended the process \(exit code 3\): correct what the file does outside/],
      [doubling({ name: `''` }), /name is '': give the task a name/],
      [doubling({ description: 'undefined' }), /description is undefined: give the task a description/],
      [doubling({ difficulty: '3' }), /difficulty is 3: write: difficulty: \{ from: 1/],
      [doubling({ difficulty: '{ from: 2, to: 1, default: 1 }' }), /difficulty is \{ from: 2, to: 1, default: 1 \}/],
      [
        doubling({ difficulty: '{ from: 1, to: 2, default: 1.5 }' }),
        /difficulty is \{ from: 1, to: 2, default: 1.5 \}/,
      ],
      [doubling({ problem: 'null' }), /problem is null: write: problem\(random/],
      [doubling({ grade: 'true' }), /grade is true: write: grade\(problem/],
      [doubling({ solution: '4' }), /solution is 4: write: solution\(problem/],
      [doubling({ problem: '() => NaN' }), /double: problem 0 of seed 0, train: problem.prompt is undefined/],
      [
        doubling({ problem: `() => { throw new Error('no idea') }` }),
        /train: it threw "no idea": correct the generator/,
      ],
      [doubling({ problem: '() => { for (;;); }' }), /train: it did not return within 300 ms: correct the generator/],
      [doubling({ problem: `() => ({ prompt: 'p', key: 'k' })` }), /none of 1000 problems of difficulty 2 is for/],
      [
        doubling({ problem: `(r) => ({ prompt: 'p', key: '' + r.uniform(), f() {} })` }),
        /cannot be sent between threads/,
      ],
      [
        doubling(
          { problem: '(r) => new P(r)' },
          'class P { prompt = "p"; constructor(r) { this.key = String(r.uniform()) } }',
        ),
        /its problem is a P: return a plain object/,
      ],
      [doubling({ solution: '() => 4' }), /solution: its solution is 4: return the answer as a text/],
      [
        doubling({ solution: `() => '?'` }),
        /refuses the task's own solution "\?" of "Double \d+\." \(it is \d+\): correct/,
      ],
    ];
    for (const [text, message] of refused)
      await assert.rejects(openTask(file(text), { limitMs: 300 }), (error: Error) => {
        assert.equal(error.name, 'TaskError');
        assert.match(error.message, message);
        return true;
      });
    const known = [...bundledFacts.keys()].join(', ');
    await assert.rejects(openTask('cuontdown'), {
      message: new RegExp(`: no such task or file: bundled tasks are ${known};`),
    });
    await assert.rejects(loadTask(join(folder, 'none.js')), /none\.js: no such file/);
  });
});

describe('a grader that gives no verdict costs its item alone', () => {
  const oddities: readonly (readonly [what: string, fault: RegExp])[] = [
    [`throw new Error('boom')`, /^it threw "boom"$/],
    ['throw null', /^it threw null$/],
    ['for (;;);', /^it did not return within 300 ms$/],
    [`/^(a+)+$/.test('a'.repeat(40) + 'b')`, /^it did not return within 300 ms$/],
    [
      'const end = Date.now() + 330; while (Date.now() < end);',
      /^it took \d+ ms, the limit is 300 ms$|^it did not return/,
    ],
    ['process.exit(5)', /^it ended the process \(exit code 5\)$/],
    ['return NaN', /^it returned NaN, which is no verdict$/],
    ['return undefined', /^it returned undefined, which is no verdict$/],
    ['return true', /^it returned true, which is no verdict$/],
    [`return { correct: 1, reason: '' }`, /^it returned \{ correct: 1, reason: '' \}, which is no verdict$/],
    ['return { correct: true }', /^it returned \{ correct: true \}, which is no verdict$/],
    ['return Promise.resolve({ correct: true, reason: "" })', /^it returned a Promise, which is no verdict$/],
    ['return { get correct() { throw new Error("gotcha") } }', /^it threw "gotcha"$/],
    [
      'const all = []; for (;;) all.push(new Array(1e4).fill(all.length));',
      /^it took more than 512 MB$|^it did not return/,
    ],
    ['(function deeper() { deeper(); })()', /^it threw "Maximum call stack size exceeded"$/],
  ];
  for (const [what, fault] of oddities)
    test(what, async () => {
      await using(file(odd(what)), async (grading) => {
        const [problem] = (await grading.problems([place(0)])) as [Submission['problem']];
        const answers = ['a', 'b', 'odd', 'c', 'odd', 'd'];
        const graded = await grading.grade(answers.map((answer) => ({ problem, answer })));
        assert.deepEqual(
          graded.map((item) => [item.correct, item.fault === null]),
          answers.map((answer) => [answer !== 'odd', answer !== 'odd']),
        );
        for (const item of graded) if (item.fault !== null) assert.match(item.fault, fault);
        assert.equal((await grading.grade([{ problem, answer: 'e' }]))[0]?.correct, true, 'and it goes on');
      });
    });

  test('errors out of turn, after the verdict, do not lose a verdict', async () => {
    await using(
      file(odd(`Promise.reject(new Error('late')); setTimeout(() => process.exit(2), 1);`)),
      async (grading) => {
        const [problem] = (await grading.problems([place(0)])) as [Submission['problem']];
        for (let round = 0; round < 5; round++) {
          const graded = await grading.grade(['a', 'odd', 'b'].map((answer) => ({ problem, answer })));
          assert.deepEqual(
            graded.map(({ correct }) => correct),
            [true, true, true],
          );
        }
      },
    );
  });

  test('a grader that fails at every item does not stop the run', async () => {
    await using(file(odd('process.exit(1)')), async (grading) => {
      const [problem] = (await grading.problems([place(0)])) as [Submission['problem']];
      const graded = await grading.grade(Array.from({ length: 64 }, () => ({ problem, answer: 'odd' })));
      assert.equal(graded.length, 64);
      assert.ok(graded.every(({ correct, fault }) => !correct && fault !== null));
      assert.match(graded[63]?.fault as string, /^not tried: the task failed 20 times before$/);
    });
  });
});

describe('grading', () => {
  test('concurrent calls get their own answers, and none is lost while this thread is busy', async () => {
    await using(file(odd('throw 1')), async (grading) => {
      const [problem] = (await grading.problems([place(0)])) as [Submission['problem']];
      const calls = Array.from({ length: 20 }, (_, i) =>
        grading.grade(Array.from({ length: 512 }, (_, j) => ({ problem, answer: j === i ? 'odd' : 'a' }))),
      );
      const end = performance.now() + 700;
      while (performance.now() < end);
      const all = await Promise.all(calls);
      for (const [i, graded] of all.entries())
        assert.deepEqual(
          graded.flatMap(({ correct }, j) => (correct ? [] : [j])),
          [i],
        );
      assert.deepEqual(await grading.grade([]), []);
    });
  });

  test('bundled tasks go through the same calls', async () => {
    for (const name of bundledFacts.keys())
      await using(name, async (grading) => {
        const problems = await grading.problems(Array.from({ length: 512 }, (_, index) => place(index)));
        const answers = (await grading.solutions(problems)) as string[];
        const graded = await grading.grade(problems.map((problem, i) => ({ problem, answer: answers[i] })));
        assert.ok(graded.every(({ correct, fault }) => correct && fault === null));
        await assert.rejects(
          grading.problems([{ ...place(0), difficulty: 99 }]),
          /difficulty 99: choose a whole number/,
        );
      });
  });

  test('a file of word problems is a task', async () => {
    const lines = Array.from({ length: 30 }, (_, i) =>
      JSON.stringify({ question: `${i}+1?`, answer: `#### ${i + 1}` }),
    );
    await using(file(lines.join('\n'), 'jsonl'), async (grading) => {
      const [problem] = (await grading.problems([place(0)])) as [Submission['problem']];
      const answer = `${Number.parseInt(problem.prompt, 10) + 1}.0`;
      assert.ok((await grading.grade([{ problem, answer }]))[0]?.correct);
    });
  });

  test('a task that nobody closes does not keep the process alive', () => {
    const index = new URL('./index.js', import.meta.url).href;
    const script = `
      const { openTask } = await import('${index}');
      const grading = await openTask(${JSON.stringify(file(doubling()))});
      const [problem] = await grading.problems([{ seed: 1, index: 0, split: 'train' }]);
      console.log((await grading.grade([{ problem, answer: '?' }]))[0].correct);`;
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    assert.deepEqual([stdout, status], ['false\n', 0]);
  });
});

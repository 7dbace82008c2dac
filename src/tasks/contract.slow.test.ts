// The contract of tasks: bundled tasks keep it, and each broken promise is found and named. npm test -- tasks/contract
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { bundledFacts, expectContract, openTask, taskContract } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-contract-'));
after(() => rmSync(folder, { recursive: true }));

const parts = {
  name: `'double'`,
  description: `'Double a number.'`,
  difficulty: '{ from: 2, to: 3, default: 3 }',
  problem: `(random, level) => {
    const n = random.whole(1, 10 ** level);
    return { prompt: 'Double ' + n + '.', key: level + ' ' + n, n };
  }`,
  grade: `({ n }, answer) => ({ correct: answer.trim() === String(2 * n), reason: 'it is ' + 2 * n })`,
  solution: '({ n }) => String(2 * n)',
  steps: '({ n }) => [n + "+" + n + "=" + 2 * n]',
  phrasings: '({ prompt, n }) => [prompt, "Twice " + n + "?", "What is twice " + n + "?"]',
};

let files = 0;
async function check(replaced: Partial<typeof parts>): Promise<void> {
  const path = join(folder, `task-${files++}.js`);
  const fields = Object.entries({ ...parts, ...replaced }).map(([name, value]) => `${name}: ${value},`);
  writeFileSync(path, `let calls = 0;\nexport const task = {\n${fields.join('\n')}\n};\n`);
  const task = await openTask(path);
  try {
    await expectContract(task);
  } finally {
    await task.close();
  }
}

/** The worked examples of these have slips and dead ends, and are written by hand (src/corpus/worked-examples). */
const withoutSteps = ['countdown', 'arithmetic', 'sequence'];

test('bundled tasks keep every promise', async () => {
  const names = [...bundledFacts.keys()].filter((_, i) => process.env.MINKE_LONG || i % 5 === 3);
  for (const name of names) {
    const task = await openTask(name);
    try {
      for (const { promise, check } of taskContract)
        if (!(withoutSteps.includes(name) && promise.startsWith('worked examples'))) await check(task);
    } finally {
      await task.close();
    }
  }
});

describe('a promise that is broken is named, with what to do', () => {
  const broken: readonly (readonly [title: string, replaced: Partial<typeof parts>, RegExp])[] = [
    [
      'problems come from elsewhere than the seed',
      { problem: '(random) => { const n = ++calls; return { prompt: "Double " + n + ".", key: "k" + n, n }; }' },
      /the same seed gives "Double \d+\.", then "Double \d+\.": draw from the random/,
    ],
    [
      'a problem that is no JSON',
      {
        problem:
          '(random) => { const n = random.whole(1, 999); return { prompt: "p" + n, key: "k" + n, n, x: undefined }; }',
      },
      /the problem "p\d+" changes when it is written as JSON/,
    ],
    [
      'few problems',
      { problem: '(random) => { const n = random.whole(1, 20); return { prompt: "p" + n, key: "k" + n, n }; }' },
      /64 problems of difficulty 3 are only \d+ different ones/,
    ],
    ['no solution', { solution: 'undefined' }, /it has no solution\(\): write: solution\(problem\)/],
    [
      'blanks count',
      { grade: '({ n }, answer) => ({ correct: answer === String(2 * n), reason: "exactly" })' },
      /refuses the answer "\\n \d+ \\n" to "Double \d+\." \(exactly\): .*blanks around an answer count for nothing/,
    ],
    [
      'a grader that looks for the solution anywhere',
      { grade: '({ n }, answer) => ({ correct: answer.includes(String(2 * n)), reason: "found" })' },
      /accepts the answer "\d+ or \d+"/,
    ],
    [
      'a grader that accepts any number',
      { grade: '(_, answer) => ({ correct: /^\\s*\\d+\\s*$/.test(answer), reason: "a number" })' },
      /accepts (\d+) of \1 answers that belong to other problems/,
    ],
    [
      'a grader that throws at a text',
      { grade: '({ n }, answer) => ({ correct: JSON.parse(answer.trim() || "0") === 2 * n, reason: "parsed" })' },
      /its grader fails on the answer "\?" to .*: it threw .*: correct grade\(\)/,
    ],
    [
      'a grader whose time grows with the square of the text',
      {
        grade: `({ n }, answer) => { for (let i = 0; i < answer.length; i++) answer.slice(i).split('').reverse();
          return { correct: answer.trim() === String(2 * n), reason: 'slow' }; }`,
      },
      /its grader fails on the answer "\(\(\(+\.\.\." to .*: it (did not return within|took)/,
    ],
    ['no steps', { steps: 'undefined' }, /it has no steps\(\)/],
    ['long steps', { steps: '() => Array(200).fill("10+10=20")' }, /steps of ".*" have 1799 characters/],
    ['another first phrasing', { phrasings: '({ prompt }) => ["Hi", prompt, "x"]' }, /the first phrasing is "Hi", not/],
    ['few phrasings', { phrasings: '({ prompt }) => [prompt, "x"]' }, /has 2 phrasings: list 3 or more/],
    [
      'a phrasing of both sorts',
      { phrasings: '({ prompt }) => [prompt, "x", "x"]' },
      /phrasing "x" is both held out and/,
    ],
  ];
  for (const [title, replaced, message] of broken) test(title, () => assert.rejects(check(replaced), message));

  test('and one that keeps them all passes, phrasings or not', async () => {
    await check({});
    await check({ phrasings: 'undefined' });
  });
});

// Worked examples of a user's task: as documents for a base, as conversations, and what is refused.
// npm test -- own-task
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { isHeldOut, readResponse } from '../../tasks/index.ts';
import {
  chooseVocabulary,
  conversationsInput,
  describeConversations,
  prepareDataset,
  readDocuments,
  toConversations,
} from '../index.ts';
import { toSynthetic, workedExamplesInput } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-own-examples-'));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
/** Writes a task about doubling; parts of it can be replaced. */
function doubling(
  replaced: Readonly<Record<string, string>> = {},
  path = join(folder, `double-${files++}.js`),
): string {
  const parts = {
    name: `'double'`,
    description: `'Double a number.'`,
    difficulty: '{ from: 1, to: 3, default: 2 }',
    problem: `(random, level) => {
      const n = random.whole(0, 10 ** level);
      return { prompt: 'Double ' + n + '.', key: level + ' ' + n, n };
    }`,
    grade: `({ n }, answer) => ({ correct: answer.trim() === String(2 * n), reason: 'it is ' + 2 * n })`,
    solution: '({ n }) => String(2 * n)',
    steps: '({ n }) => [n + "+" + n + "=" + 2 * n, "twice " + n]',
    phrasings: '({ prompt, n }) => [prompt, "What is twice " + n + "?", "Twice " + n + "?", "Two times " + n + "?"]',
    ...replaced,
  };
  const fields = Object.entries(parts).map(([name, value]) => `${name}: ${value},`);
  writeFileSync(path, `export const task = {\n${fields.join('\n')}\n};\n`);
  return path;
}

interface Choice {
  readonly difficulty?: number;
  readonly phrasing?: 'varied';
  readonly count?: number;
}

const open = (file: string, choice: Choice = {}) =>
  toSynthetic(workedExamplesInput.parse({ workedExamples: file, seed: 5, count: 600, ...choice }));

async function read(file: string, from: number, to: number, choice: Choice = {}): Promise<string[]> {
  const texts: string[] = [];
  for await (const text of open(file, choice).documents(from, to)) texts.push(text);
  return texts;
}

describe("documents of a user's task", () => {
  test('are known by seed and index, wherever a reading begins', async () => {
    const file = doubling();
    const all = await read(file, 0, 600);
    assert.equal(all.length, 600);
    assert.deepEqual(await read(file, 250, 260), all.slice(250, 260));
    assert.ok(new Set(all).size > 300);
    const tagged = all.filter((text) => /^<(\w+)>\n|<(\w+)>\n(.+\n)+<\/\2>\n/m.test(text)).length;
    assert.ok(tagged > 200 && tagged < 400, `${tagged} of 600 have tags`);
  });

  test('hold steps and answers of training problems, at the level and in the phrasings asked for', async () => {
    const texts = await read(doubling(), 0, 300, { difficulty: 2, phrasing: 'varied' });
    for (const text of texts) {
      const [, n = ''] = /\b(\d+)\+\1=\d+\ntwice \1\n/.exec(text) ?? [];
      assert.ok(!isHeldOut(`2 ${n}`) && Number(n) <= 100, text);
      assert.match(text, new RegExp(`\\b${2 * Number(n)}\\b(</\\w+>)?\n$`));
      assert.match(text, /(?:double|twice|two times) \d+/i);
    }
    assert.ok(
      texts.some((text) => /what is twice/i.test(text)) &&
        !texts.some((text) => /^(?:[^\n]*[:,!] )?twice \d+\?/im.test(text)),
    );
  });

  test('are named with the hash of the file, and become another dataset when it changes', async () => {
    const path = join(folder, 'changing.js');
    const prepare = async (replaced: Readonly<Record<string, string>>) => {
      const inputs = [open(doubling(replaced, path), { count: 40 })];
      const vocabulary = await chooseVocabulary('bytes', () => readDocuments(inputs));
      const dataset = await prepareDataset({ inputs, vocabulary, validationFraction: 0.1, root: join(folder, 'sets') });
      dataset.close();
      return dataset;
    };
    const [first, second] = [await prepare({}), await prepare({ description: `'Make it twice as large.'` })];
    assert.match(first.sources[0].name, /^worked examples of .*changing\.js [0-9a-f]{16}$/);
    assert.notEqual(first.sources[0].sha256, second.sources[0].sha256);
    assert.notEqual(first.hash, second.hash);
    assert.equal(first.documents, 40);
  });

  test('are refused where the task cannot work its problems', async () => {
    const refused: readonly (readonly [replaced: Readonly<Record<string, string>>, RegExp])[] = [
      [{ steps: 'undefined' }, /double: example 0 of seed 5, train: it has no steps\(\).*: write: steps\(problem\)/],
      [{ solution: 'undefined' }, /it has no solution\(\)/],
      [{ steps: '() => []' }, /its steps are \[\]: return a list of lines/],
      [{ steps: '() => ["a </think> b"]' }, /the step 'a <\/think> b' has a tag or a line break: return each line/],
      [{ steps: '() => ["a\\nb"]' }, /has a tag or a line break/],
      [{ steps: '() => { throw new Error("no idea") }' }, /it threw "no idea": correct steps\(\)/],
      [{ steps: '() => { for (;;); }' }, /it did not return within 1000 ms/],
    ];
    for (const [replaced, message] of refused)
      await assert.rejects(read(doubling(replaced), 0, 1), message, JSON.stringify(replaced));
    await assert.rejects(read(doubling(), 0, 1, { difficulty: 9 }), /difficulty 9: choose a whole number from 1 to 3/);
    assert.throws(() => open('./nowhere.js'), /nowhere\.js\] no such file; name a file that exports a task/);
    const late = '({ n }) => String(n === 0 ? 1 : 2 * n)';
    await assert.rejects(read(doubling({ solution: late }), 0, 600, { difficulty: 1 }), /refuses .*own solution/);
  });
});

test("conversations of a user's task: a phrasing of training, the steps as a thought, the answer", async () => {
  const file = doubling();
  const input = conversationsInput.parse({ conversations: 'problems', task: file, difficulty: 2, seed: 4, count: 50 });
  const made = await toConversations(input);
  assert.equal(made.length, 50);
  for (const [asked, { content }] of made) {
    const [n] = /\d+/.exec(asked.content) ?? [];
    assert.doesNotMatch(asked.content, /^twice/i);
    assert.equal(readResponse(content.replace('<think>', '')).answer, String(2 * Number(n)));
  }
  assert.deepEqual(await toConversations(input), made);
  assert.match(describeConversations(input), /"task":".*\.js [0-9a-f]{16}"/);
  for (const wrong of ['gossip', './task.txt'])
    assert.equal(conversationsInput.safeParse({ conversations: 'problems', task: wrong, count: 1 }).success, false);
});

// Worked examples of word problems: what they contain, and that slips never stay. npm test -- word-problems
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Random } from '../../math/index.ts';
import { isHeldOut, wordProblems } from '../../tasks/index.ts';
import { solveWordProblem, workedWordProblems } from './word-problems.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-worked-words-'));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'problems.jsonl');
const questions = Array.from({ length: 60 }, (_, i) => `Ann sells ${10 + i} clips and half as many. How many?`);
const solution = (i: number) =>
  `She sells ${20 + 2 * i}/2 = <<${20 + 2 * i}/2=${10 + i}>>${10 + i} first.\nThen $<<0.5*1=0.5>>0.5.\n#### ${10 + i}`;
writeFileSync(path, questions.map((question, i) => JSON.stringify({ question, answer: solution(i) })).join('\n'));

describe('worked examples of word problems', () => {
  const texts = Array.from({ length: 1000 }, (_, index) => workedWordProblems(path)(new Random(3, index)));

  test('a document is a problem that is not held out, worked without marks for a calculator', () => {
    const heldOut = questions.filter((question) => isHeldOut(question.toLowerCase()));
    assert.ok(heldOut.length > 0);
    for (const text of texts) {
      assert.ok(questions.some((question) => text.includes(question)));
      assert.ok(!heldOut.some((question) => text.includes(question)), text);
      assert.doesNotMatch(text, /<<|>>|####/);
    }
    assert.equal(workedWordProblems(path)(new Random(3, 5)), texts[5]);
    const some = (what: RegExp) => texts.some((text) => what.test(text));
    for (const what of [/ no\n/, /give up/, /check \d+\/2=\d+ ok/, /<think>/, /so \d+\n$/])
      assert.ok(some(what), `${what}`);
  });

  test('lines that are not rejected are those of the solution; the answer is right', () => {
    const problem = wordProblems(path).problem(new Random(1), 1);
    const plain = problem.working.map((line) => line.replace(/<<.*?>>/g, ''));
    for (let index = 0; index < 500; index++) {
      const { text, answer } = solveWordProblem(new Random(7, index), problem);
      const lines = text.trimEnd().split('\n');
      const accepted = lines.filter((line) => !/ no$|^check|^give up$|^too long$/.test(line));
      assert.deepEqual(accepted, plain.slice(0, accepted.length), text);
      for (const line of lines.filter((each) => each.endsWith(' no')))
        assert.ok(!plain.includes(line.slice(0, -3)), 'a rejected line is wrong');
      assert.equal(answer, accepted.length === plain.length && !/give up|too long/.test(text) ? problem.truth : null);
    }
  });

  test('a file that is none is refused', () =>
    assert.throws(() => workedWordProblems(join(folder, 'none.jsonl')), /none\.jsonl: cannot be read/));
});

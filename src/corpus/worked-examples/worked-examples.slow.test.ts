// Worked examples of arithmetic and sequences: what they claim, how they end. npm test -- worked-examples
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Random } from '../../math/index.ts';
import {
  type ArithmeticProblem,
  drawProblem,
  isHeldOut,
  type Problem,
  readExpression,
  type Task,
} from '../../tasks/index.ts';
import { arithmeticExamples } from './arithmetic.ts';
import { compose, type WorkedExamples } from './document.ts';
import { workedExamples as examplesByTask, toSynthetic, workedExamplesInput } from './index.ts';
import { sequenceExamples } from './sequence.ts';

const count = process.env.MINKE_LONG ? 2000 : 700;

const families = [arithmeticExamples, sequenceExamples] as unknown as WorkedExamples<Problem>[];

const levels = ({ difficulty: { from, to } }: Task) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

function solve(examples: WorkedExamples<Problem>, difficulty: number, index: number) {
  const random = new Random(5, index, difficulty);
  const problem = drawProblem(examples.task, random, difficulty, 'train');
  const solution = examples.solve(random, problem, difficulty);
  const isRight = solution.answer !== null && examples.task.grade(problem, solution.answer).correct;
  return { problem, ...solution, isRight };
}

/** The lines of the last attempt that are not rejected. */
function acceptedLines(text: string): string[] {
  const lines = text.trimEnd().split('\n');
  return lines.slice(lines.lastIndexOf('again') + 1).filter((line) => !line.endsWith(' no'));
}

function compute(text: string): string {
  const read = readExpression(text);
  assert.ok('value' in read, text);
  assert.equal(read.value.bottom, 1n, text);
  return `${read.value.top}`;
}

/** What a line claims and does not correct at once: `7+8=15`, and `347+58: ... -> 405`. */
function claims(line: string): [left: string, right: string][] {
  const equations = [...line.matchAll(/([\d+*/-]+)=(-?\d+)(?! no\b|\d)/g)];
  const results = [...line.matchAll(/^(?:check )?([\d+*/-]+): .* -> (\d+)/g)];
  return [...equations, ...results].map((match) => [match[1], match[2]]);
}

for (const examples of families)
  describe(`worked examples of ${examples.task.name}`, () => {
    test('about 85 in 100 end right; the others are wrong or given up', () => {
      const shares = levels(examples.task).map((difficulty) => {
        const all = Array.from({ length: count }, (_, index) => solve(examples, difficulty, index));
        const share = (is: (solution: (typeof all)[number]) => boolean) => all.filter(is).length / count;
        return { right: share((solution) => solution.isRight), gaveUp: share((solution) => solution.answer === null) };
      });
      for (const { right, gaveUp } of shares) {
        assert.ok(right > 0.78 && right < 0.95, `right: ${right}`);
        assert.ok(gaveUp > 0.02 && gaveUp < 0.15, `given up: ${gaveUp}`);
        assert.ok(right + gaveUp < 0.995, 'some are wrong');
      }
      const mean = shares.reduce((sum, { right }) => sum + right, 0) / shares.length;
      assert.ok(mean > 0.82 && mean < 0.88, `right: ${mean}`);
    });

    test('a solution that ends right makes no false claim that it does not correct', () => {
      let checked = 0;
      for (const difficulty of levels(examples.task))
        for (let index = 0; index < count; index++) {
          const { text, isRight } = solve(examples, difficulty, index);
          if (!isRight) continue;
          const found = acceptedLines(text).flatMap(claims);
          assert.notEqual(found.length, 0, text);
          for (const [left, right] of found) assert.equal(compute(left), right, `${left}=${right} in\n${text}`);
          checked += found.length;
        }
      assert.ok(checked > 10_000, `${checked} claims`);
    });

    test('slips are corrected, results checked, ways rejected, work given up: all of it occurs', () => {
      const texts = levels(examples.task).flatMap((difficulty) =>
        Array.from({ length: count }, (_, index) => solve(examples, difficulty, index).text),
      );
      const marks = [/=\d+ no \d/, /^check/m, / ok$/m, / no$/m, /^again$/m, /^give up$/m];
      for (const mark of marks) {
        const share = texts.filter((text) => mark.test(text)).length / texts.length;
        assert.ok(share > 0.01 && share < 0.9, `${mark}: ${share}`);
      }
    });

    test('a seed gives its document again: plain text about a problem that is not held out', () => {
      for (const difficulty of levels(examples.task))
        for (let index = 0; index < count; index++) {
          const document = () => {
            const random = new Random(6, index, difficulty);
            const problem = drawProblem(examples.task, random, difficulty, 'train');
            assert.equal(isHeldOut(problem.key), false);
            return compose(examples, random, { problem, difficulty, isTagged: false });
          };
          assert.equal(document(), document());
          assert.match(document(), /^[^\n]*\d[^\n]*\n(.+\n)+$/);
          assert.doesNotMatch(document(), /<|user|assistant|undefined|NaN|null|\n\n| \n/i);
        }
    });
  });

describe('arithmetic on a scratchpad', () => {
  const writes = (calculation: ArithmeticProblem['calculation'], lines: string) => {
    const problem = { prompt: '', key: '', calculation, answer: 0 };
    const texts = Array.from({ length: 200 }, (_, i) => arithmeticExamples.solve(new Random(i), problem, 1).text);
    assert.ok(texts.includes(`${lines}\n`), `${lines} is not among\n${texts.slice(0, 5).join('')}`);
  };

  test('digit by digit from the right, with what is carried or borrowed', () => {
    writes([347, '+', 58], '347+58: 7+8=15, 4+5+1=10, 3+1=4 -> 405');
    writes([412, '-', 58], '412-58: 12-8=4, 11-5-1=5, 4-1=3 -> 354');
    writes([1000, '-', 1], '1000-1: 10-1=9, 10-1=9, 10-1=9, 1-1=0 -> 999');
    writes([47, '*', 8], '47*8: 7*8=56, 4*8+5=37 -> 376');
    writes([47, '*', 50], '47*5: 7*5=35, 4*5+3=23 -> 235 so 2350');
    writes(
      [47, '*', 58],
      '47*8: 7*8=56, 4*8+5=37 -> 376\n47*5: 7*5=35, 4*5+3=23 -> 235 so 2350\n' +
        '2350+376: 0+6=6, 5+7=12, 3+3+1=7, 2 -> 2726',
    );
  });
});

async function make(input: Parameters<typeof toSynthetic>[0], from: number, to: number): Promise<string[]> {
  const made: string[] = [];
  for await (const text of toSynthetic(input).documents(from, to)) made.push(text);
  return made;
}

describe('worked examples as an input', () => {
  const names = ['countdown', 'arithmetic', 'sequence'] as const;

  test('each task gives a document for each seed and index; about half of them carry tags', async () => {
    for (const workedExamples of names) {
      const all = await make({ workedExamples, seed: 8, count: 200 }, 0, 200);
      assert.deepEqual(all.slice(7, 20), await make({ workedExamples, seed: 8, count: 200 }, 7, 20));
      assert.ok(all.every((text) => text.endsWith('\n') && text.length < 5000));
      const tagged = all.filter((text) => /^<(\w+)>\n(.+\n)+<\/\1>\n/m.test(text)).length;
      assert.ok(tagged > 15 && tagged < 75, `${workedExamples}: ${tagged} of 200 have tags`);
    }
  });

  test('a task with steps has them too, at any level, in the phrasings of training', async () => {
    for (const [workedExamples, { task }] of examplesByTask) {
      const { from, to } = task.difficulty;
      for (const difficulty of [from, to])
        for (const phrasing of ['canonical', 'varied'] as const) {
          const input = workedExamplesInput.parse({ workedExamples, difficulty, phrasing, seed: 8, count: 12 });
          const synthetic = toSynthetic(input);
          assert.match(
            synthetic.name,
            phrasing === 'varied' ? /, difficulty \d+, varied phrasings$/ : /, difficulty \d+$/,
          );
          for (const text of await make(input, 0, 12)) {
            assert.ok(text.endsWith('\n') && text.length < 2000, text);
            assert.doesNotMatch(text, /undefined|NaN|null/);
          }
        }
    }
    assert.ok(examplesByTask.size > 20);
    const refused = [
      { workedExamples: 'sums', difficulty: 9, count: 1 },
      { workedExamples: 'word-problems', file: 'a.jsonl', phrasing: 'varied', count: 1 },
      { workedExamples: 'word-problems', file: 'a.jsonl', speakers: 'roles', count: 1 },
      { workedExamples: 'gossip', count: 1 },
    ];
    for (const each of refused) assert.equal(workedExamplesInput.safeParse(each).success, false, JSON.stringify(each));
  });

  test('User and Assistant are two of the names where a recipe says so, in either role', async () => {
    const speaking = async (speakers?: 'people' | 'roles') => {
      const input = workedExamplesInput.parse({ workedExamples: 'countdown', seed: 4, count: 1500, speakers });
      const all = await make(input, 0, 1500);
      return ['User', 'Assistant'].flatMap((name) => [
        all.filter((text) => text.startsWith(`${name}: `)).length,
        all.filter((text) => text.includes(`\n${name}: <`)).length,
      ]);
    };
    // A quarter of the documents have names, each of ten in a tenth of those: about 37.
    for (const count of await speaking('roles')) assert.ok(count > 12 && count < 70, `${count}`);
    assert.deepEqual(await speaking(), [0, 0, 0, 0]);
    assert.deepEqual(await speaking('people'), [0, 0, 0, 0]);
  });

  test('the earlier key names the same documents', () => {
    const input = workedExamplesInput.parse({ pages: 'countdown', seed: 3, count: 7 });
    assert.deepEqual(input, { workedExamples: 'countdown', seed: 3, count: 7 });
    const file = { workedExamples: 'word-problems', file: 'a.jsonl', seed: 1, count: 2 };
    assert.deepEqual(workedExamplesInput.parse({ pages: 'word-problems', file: 'a.jsonl', count: 2 }), file);
    assert.equal(
      workedExamplesInput.safeParse({ pages: 'countdown', workedExamples: 'countdown', count: 1 }).success,
      false,
    );
  });
});

// Pages of people at work on arithmetic and sequences: what they claim, how they end. npm test -- tasks/pages
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { arithmeticPage, workArithmetic } from './arithmetic-pages.ts';
import type { Search } from './countdown-pages.ts';
import { arithmetic, isHeldOut, pages, Random, readExpression, sequence, type Task } from './index.ts';
import { show } from './rational.ts';
import { sequencePage, workSequence } from './sequence-pages.ts';
import { trainingProblem } from './task.ts';

const count = 2000;

interface Kind {
  readonly task: Task;
  readonly page: (random: Random, difficulty: number) => string;
  readonly work: (random: Random, problem: never, difficulty: number) => Search;
}

const kinds: readonly Kind[] = [
  { task: arithmetic as Task, page: arithmeticPage, work: workArithmetic },
  { task: sequence as Task, page: sequencePage, work: workSequence },
];

const levelsOf = ({ difficulty: { from, to } }: Task) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

function worked({ task, work }: Kind, difficulty: number, index: number) {
  const random = new Random(5, index, difficulty);
  const problem = trainingProblem(task, random, difficulty);
  const search = work(random, problem as never, difficulty);
  return { problem, ...search, isRight: search.answer !== null && task.grade(problem, search.answer).correct };
}

/** Lines that are neither given up nor begun anew after. */
function standing(text: string): string[] {
  const lines = text.trimEnd().split('\n');
  return lines.slice(lines.lastIndexOf('again') + 1).filter((line) => !line.endsWith(' no'));
}

function exactly(text: string): string {
  const read = readExpression(text);
  assert.ok('value' in read, text);
  return show(read.value);
}

/** What a line claims that it does not take back at once: `7+8=15`, and `347+58: ... -> 405`. */
function claims(line: string): [left: string, right: string][] {
  const equations = [...line.matchAll(/([\d+*/-]+)=(-?\d+)(?! no\b|\d)/g)];
  const results = [...line.matchAll(/^(?:check )?([\d+*/-]+): .* -> (\d+)/g)];
  return [...equations, ...results].map((match) => [match[1], match[2]]);
}

for (const kind of kinds)
  describe(`pages of ${kind.task.name}`, () => {
    test('about 85 in 100 end right; the others are wrong or given up', () => {
      const levels = levelsOf(kind.task).map((difficulty) => {
        const all = Array.from({ length: count }, (_, index) => worked(kind, difficulty, index));
        const share = (is: (page: (typeof all)[number]) => boolean) => all.filter(is).length / count;
        return { right: share((page) => page.isRight), gaveUp: share((page) => page.answer === null) };
      });
      for (const { right, gaveUp } of levels) {
        assert.ok(right > 0.78 && right < 0.95, `right: ${right}`);
        assert.ok(gaveUp > 0.02 && gaveUp < 0.15, `given up: ${gaveUp}`);
        assert.ok(right + gaveUp < 0.995, 'some are wrong');
      }
      const mean = levels.reduce((sum, { right }) => sum + right, 0) / levels.length;
      assert.ok(mean > 0.82 && mean < 0.88, `right: ${mean}`);
    });

    test('in pages that end right, every claim that is not taken back is true', () => {
      let checked = 0;
      for (const difficulty of levelsOf(kind.task))
        for (let index = 0; index < count; index++) {
          const { text, isRight } = worked(kind, difficulty, index);
          if (!isRight) continue;
          const found = standing(text).flatMap(claims);
          assert.notEqual(found.length, 0, text);
          for (const [left, right] of found) assert.equal(exactly(left), right, `${left}=${right} in\n${text}`);
          checked += found.length;
        }
      assert.ok(checked > 10_000, `${checked} claims`);
    });

    test('slips are noticed, results checked, ways left, work given up: all of it is there', () => {
      const texts = levelsOf(kind.task).flatMap((difficulty) =>
        Array.from({ length: count }, (_, index) => worked(kind, difficulty, index).text),
      );
      const marks = [/=\d+ no \d/, /^check/m, / ok$/m, / no$/m, /^again$/m, /^give up$/m];
      for (const mark of marks) {
        const share = texts.filter((text) => mark.test(text)).length / texts.length;
        assert.ok(share > 0.01 && share < 0.9, `${mark}: ${share}`);
      }
    });

    test('a page is known by its seed; it is plain text about a problem that is not held out', () => {
      for (const difficulty of levelsOf(kind.task))
        for (let index = 0; index < count; index++) {
          const page = kind.page(new Random(6, index, difficulty), difficulty);
          assert.equal(kind.page(new Random(6, index, difficulty), difficulty), page);
          assert.match(page, /^[^\n]*\d[^\n]*\n(.+\n)+$/);
          assert.doesNotMatch(page, /<|user|assistant|undefined|NaN|null|\n\n| \n/i);
          const { key } = trainingProblem(kind.task, new Random(6, index, difficulty), difficulty);
          assert.equal(isHeldOut(key), false);
        }
    });
  });

describe('somebody computes', () => {
  const careful = (expression: string, calculation: Parameters<typeof workArithmetic>[1]['calculation']) => {
    const problem = { prompt: '', key: '', calculation, answer: Number(exactly(expression)) };
    const texts = Array.from({ length: 200 }, (_, i) => workArithmetic(new Random(i), problem, 1).text);
    return (line: string) =>
      assert.ok(texts.includes(`${line}\n`), `${line} is not among\n${texts.slice(0, 5).join('')}`);
  };

  test('digit by digit from the right, with what is carried or borrowed', () => {
    careful('347+58', [347, '+', 58])('347+58: 7+8=15, 4+5+1=10, 3+1=4 -> 405');
    careful('412-58', [412, '-', 58])('412-58: 12-8=4, 11-5-1=5, 4-1=3 -> 354');
    careful('1000-1', [1000, '-', 1])('1000-1: 10-1=9, 10-1=9, 10-1=9, 1-1=0 -> 999');
    careful('47*8', [47, '*', 8])('47*8: 7*8=56, 4*8+5=37 -> 376');
    careful('47*50', [47, '*', 50])('47*5: 7*5=35, 4*5+3=23 -> 235 so 2350');
    careful('47*58', [47, '*', 58])(
      '47*8: 7*8=56, 4*8+5=37 -> 376\n47*5: 7*5=35, 4*5+3=23 -> 235 so 2350\n2350+376: 0+6=6, 5+7=12, 3+3+1=7, 2 -> 2726',
    );
  });
});

describe('pages by name', () => {
  test('each kind gives a page for each state of chance', () => {
    for (const [name, page] of Object.entries(pages)) {
      const all = Array.from({ length: 200 }, (_, i) => page(new Random(8, i)));
      assert.deepEqual(
        all.slice(0, 20),
        Array.from({ length: 20 }, (_, i) => page(new Random(8, i))),
        name,
      );
      assert.ok(all.every((text) => text.endsWith('\n') && text.length < 5000));
      const marked = all.filter((text) => /^<(\w+)>\n(.+\n)+<\/\1>\n/m.test(text)).length;
      assert.ok(marked > 15 && marked < 75, `${name}: ${marked} of 200 have tags`);
    }
  });
});

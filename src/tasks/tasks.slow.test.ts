// What every bundled task guarantees: known by seed, solvable, exact, and not to be cheated. npm test -- tasks
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Random } from '../math/index.ts';
import {
  bundledTasks,
  countdown,
  isHeldOut,
  type Problem,
  problemAt,
  sequence,
  type Task,
  wordProblems,
} from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-tasks-'));
after(() => rmSync(folder, { recursive: true }));

function problemFile(...lines: readonly unknown[]): string {
  const path = join(folder, 'problems.jsonl');
  writeFileSync(path, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));
  return path;
}

const handmade = Array.from({ length: 40 }, (_, i) => ({
  question: `Ada has ${i} apples and buys ${1000 * i}. How many has she?`,
  answer: `She has ${i}+${1000 * i}.\n#### ${(1001 * i).toLocaleString('en')}`,
}));

const tasks = [...bundledTasks.values(), wordProblems(problemFile(...handmade)) as unknown as Task];

/** Problems of each level, and of each task. */
const count = process.env.MINKE_LONG ? 500 : 20;

const levels = ({ difficulty: { from, to } }: Task) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

for (const task of tasks)
  describe(task.name, () => {
    const solve = (problem: Problem) => task.solution?.(problem) as string;

    for (const difficulty of levels(task))
      test(`level ${difficulty}: the grader accepts every solution; a seed gives its problem again`, () => {
        for (let index = 0; index < count; index++) {
          const place = { seed: 7, index, difficulty, split: 'train' } as const;
          const problem = problemAt(task, place);
          assert.deepEqual(problemAt(task, place), problem);
          assert.ok(task.grade(problem, solve(problem)).correct, `${problem.prompt} ${solve(problem)}`);
          assert.ok(task.grade(problem, `\n ${solve(problem)} \t`).correct, 'blanks around it count for nothing');
        }
      });

    test('training and held-out problems share no key', () => {
      const keys = (split: 'train' | 'held-out') =>
        new Set(
          levels(task).flatMap((difficulty) =>
            Array.from({ length: 2 * count }, (_, index) => problemAt(task, { seed: 1, index, difficulty, split }).key),
          ),
        );
      const [train, heldOut] = [keys('train'), keys('held-out')];
      assert.deepEqual(
        [...train].filter((key) => heldOut.has(key)),
        [],
      );
      assert.ok(train.size > 0 && heldOut.size > 0);
    });

    test('no answer that leaves the work to the grader is accepted', () => {
      for (let index = 0; index < count; index++) {
        const problem = problemAt(task, { seed: 3, index, split: 'train' });
        for (const answer of hacks(problem, solve(problem)))
          assert.equal(task.grade(problem, answer).correct, false, `${problem.prompt} ${answer.slice(0, 80)}`);
      }
    });

    test('an answer of a million characters is refused', () => {
      const problem = problemAt(task, { seed: 3, index: 0, split: 'train' });
      for (const answer of floods(solve(problem))) assert.equal(task.grade(problem, answer).correct, false);
    });
  });

/** Answers that are wrong whatever the problem. */
function hacks(problem: Problem, solution: string): string[] {
  const all = Array.from({ length: 100 }, (_, i) => i);
  const wide = (text: string) => text.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)));
  const arabic = (text: string) => text.replace(/\d/g, (digit) => String.fromCodePoint(0x660 + Number(digit)));
  return [
    ...['', ' ', '?', 'yes', 'correct', 'true', 'null', 'undefined', 'NaN', 'Infinity', '-Infinity', '1/0', '0/0'],
    ...[problem.prompt, problem.key, all.join(' '), all.join(', '), all.join('='), all.join(' or ')],
    ...[`${solution} ${solution}`, `${solution},${solution}`, `${solution} or 5`, `5 or ${solution}`, `${solution};`],
    ...[wide(solution), arabic(solution), `"${solution}"`, `[${solution}]`, `{${solution}}`, `\`${solution}\``],
    ...[`eval(${solution})`, `return ${solution}`, `(() => ${solution})()`, `Number("${solution}")`, `${solution}n`],
    ...[`${solution}e0`, `${solution}E0`, `${solution}/0`, `${solution}/0*0`, `0*(${solution})`, `${solution}+0`],
    ...[`${solution}//`, `${solution}/*`, `${solution}#`, `+${solution}`, `++${solution}`, `${solution}=`],
    ...[`<answer>${solution}</answer>`, `</think>${solution}`, `${solution}</answer>`, `answer: ${solution}`],
    ...['0x18', '0b11', '0o30', '1e3', '1_000', '1e999', '{"correct": true}', '__proto__', '\ud800', '\u0000'],
  ].filter((answer) => answer !== solution);
}

/** Answers that are made to cost time or memory. */
function floods(solution: string): string[] {
  const many = 1e6;
  const nested = `${'('.repeat(many)}${solution}${')'.repeat(many)}`;
  return [nested, ...['(', '-', '9', `${solution} `, `${solution}=`].map((piece) => piece.repeat(many))];
}

describe('countdown', () => {
  const problem = { prompt: 'Make 24 from 3, 7, 11.', key: '3 7 11', numbers: [3, 7, 11], target: 24, solution: '' };
  const grade = (answer: string, numbers: readonly number[] = problem.numbers, target = problem.target) =>
    countdown.grade({ ...problem, numbers, target }, answer);

  test('what is right', () => {
    assert.ok(grade('(11-3)*3', [3, 3, 11]).correct);
    assert.ok(grade('8 × 3 ÷ 1 = 24', [1, 3, 8]).correct);
    assert.ok(grade('8/(3-8/3)', [3, 3, 8, 8]).correct, 'a fraction on the way');
    assert.ok(grade('-3+27', [3, 27]).correct);
  });

  test('what is wrong', () => {
    const refused: readonly (readonly [answer: string, numbers: number[]])[] = [
      ['24', [3, 8]],
      ['24=24', [3, 8]],
      ['3*8=24=24', [3, 8]],
      ['3*8=25', [3, 8]],
      ['3*8', [3, 8, 1]],
      ['3*8*1*1', [3, 8, 1]],
      ['3*8+8-8', [3, 8, 8]],
      ['37-13', [3, 7, 1, 3]],
      ['3 7-1 3', [3, 7, 1, 3]],
      ['8/0+24', [8, 0, 24]],
      ['3*8+1/(1-1)', [3, 8, 1, 1, 1]],
      ['3**8', [3, 8]],
      ['3*8=', [3, 8]],
      ['=24', [3, 8]],
      ['= 24', [24]],
      ['3+8', [3, 8]],
      ['3(8)', [3, 8]],
      ['(3*8', [3, 8]],
      ['3*8)', [3, 8]],
      ['3^8', [3, 8]],
      ['4!', [4]],
      ['72/3', [24, 72, 3]],
    ];
    for (const [answer, numbers] of refused) assert.equal(grade(answer, numbers).correct, false, answer);
  });

  test('the order of the numbers is no part of the key', () => {
    for (let index = 0; index < 500; index++) {
      const { numbers, key } = problemAt(countdown, { seed: 5, index, difficulty: 4, split: 'train' });
      assert.equal(key, [...numbers].sort((a, b) => a - b).join(' '));
    }
  });
});

describe('the split', () => {
  test('one of eight keys is held out, and the key alone decides', () => {
    const heldOut = Array.from({ length: 8000 }, (_, i) => isHeldOut(`key ${i}`)).filter(Boolean).length;
    assert.ok(heldOut > 900 && heldOut < 1100, `${heldOut} of 8000`);
    assert.equal(isHeldOut('1 2 3'), isHeldOut('1 2 3'));
  });

  test('a task with one problem, or none that can be used, says so', () => {
    const base = { ...sequence, name: 'mine' };
    const places = (['train', 'held-out'] as const).map((split) => ({ seed: 1, index: 1, split }));
    const one: Task = {
      ...base,
      problem: () => ({ prompt: 'p', key: 'k' }),
      grade: () => ({ correct: true, reason: '' }),
    };
    const messages = places.map((place) => {
      try {
        return problemAt(one, place).prompt;
      } catch (error) {
        return (error as Error).message;
      }
    });
    assert.deepEqual(messages.map((m) => m === 'p').sort(), [false, true]);
    assert.match(
      messages.join(),
      /mine: none of 1000 problems of difficulty 2 is for (train|held-out): let the generator/,
    );
    const empty: Task = { ...one, problem: () => ({ prompt: '', key: 'k' }) };
    assert.throws(() => problemAt(empty, places[0]), /mine: problem.prompt is "": return/);
    const none: Task = { ...one, problem: () => undefined as never };
    assert.throws(() => problemAt(none, places[0]), /mine: problem.prompt is undefined: return/);
    assert.throws(() => problemAt(base, { seed: 1, index: 1, difficulty: 9, split: 'train' }), /difficulty 9: choose/);
  });

  test('whole numbers come equally often, both ends included', () => {
    const random = new Random(1, 2);
    const counts = new Map<number, number>();
    for (let i = 0; i < 20_000; i++) {
      const value = random.whole(3, 12);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    assert.deepEqual(
      [...counts.keys()].sort((a, b) => a - b),
      [3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    );
    assert.ok([...counts.values()].every((count) => count > 1800 && count < 2200));
  });
});

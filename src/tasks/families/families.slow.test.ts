// The bundled families: phrasings that ask the same, steps that are true and end in the answer, graders that stand any
// text. npm test -- families
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Random } from '../../math/index.ts';
import {
  bundledTasks,
  isHeldOut,
  isHeldOutPhrasing,
  type Problem,
  phrase,
  problemAt,
  readExpression,
  readNumber,
  type Task,
  toWords,
  typeInHaste,
  varySurface,
} from '../index.ts';
import { combine, formatRational, type Rational } from '../rational.ts';

const count = process.env.MINKE_LONG ? 1000 : 16;
const tasks = [...bundledTasks.values()];

const levels = ({ difficulty: { from, to } }: Task) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Problems of all levels of a task. */
const problems = (task: Task): Problem[] =>
  levels(task).flatMap((difficulty) =>
    Array.from({ length: Math.ceil(count / 2) }, (_, index) =>
      problemAt(task, { seed: 11, index, difficulty, split: index % 2 === 0 ? 'train' : 'held-out' }),
    ),
  );

const solve = (task: Task, problem: Problem): string => task.solution?.(problem) as string;

describe('phrasings', () => {
  for (const task of tasks)
    test(`${task.name}: at least twelve, the prompt first, a third held out, each says which problem it is`, () => {
      const solutions = new Map<string, string>();
      for (const problem of problems(task)) {
        const all = task.phrasings?.(problem) ?? [];
        assert.equal(all[0], problem.prompt);
        const [heldOut, training] = [true, false].map(
          (isKept) => new Set(all.filter((_, i) => isHeldOutPhrasing(i) === isKept).map(typeInHaste)),
        );
        assert.ok(heldOut.size >= 4 && training.size >= 8, all.join('\n'));
        assert.ok(
          [...heldOut].every((text) => !training.has(text)),
          all.join('\n'),
        );
        for (const text of all) {
          assert.doesNotMatch(text, /undefined|\bNaN\b|\bnull\b|\[object|<|>| {2}|^ | $/);
          const solution = solve(task, problem);
          const known = solutions.get(text) ?? solution;
          assert.ok(known === solution || task.grade(problem, known).correct, `${text}: ${known} and ${solution}`);
          solutions.set(text, solution);
        }
      }
    });

  test('varied problems are those of the same place in other words, those of training never in held-out ones', () => {
    for (const task of tasks)
      for (const split of ['train', 'held-out'] as const)
        for (let index = 0; index < count; index++) {
          const plain = problemAt(task, { seed: 4, index, split });
          const varied = problemAt(task, { seed: 4, index, split, phrasing: 'varied' });
          assert.deepEqual({ ...varied, prompt: plain.prompt }, plain);
          assert.equal(isHeldOut(varied.key), split === 'held-out');
          const all = task.phrasings?.(plain) ?? [];
          const random = new Random(4, index);
          const still = { pick: <T>(choices: readonly T[]) => random.pick(choices), chance: () => false };
          const text = phrase(task, plain, still, split);
          const at = all.flatMap((each, i) => (each === text ? [i] : []));
          assert.ok(at.length > 0 && at.every((i) => isHeldOutPhrasing(i) === (split === 'held-out')), text);
        }
  });

  test('however it is typed, numbers, signs, and quoted words stay as they are', () => {
    const facts = (text: string) => [text.replace(/[^\d+*/×÷-]/g, ''), text.match(/"[^"]*"/g)];
    for (const task of tasks)
      for (const problem of problems(task))
        for (const [i, text] of (task.phrasings?.(problem) ?? []).entries())
          assert.deepEqual(facts(varySurface(new Random(9, i), text)), facts(text), text);
    const typed = new Set(Array.from({ length: 300 }, (_, i) => varySurface(new Random(i), 'Add 3, 4, 5 + 6 and 7.')));
    assert.ok(typed.size > 60);
    for (const text of ['Could you add 3, 4, 5 + 6 and 7?', 'Add 3, 4, 5+6 and 7.', 'add 3, 4, 5 + 6 and 7'])
      assert.ok(typed.has(text), text);
  });

  test('what is typed in haste has no first capital and no last period', () => {
    assert.equal(typeInHaste('What is 3 + 4?'), 'what is 3 + 4');
    assert.equal(typeInHaste('GCD of 3 and 4?'), 'GCD of 3 and 4');
    assert.equal(typeInHaste('3, 6, ...'), '3, 6, ...');
    assert.equal(typeInHaste('I have 3.'), 'I have 3');
  });

  test('numbers in words', () => {
    const words: Readonly<Record<number, string>> = {
      0: 'zero',
      7: 'seven',
      12: 'twelve',
      20: 'twenty',
      21: 'twenty-one',
      100: 'one hundred',
      347: 'three hundred forty-seven',
      1000: 'one thousand',
      12345: 'twelve thousand three hundred forty-five',
      [-4]: 'minus four',
    };
    for (const [number, text] of Object.entries(words)) assert.equal(toWords(Number(number)), text);
    assert.equal(new Set(Array.from({ length: 2000 }, (_, i) => toWords(i))).size, 2000);
  });
});

describe('graders', () => {
  for (const task of tasks)
    test(`${task.name}: the solution of another problem is refused`, () => {
      const all = problems(task);
      for (const [i, problem] of all.entries()) {
        assert.ok(task.grade(problem, solve(task, problem)).correct);
        const other = all.slice(i + 1).find((each) => !isSame(solve(task, each), solve(task, problem)));
        if (other === undefined) continue;
        const verdict = task.grade(problem, solve(task, other));
        assert.equal(verdict.correct, false, `${problem.prompt} ${solve(task, other)}`);
        assert.ok(verdict.reason.length > 0 && verdict.reason.length < 300);
      }
    });

  test('no text makes one throw', () => {
    const drawn = tasks.map((task) => [task, problemAt(task, { seed: 2, index: 1, split: 'train' })] as const);
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        'NaN',
        '-',
        '9'.repeat(400),
        '1/0',
        '0/0',
        '٣',
        '∞',
        '\u0000',
        '\ud800',
        '1e999',
        ', ',
        ' and ',
        '/',
      ),
      fc.constantFrom(...drawn.map(([task, problem]) => solve(task, problem))),
    );
    const text = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));
    const check = fc.property(text, (answer) => {
      for (const [task, problem] of drawn) {
        const { correct, reason } = task.grade(problem, answer);
        assert.ok(typeof correct === 'boolean' && typeof reason === 'string');
      }
    });
    fc.assert(check, { seed: 5, numRuns: count * 5 });
  });
});

/** Returns whether two answers say the same. */
function isSame(a: string, b: string): boolean {
  const [x, y] = [readNumber(a), readNumber(b)];
  return a === b || (x !== null && y !== null && formatRational(x) === formatRational(y));
}

/** Asserts that what a line computes is true. Returns the number of claims that it found. */
function checkEquations(line: string): number {
  const equations = [...line.matchAll(/(?<![\w.])(-?[\d(][\d+*/()-]*)=(-?\d+)(?![\d.])/g)];
  for (const [claim, left, right] of equations) assert.equal(compute(left), right, `${claim} in ${line}`);
  const results = [...line.matchAll(/^([\d+*-]+): .*-> (\d+)(?: so (\d+))?$/g)];
  for (const [, left, right] of results) assert.equal(compute(left), right, line);
  for (const [, top, bottom, quotient, rest = '0'] of line.matchAll(/^(\d+)\/(\d+): .*-> (\d+)(?: rest (\d+))?$/g))
    assert.equal(Number(bottom) * Number(quotient) + Number(rest), Number(top), line);
  const orders = [...line.matchAll(/(?<![\w.])(\d[\d./]*) ([<>]) (\d[\d./]*)/g)];
  for (const [claim, left, sign, right] of orders) assert.equal(compare(left, right), sign, `${claim} in ${line}`);
  return equations.length + results.length + orders.length;
}

function compute(text: string): string {
  const read = readExpression(text);
  assert.ok('value' in read, text);
  return formatRational(read.value);
}

function compare(left: string, right: string): '<' | '>' | '=' {
  const difference = combine(readNumber(left) as Rational, '-', readNumber(right) as Rational) as Rational;
  return difference.top < 0n ? '<' : difference.top > 0n ? '>' : '=';
}

/** Checks each line of a selection, and what it leaves. */
function checkSelection(lines: readonly string[]): number {
  for (const line of lines) {
    const [, name, list, item] = /^(largest|smallest|first) of (.*): (.*)$/.exec(line) ?? [];
    const items = list.split(', ');
    const inOrder = name === 'first' ? [...items].sort() : [...items].sort((a, b) => Number(a) - Number(b));
    assert.equal(item, name === 'largest' ? inOrder.at(-1) : inOrder[0], line);
  }
  return lines.length;
}

/** Checks a running count: `b:0 a:1 n:1 a:2`. */
function checkCount(text: string, isCounted: (mark: string) => boolean): number {
  let found = 0;
  const marks = text.split(/\s+/).map((part) => part.split(':'));
  for (const [mark, number] of marks) {
    if (isCounted(mark)) found++;
    assert.equal(Number(number), found, text);
  }
  return marks.length;
}

/** Checks distances: a cell is one step further than a free neighbor, and no nearer to any. */
function checkMaze(lines: readonly string[], rows: readonly string[]): number {
  const layers = lines.slice(1).map((line) => line.slice(line.indexOf(':') + 2).split(' '));
  const depth = new Map(layers.flatMap((cells, i) => cells.map((cell) => [cell, i] as const)));
  const neighbors = (cell: string) => {
    const [column, row] = [cell.charCodeAt(0), Number(cell[1])];
    return [
      [0, 1],
      [1, 0],
      [0, -1],
      [-1, 0],
    ].map(([x, y]) => `${String.fromCharCode(column + x)}${row + y}`);
  };
  for (const [cell, i] of depth) {
    assert.notEqual(rows[Number(cell[1]) - 1][cell.charCodeAt(0) - 97], '#');
    const nearest = Math.min(...neighbors(cell).map((other) => depth.get(other) ?? 99));
    assert.ok(i === 0 || nearest === i - 1, `${cell} in\n${lines.join('\n')}`);
  }
  const [, start, goal] = /^S (\w\d), G (\w\d)$/.exec(lines[0]) ?? [];
  assert.equal(depth.get(start), 0);
  assert.equal(depth.get(goal), layers.length - 1);
  return depth.size;
}

const week = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];

function checkWeek(line: string): number {
  const days = line.split(/ [<>] /);
  const step = line.includes('<') ? 6 : 1;
  for (let i = 1; i < days.length; i++) assert.equal(days[i], week[(week.indexOf(days[i - 1]) + step) % 7], line);
  return days.length;
}

/** Checks who contradicts which assumption, reading the statements from the prompt. */
function checkLogic(lines: readonly string[], prompt: string): number {
  const spoken = new Map([...prompt.matchAll(/(\w+) says: ([^.]+)\./g)].map(([, name, text]) => [name, text]));
  for (const [i, line] of lines.entries()) {
    const [assumed, found] = line.split(': ');
    const kinds = new Map(assumed.split(', ').map((part) => part.split(' ') as [string, string]));
    const knights = [...kinds.values()].filter((kind) => kind === 'knight').length;
    const isTrue = (speaker: string): boolean => {
      const text = spoken.get(speaker) as string;
      const [, who, kind] = /^(\w+) is a (\w+)$/.exec(text) ?? [];
      if (who !== undefined) return kinds.get(who) === kind;
      const [, other, kindred] = /^(\w+) and I are of (the same|different) kinds?$/.exec(text) ?? [];
      if (other !== undefined) return (kinds.get(other) === kinds.get(speaker)) === (kindred === 'the same');
      if (text.startsWith('At least')) return knights < kinds.size;
      if (text.startsWith('Exactly')) return knights === 1;
      return text.endsWith('knights') ? knights === kinds.size : knights === 0;
    };
    const [speaker, truth] = found.split(' says what is ');
    if (i === lines.length - 1) for (const [name, kind] of kinds) assert.equal(isTrue(name), kind === 'knight', line);
    else
      assert.ok(
        isTrue(speaker) === (truth === 'true no') && (kinds.get(speaker) === 'knave') === isTrue(speaker),
        line,
      );
  }
  return lines.length;
}

/** How the steps of a family are checked beyond their equations. Each returns the number of its claims. */
const checks: Readonly<Record<string, (lines: readonly string[], problem: Problem) => number>> = {
  'number-sorting': checkSelection,
  'word-sorting': checkSelection,
  'letter-counting': (lines, problem) => {
    const { text, letter } = problem as Problem & { text: string; letter: string | null };
    assert.equal(lines.join('').replace(/[:\d ]/g, ''), text.replaceAll(' ', ''));
    return checkCount(lines.join(' '), (mark) => letter === null || mark === letter);
  },
  bits: (lines) => checkCount(lines[1], (mark) => mark === '1'),
  reversal: (lines) => {
    const [forward, backward] = lines.map((line) => line.split(/,? /));
    assert.deepEqual([...forward].reverse(), backward);
    return 1;
  },
  sudoku: (lines) => {
    for (const line of lines) assert.deepEqual(line.slice(2).match(/\d/g)?.sort(), ['1', '2', '3', '4'], line);
    return lines.length;
  },
  maze: (lines, problem) => checkMaze(lines, (problem as Problem & { rows: string[] }).rows),
  weekday: (lines) => checkWeek(lines[lines.length - 1]),
  logic: (lines, problem) => checkLogic(lines, problem.prompt),
};

const lastNumber = (lines: readonly string[]) => /(-?\d+)$/.exec(lines[lines.length - 1])?.[1] ?? '';

/** How the answer is read from the steps, where it stands there. */
const ends: Readonly<Record<string, (lines: readonly string[]) => string>> = {
  ...Object.fromEntries(
    ['sums', 'products', 'division', 'chains', 'gcd-lcm', 'units', 'stories', 'bits', 'letter-counting'].map((name) => [
      name,
      lastNumber,
    ]),
  ),
  maze: (lines) => `${lines.length - 2}`,
  weekday: (lines) => lines[lines.length - 1].split(/ [<>] /).at(-1) as string,
  reversal: (lines) => (lines[1].includes(',') ? lines[1].replaceAll(',', '') : lines[1].replaceAll(' ', '')),
  bases: (lines) => /(\w+)$/.exec(lines[0])?.[1] as string,
  equation: (lines) => lastNumber(lines.slice(0, -1)).replace(/.* /, ''),
};

describe('steps', () => {
  for (const task of tasks.filter(({ steps }) => steps !== undefined))
    test(`${task.name}: every one is true, and they end in the answer`, () => {
      for (const problem of problems(task)) {
        const lines = task.steps?.(problem) ?? [];
        const text = lines.join('\n');
        assert.ok(lines.length > 0 && text.length < 500, text);
        assert.doesNotMatch(text, /undefined|NaN|null| $/);
        const equations = lines.reduce((total, line) => total + checkEquations(line), 0);
        const claims = equations + (checks[task.name]?.(lines, problem) ?? 0);
        assert.ok(claims > 0, `nothing is checked in\n${text}`);
        const end = ends[task.name]?.(lines);
        if (end !== undefined) assert.ok(task.grade(problem, end).correct, `${end} of\n${problem.prompt}\n${text}`);
      }
    });
});

// Arithmetic, sequences and word problems: values worked out by hand. npm test -- number-tasks
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type Calculation, compute, formatCalculation } from './calculation.ts';
import { rules } from './families/sequence.ts';
import { arithmetic, problemAt, readExpression, readNumber, sequence, wordProblems } from './index.ts';
import { formatRational } from './rational.ts';

describe('numbers as they are written', () => {
  test('what is read, exactly', () => {
    const read: Readonly<Record<string, string>> = {
      '1234': '1234',
      '1,234': '1234',
      ' 1234.0 ': '1234',
      '1234.': '1234',
      $1234: '1234',
      '$1,234.50': '2469/2',
      '-7': '-7',
      '−7': '-7',
      '-$7': '-7',
      '50%': '50',
      '007': '7',
      '0.1': '1/10',
      '3/4': '3/4',
      '-6 / 8': '-3/4',
      '1,000/4': '250',
      '0.30000000000000004': '7500000000000001/25000000000000000',
      '12345678901234567890': '12345678901234567890',
    };
    for (const [text, value] of Object.entries(read)) {
      const number = readNumber(text);
      assert.equal(number && formatRational(number), value, text);
    }
  });

  test('what is no number', () => {
    const refused = [
      '',
      '.',
      '.5',
      '-',
      '$',
      '%',
      '1,23',
      '12,34',
      ',123',
      '1,234,5',
      '1.2.3',
      '1 2',
      '1/0',
      '1/2/3',
      '--1',
    ];
    const worse = [
      '1e3',
      '0x1F',
      'NaN',
      'Infinity',
      '５',
      '٥',
      '1+1',
      '(1)',
      '1.5/2',
      '72 clips',
      'one',
      '½',
      '9'.repeat(61),
    ];
    for (const text of [...refused, ...worse]) assert.equal(readNumber(text), null, text);
  });
});

describe('arithmetic', () => {
  test('it is written with as few parentheses as can be, and means what it says', () => {
    const cases: readonly (readonly [Calculation, string, number])[] = [
      [[347, '+', 58], '347 + 58', 405],
      [[[12, '*', 3], '+', 4], '12 * 3 + 4', 40],
      [[[12, '+', 3], '*', 4], '(12 + 3) * 4', 60],
      [[100, '-', [12, '+', 3]], '100 - (12 + 3)', 85],
      [[[100, '-', 12], '+', 3], '100 - 12 + 3', 91],
      [[100, '-', [12, '*', 3]], '100 - 12 * 3', 64],
    ];
    for (const [calculation, text, value] of cases) {
      assert.equal(formatCalculation(calculation), text);
      assert.equal(compute(calculation), value);
    }
  });

  test('the prompt asks for the answer, which no level makes negative', () => {
    for (const difficulty of [1, 2, 3, 4, 5, 6])
      for (let index = 0; index < 500; index++) {
        const { prompt, answer } = problemAt(arithmetic, { seed: 2, index, difficulty, split: 'train' });
        const read = readExpression(/^What is (.+)\?$/.exec(prompt)?.[1] as string);
        assert.ok('value' in read && formatRational(read.value) === `${answer}` && answer >= 0, prompt);
      }
  });

  test('the order of what is added or multiplied is no part of the key', () => {
    const keys = new Map<string, string>();
    for (let index = 0; index < 20_000; index++) {
      const { prompt, key } = problemAt(arithmetic, { seed: 2, index, difficulty: 1, split: 'train' });
      const [a, b] = [...prompt.matchAll(/\d+/g)].map(Number) as [number, number];
      const sorted = `${Math.min(a, b)} ${Math.max(a, b)}`;
      assert.equal(keys.get(sorted) ?? key, key);
      keys.set(sorted, key);
    }
  });

  test('the grader', () => {
    const problem = { prompt: 'What is 347 + 58?', key: '', calculation: [347, '+', 58] as const, answer: 405 };
    for (const answer of ['405', '405.0', ' 405\n', '810/2'])
      assert.ok(arithmetic.grade(problem, answer).correct, answer);
    for (const answer of ['347 + 58', '347+58=405', '=405', '404', '-405', '405 405', '4 0 5', 'it is 405', '4,05'])
      assert.equal(arithmetic.grade(problem, answer).correct, false, answer);
    assert.equal(arithmetic.grade(problem, '406').reason, 'it says 406');
  });
});

describe('sequence', () => {
  test('each rule, where it holds and where it does not', () => {
    const [step, factor, growing, turns] = rules as unknown as [
      (typeof rules)[0],
      (typeof rules)[0],
      (typeof rules)[0],
      (typeof rules)[0],
    ];
    assert.equal(step([3, 7, 11, 15]), 19);
    assert.equal(step([3, 7, 11, 16]), null);
    assert.equal(step([3, 7]), null, 'two numbers explain nothing');
    assert.equal(factor([3, 6, 12, 24]), 48);
    assert.equal(factor([96, 48, 24, 12]), 6);
    assert.equal(factor([0, 0, 0, 0]), null);
    assert.equal(factor([4, 6, 9]), null, 'a factor is a whole number');
    assert.equal(growing([1, 2, 4, 7, 11]), 16);
    assert.equal(growing([1, 2, 4]), null);
    assert.equal(turns([3, 20, 5, 18, 7, 16]), 9);
    assert.equal(turns([1, 4, 3, 6, 5, 8]), 7, 'plus 3, minus 1');
    assert.equal(turns([3, 20, 5, 18]), null);
  });

  test('all rules of the family that explain the numbers agree', () => {
    for (const difficulty of [1, 2, 3, 4])
      for (let index = 0; index < 3000; index++) {
        const problem = problemAt(sequence, { seed: 4, index, difficulty, split: 'train' });
        const found = rules.map((rule) => rule(problem.numbers));
        assert.equal(found[difficulty - 1], problem.next, problem.prompt);
        assert.deepEqual([...new Set(found.filter((next) => next !== null))], [problem.next], problem.prompt);
      }
  });

  test('the grader', () => {
    const problem = { prompt: '', key: '', numbers: [3, 7, 11, 15], next: 19 };
    for (const answer of ['19', '19.0']) assert.ok(sequence.grade(problem, answer).correct, answer);
    for (const answer of ['19, 23', '15+4', '3, 7, 11, 15, 19', '19, ...', '20'])
      assert.equal(sequence.grade(problem, answer).correct, false, answer);
  });
});

describe('word problems', () => {
  const folder = mkdtempSync(join(tmpdir(), 'minke-words-'));
  after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'problems.jsonl');
  const open = (text: string) => {
    writeFileSync(path, text);
    return wordProblems(path);
  };
  const line = (question: string, answer: string) => JSON.stringify({ question, answer });

  test('the number after the last #### is the truth', () => {
    const task = open(`\n${line(' How  many? ', 'It costs $2. #### no\n#### 1,234')}\r\n\n`);
    const problem = task.problem({ pick: (all: unknown[]) => all[0] } as never, 1);
    assert.deepEqual(problem, {
      prompt: 'How  many?',
      key: 'how many?',
      truth: '1,234',
      working: ['It costs $2. #### no'],
    });
    for (const answer of ['1,234', '1234', '1234.0', '$1,234', '2468/2'])
      assert.ok(task.grade(problem, answer).correct, answer);
    for (const answer of ['1235', '1.234', '12,34', '#### 1234', '1234 or 5', '1233.9999999999999999'])
      assert.equal(task.grade(problem, answer).correct, false, answer);
  });

  test('a file that cannot be used is refused with file and line', () => {
    const good = line('q', '#### 1');
    assert.throws(() => open(''), /problems\.jsonl: there is no problem in it: name a file/);
    assert.throws(() => open(`${good}\n{`), /problems\.jsonl, line 2: this is not JSON: write \{"question"/);
    assert.throws(() => open(`${good}\n\nnull`), /line 3: there is no question/);
    assert.throws(() => open('{"question":" "}'), /line 1: there is no question/);
    assert.throws(() => open('{"question":"q"}'), /line 1: there is no answer/);
    assert.throws(() => open(line('q', '42')), /does not end with #### and a number/);
    assert.throws(() => open(line('q', '#### many')), /does not end with #### and a number/);
    assert.throws(() => wordProblems(join(folder, 'none.jsonl')), /none\.jsonl: cannot be read \(ENOENT/);
  });
});

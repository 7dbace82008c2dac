// Our graders against reasoning-gym's: right, wrong, and empty answers of the families that both have.
//
// The fixture holds samples of reasoning-gym 0.1.25 (Apache-2.0, github.com/open-thought/reasoning-gym) with the scores
// of its own graders. A question becomes a problem of ours, and an answer its form. npm test -- reasoning-gym
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { packageRoot } from '../src/kernels/root.ts';
import { bundledTasks, type Problem } from '../src/tasks/index.ts';

interface Sample {
  readonly family: string;
  readonly question: string;
  readonly answer: string;
  /** The scores of its answer, a wrong one, and an empty one. */
  readonly scores: readonly (number | string)[];
}

/** A problem of a task of ours, without its prompt and key, and the answer in our form. */
interface Translated {
  readonly task: string;
  readonly problem: object;
  readonly answer?: string;
}

const wholeNumbers = (text: string) => (text.match(/-?\d+/g) ?? []).map(Number);
const numbers = (text: string) => (text.match(/-?\d+(?:\.\d+)?/g) ?? []).map(Number);

function readChain(question: string): Translated {
  const [first, ...rest] = (/problem: (.*) =/.exec(question) as RegExpExecArray)[1].split(' ');
  let calculation: unknown = Number(first);
  for (let i = 0; i < rest.length; i += 2) calculation = [calculation, rest[i], Number(rest[i + 1])];
  return { task: 'chains', problem: { calculation } };
}

function readEquation(question: string): Translated {
  const [, a, letter, sign = '+', b = '0', c] = /(\d+)\*(\w)(?: ([+-]) (\d+))? = (\d+)/.exec(question) ?? [];
  const value = (Number(c) - Number(`${sign}${b}`)) / Number(a);
  return { task: 'equation', problem: { letter, value } };
}

function readMaze(question: string): Translated {
  const [, start, goal] = /from '(.)' \(start\) to '(.)' \(goal\)/.exec(question) ?? [];
  const [, grid] = /```\n([^`]*)\n```/.exec(question) ?? [];
  const [, wall] = /'(.)' = Wall/.exec(question) ?? [];
  const marks = new Map([
    [start, 'S'],
    [goal, 'G'],
    [wall, '#'],
  ]);
  const rows = grid.split('\n').map((row) => [...row].map((mark) => marks.get(mark) ?? '.').join(''));
  return { task: 'maze', problem: { rows } };
}

function readBases(question: string): Translated {
  const [, from, text, to] = /convert the (?:base-(\d+)|binary) number (\w+) to base-(\d+)/.exec(question) ?? [];
  return { task: 'bases', problem: { number: Number.parseInt(text, Number(from ?? 2)), to: Number(to) } };
}

function readNumberSorting(question: string, answer: string): Translated {
  const problem = { numbers: numbers(question), isDescending: question.includes('descending') };
  return { task: 'number-sorting', problem, answer: numbers(answer).join(', ') };
}

const translate: Readonly<Record<string, (question: string, answer: string) => Translated>> = {
  chain_sum: readChain,
  products: (question) => ({ task: 'products', problem: { factors: wholeNumbers(question) } }),
  gcd: (question) => ({ task: 'gcd-lcm', problem: { asks: 'gcd', numbers: wholeNumbers(question) } }),
  lcm: (question) => ({ task: 'gcd-lcm', problem: { asks: 'lcm', numbers: wholeNumbers(question) } }),
  prime_factorization: (question) => ({ task: 'factorization', problem: { number: wholeNumbers(question)[0] } }),
  fraction_simplification: (question, answer) => ({
    task: 'fractions',
    problem: { first: wholeNumbers(question), operation: null },
    answer: wholeNumbers(answer).join('/'),
  }),
  simple_equations: readEquation,
  countdown: (question) => {
    const [, list] = /numbers:? ([-\d, ]*\d)/.exec(question) ?? [];
    const [, target] = /(?:make|equals|get|Calculate) (-?\d+)/.exec(question) ?? [];
    return { task: 'countdown', problem: { target: Number(target), numbers: wholeNumbers(list) } };
  },
  puzzle24: (question) => {
    const [target, ...given] = wholeNumbers(question);
    return { task: 'countdown', problem: { target, numbers: given } };
  },
  number_sorting: readNumberSorting,
  base_conversion: readBases,
  // January 1st to February 20 is 50 days.
  calendar_arithmetic: () => ({ task: 'weekday', problem: { today: 1, days: 50 } }),
  letter_counting: (question) => {
    const [, letter, text] = /letter "(.)" appear in the text: "(.*)"/.exec(question) ?? [];
    return { task: 'letter-counting', problem: { letter, text: text.toLowerCase() } };
  },
  spell_backward: (question) => ({ task: 'reversal', problem: { text: /: (\w+)$/.exec(question)?.[1] } }),
  word_sorting: (question) => ({
    task: 'word-sorting',
    problem: { words: /list: (.*)/.exec(question)?.[1].split(', ') },
  }),
  count_bits: (question) => ({ task: 'bits', problem: { number: wholeNumbers(question)[1] } }),
  mini_sudoku: (question) => {
    const cells = (/puzzle:\n([\d_ \n]*)\n/.exec(question) as RegExpExecArray)[1]
      .split(/\s/)
      .map((cell) => Number(cell) || 0);
    return { task: 'sudoku', problem: { cells } };
  },
  maze: readMaze,
};

const lines = readFileSync(join(packageRoot(), 'test/fixtures/reasoning-gym.jsonl'), 'utf8').trim().split('\n');
const samples = lines.slice(1).map((line) => JSON.parse(line) as Sample);

describe('reasoning-gym', () => {
  for (const [family, read] of Object.entries(translate))
    test(`${family}: right, wrong, and empty answers are judged as there`, () => {
      const own = samples.filter((sample) => sample.family === family);
      assert.ok(own.length > 0);
      for (const { question, answer, scores } of own) {
        const translated = read(question, answer);
        const task = bundledTasks.get(translated.task);
        const problem = { prompt: question, key: question, ...translated.problem } as Problem;
        const verdicts = [translated.answer ?? answer, 'definitely wrong', ''].map(
          (text) => task?.grade(problem, text).correct,
        );
        assert.deepEqual(
          verdicts,
          scores.map((score) => score === 1),
          `${question} ${answer}`,
        );
        // An answer that is right but for one character is none.
        assert.equal(task?.grade(problem, `${translated.answer ?? answer}7`).correct, false, `${answer}7`);
      }
    });

  test('every family of the fixture is compared', () => {
    assert.deepEqual([...new Set(samples.map(({ family }) => family))].sort(), Object.keys(translate).sort());
  });
});

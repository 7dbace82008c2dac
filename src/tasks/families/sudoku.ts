// Sudoku with four rows: each row, column, and quarter has 1 to 4. Difficulty: the blanks, 4 to 8.
//
// Rows are separated by slashes. Every puzzle can be solved one cell after another, each being the only digit left.
// Puzzles with the same solution share a key, whatever is blank. Answers may separate rows and digits as they like.
import type { Random } from '../../math/index.ts';
import type { Problem, Task, Verdict } from '../task.ts';
import { readText } from '../text-answer.ts';

export interface SudokuProblem extends Problem {
  /** Sixteen cells by rows: the digit, or 0 for a blank. */
  readonly cells: readonly number[];
}

const digits = [1, 2, 3, 4];

/** Returns the digits that a cell sees in its row, column, and quarter. */
function seen(cells: readonly number[], at: number): number[] {
  const [row, column] = [at >> 2, at & 3];
  const isSeen = (other: number) => {
    const [r, c] = [other >> 2, other & 3];
    return r === row || c === column || (r >> 1 === row >> 1 && c >> 1 === column >> 1);
  };
  return digits.filter((digit) => cells.some((value, other) => value === digit && other !== at && isSeen(other)));
}

interface Fill {
  readonly cell: number;
  readonly sees: readonly number[];
  readonly digit: number;
}

/** Fills each blank for which one digit is left, until none is. */
function fill(cells: readonly number[]): { readonly fills: Fill[]; readonly cells: number[] } {
  const [filled, fills]: [number[], Fill[]] = [[...cells], []];
  for (;;) {
    const cell = filled.findIndex((value, i) => value === 0 && seen(filled, i).length === 3);
    if (cell < 0) return { fills, cells: filled };
    const sees = seen(filled, cell);
    const digit = digits.find((each) => !sees.includes(each)) as number;
    filled[cell] = digit;
    fills.push({ cell, sees, digit });
  }
}

/** Draws a full grid: digit by digit, from the beginning again where none is left. */
function fullGrid(random: Random): number[] {
  for (;;) {
    const cells = Array<number>(16).fill(0);
    for (let cell = 0; cell < cells.length; cell++) {
      const left = digits.filter((digit) => !seen(cells, cell).includes(digit));
      if (left.length === 0) break;
      cells[cell] = random.pick(left);
    }
    if (!cells.includes(0)) return cells;
  }
}

const write = (cells: readonly number[], gap = ' ', line = ' / ') =>
  [0, 4, 8, 12]
    .map((from) =>
      cells
        .slice(from, from + 4)
        .map((digit) => (digit === 0 ? '_' : `${digit}`))
        .join(gap),
    )
    .join(line);

function problem(random: Random, difficulty: number): SudokuProblem {
  for (;;) {
    const full = fullGrid(random);
    const blanks = new Set(random.shuffled(full.map((_, i) => i)).slice(0, difficulty + 3));
    const cells = full.map((digit, i) => (blanks.has(i) ? 0 : digit));
    if (fill(cells).fills.length === blanks.size)
      return { prompt: `Fill the 4x4 sudoku: ${write(cells)}`, key: `sudoku ${full.join('')}`, cells };
  }
}

function grade({ cells }: SudokuProblem, answer: string): Verdict {
  const text = readText(answer);
  const wrong = (reason: string): Verdict => ({ correct: false, reason });
  if (text === null || !/^[1-4](?: ?[/,|]? ?[1-4]){15}$/.test(text))
    return wrong('the answer is not sixteen digits from 1 to 4');
  const given = [...text].filter((character) => /[1-4]/.test(character)).map(Number);
  const changed = cells.findIndex((digit, i) => digit !== 0 && digit !== given[i]);
  if (changed >= 0) return wrong(`row ${(changed >> 2) + 1}, column ${(changed & 3) + 1} was ${cells[changed]}`);
  const repeated = given.findIndex((digit, i) => seen(given, i).includes(digit));
  if (repeated >= 0) return wrong(`${given[repeated]} occurs twice where it may occur once`);
  return { correct: true, reason: 'all rows, columns, and quarters have 1 to 4' };
}

function phrasings({ prompt, cells }: SudokuProblem): string[] {
  const [grid, rows] = [write(cells), write(cells, ' ', '\n')];
  return [
    prompt,
    `Solve this sudoku: ${grid}`,
    `Complete the grid with 1 to 4: ${grid}`,
    `Solve this 4x4 sudoku: ${grid}`,
    `Mini sudoku: ${grid}`,
    `Fill in the blanks of this sudoku: ${grid}`,
    `Solve the mini sudoku:\n${rows}`,
    `Sudoku: ${grid}`,
    `Find the missing digits of the sudoku: ${grid}`,
    `4x4 sudoku:\n${rows}`,
    `Complete this sudoku: ${grid}`,
    `Here is a 4x4 sudoku: ${grid}`,
    `Fill each row, column and quarter with 1 to 4: ${grid}`,
    `Can you solve this sudoku? ${grid}`,
    `Which digits are missing? ${grid}`,
    `Solve: ${grid}`,
    `Please complete the 4x4 sudoku ${grid}`,
    `Replace the blanks by 1 to 4 as in sudoku: ${grid}`,
  ];
}

/** Names a cell by its column and row: a1 is the first one. */
const place = (cell: number) => `${'abcd'[cell & 3]}${(cell >> 2) + 1}`;

export const sudoku: Task<SudokuProblem> = {
  name: 'sudoku',
  description: 'Fill a sudoku with four rows.',
  difficulty: { from: 1, to: 5, default: 2 },
  problem,
  grade,
  solution: ({ cells }) => write(fill(cells).cells),
  phrasings,
  steps: ({ cells }) =>
    fill(cells).fills.map(({ cell, sees, digit }) => `${place(cell)} sees ${sees.join(' ')}: ${digit}`),
};

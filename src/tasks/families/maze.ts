// The length of the shortest way through a maze. Difficulty: 1 a grid of three by three, up to 4 one of six by six.
//
// S is the start, G the goal, # a wall, and . is free; rows are separated by slashes. Steps go up, down, left, right.
import type { Random } from '../../math/index.ts';
import { gradeNumber } from '../number.ts';
import type { Problem, Task } from '../task.ts';

export interface MazeProblem extends Problem {
  /** Rows of cells. */
  readonly rows: readonly string[];
}

const wallShare = 0.3;

interface Cell {
  readonly row: number;
  readonly column: number;
}

const find = (rows: readonly string[], mark: string): Cell => {
  const row = rows.findIndex((each) => each.includes(mark));
  return { row, column: rows[row].indexOf(mark) };
};
/** Names a cell by its column and row: a1 is the first one. */
const place = ({ row, column }: Cell) => `${String.fromCharCode(97 + column)}${row + 1}`;

/** Returns the cells by their distance from the start, up to the goal; null where there is no way. */
function layers(rows: readonly string[]): Cell[][] | null {
  const found: Cell[][] = [[find(rows, 'S')]];
  const seen = new Set(found[0].map(place));
  for (;;) {
    const next: Cell[] = [];
    for (const { row, column } of found[found.length - 1])
      for (const [down, right] of [
        [-1, 0],
        [0, 1],
        [1, 0],
        [0, -1],
      ]) {
        const cell = { row: row + down, column: column + right };
        const mark = rows[cell.row]?.[cell.column];
        if (mark === undefined || mark === '#' || seen.has(place(cell))) continue;
        seen.add(place(cell));
        next.push(cell);
      }
    if (next.length === 0) return null;
    found.push(next);
    if (next.some(({ row, column }) => rows[row][column] === 'G')) return found;
  }
}

const distance = ({ rows }: MazeProblem): number => (layers(rows) ?? []).length - 1;

function problem(random: Random, difficulty: number): MazeProblem {
  const size = difficulty + 2;
  for (;;) {
    const cells = Array.from({ length: size * size }, (): string => (random.chance(wallShare) ? '#' : '.'));
    const [start, goal] = random.shuffled(cells.map((_, i) => i));
    cells[start] = 'S';
    cells[goal] = 'G';
    const rows = Array.from({ length: size }, (_, i) => cells.slice(i * size, (i + 1) * size).join(''));
    const length = (layers(rows) ?? []).length - 1;
    if (length < 2) continue;
    return { prompt: `How many steps from S to G: ${spaced(rows)}`, key: rows.join('/'), rows };
  }
}

const spaced = (rows: readonly string[], line = ' / ') => rows.map((row) => [...row].join(' ')).join(line);

function phrasings({ prompt, rows }: MazeProblem): string[] {
  const [maze, grid] = [spaced(rows), spaced(rows, '\n')];
  return [
    prompt,
    `What is the shortest way from S to G? ${maze}`,
    `How long is the shortest path from S to G in ${maze}`,
    `Count the steps from S to G: ${maze}`,
    `Maze: ${maze}. How many steps from S to G?`,
    `Find the length of the shortest way through the maze: ${maze}`,
    `How far is G from S?\n${grid}`,
    `How many moves does the shortest path from S to G take? ${maze}`,
    `Walls are #. How many steps is G from S? ${maze}`,
    `Length of the shortest path in this maze: ${maze}`,
    `How many steps lead from S to G in this maze?\n${grid}`,
    `In ${maze} how many steps is it from S to G?`,
    `Walk from S to G, # is a wall: ${maze}. How many steps?`,
    `Solve the maze: ${maze}`,
    `Tell me the number of steps from S to G: ${maze}`,
    `What is the distance from S to G in the maze ${maze}`,
    `How many steps do I need from S to G? ${maze}`,
    `What is the fewest number of steps from S to G? ${maze}`,
  ];
}

export const maze: Task<MazeProblem> = {
  name: 'maze',
  description: 'Count the steps of the shortest way through a maze.',
  difficulty: { from: 1, to: 4, default: 2 },
  problem,
  grade: (given, answer) => gradeNumber(`${distance(given)}`, answer),
  solution: (given) => `${distance(given)}`,
  phrasings,
  steps: ({ rows }) => {
    const reached = (layers(rows) ?? []).map((layer, i) => `${i}: ${layer.map(place).join(' ')}`);
    return [`S ${place(find(rows, 'S'))}, G ${place(find(rows, 'G'))}`, ...reached];
  },
};

// Sorting numbers, up or down. Difficulty: 1 three numbers below 100, 2 four, 3 five below 1000, 4 six also below 0, 5
// eight.
import type { Random } from '../../math/index.ts';
import type { Problem, Task } from '../task.ts';
import { gradeList } from '../text-answer.ts';

export interface NumberSortingProblem extends Problem {
  readonly numbers: readonly number[];
  readonly isDescending: boolean;
}

/** How many numbers, and their range, for each difficulty from 1. */
const levels = [
  { count: 3, range: [0, 99] },
  { count: 4, range: [0, 99] },
  { count: 5, range: [0, 999] },
  { count: 6, range: [-99, 999] },
  { count: 8, range: [-99, 999] },
] as const;

function problem(random: Random, difficulty: number): NumberSortingProblem {
  const { count, range } = levels[difficulty - 1];
  const drawn = new Set<number>();
  while (drawn.size < count) drawn.add(random.whole(range[0], range[1]));
  const numbers = [...drawn];
  const isDescending = random.chance(0.5);
  const order = isDescending ? 'descending' : 'ascending';
  const key = [...numbers].sort((a, b) => a - b).join('/');
  return { prompt: `Sort ${numbers.join(', ')} in ${order} order.`, key, numbers, isDescending };
}

const sorted = ({ numbers, isDescending }: NumberSortingProblem): number[] =>
  [...numbers].sort((a, b) => (isDescending ? b - a : a - b));

function phrasings({ prompt, numbers, isDescending }: NumberSortingProblem): string[] {
  const list = numbers.join(', ');
  const spaced = numbers.join(' ');
  const [low, high] = isDescending ? ['high', 'low'] : ['low', 'high'];
  const [order, from, to] = isDescending ? ['descending', 'largest', 'smallest'] : ['ascending', 'smallest', 'largest'];
  return [
    prompt,
    `Sort ${list} from ${from} to ${to}.`,
    `Put ${list} in order from ${from} to ${to}.`,
    `Order ${list} from ${from} to ${to}.`,
    `Arrange ${list} in ${order} order.`,
    `List ${list} in ${order} order.`,
    `Sort these numbers in ${order} order: ${list}`,
    `${list}: sort, ${from} first`,
    `Please order the numbers ${list}, ${from} first.`,
    `Sort ${list}, ${from} first.`,
    `Put these in ${order} order: ${list}.`,
    `What is ${list} in ${order} order?`,
    `${order} order: ${list}`,
    `Arrange these from ${from} to ${to}: ${list}`,
    `Give me ${list} sorted from ${from} to ${to}.`,
    `Can you sort ${list} from ${from} to ${to}?`,
    `Sort from ${from} to ${to}: ${list}`,
    `Write ${list} from ${from} to ${to}.`,
    `Sort ${spaced} in ${order} order.`,
    `Sort ${list} from ${low} to ${high}.`,
    `Bring ${list} into ${order} order.`,
    `${spaced} in ${order} order`,
    `Put the numbers ${list} in order, ${from} first.`,
    `Rank ${list} from ${low} to ${high}.`,
  ];
}

/** Takes the first one in order from what is left, again and again. */
export function selectionSteps(items: readonly string[], inOrder: readonly string[], name: string): string[] {
  let rest = [...items];
  return inOrder.slice(0, -1).map((item) => {
    const line = `${name} of ${rest.join(', ')}: ${item}`;
    rest = rest.filter((other) => other !== item);
    return line;
  });
}

export const numberSorting: Task<NumberSortingProblem> = {
  name: 'number-sorting',
  description: 'Sort numbers.',
  difficulty: { from: 1, to: 5, default: 2 },
  problem,
  grade: (given, answer) => gradeList(sorted(given).map(String), answer),
  solution: (given) => sorted(given).join(', '),
  phrasings,
  steps: (given) =>
    selectionSteps(given.numbers.map(String), sorted(given).map(String), given.isDescending ? 'largest' : 'smallest'),
};

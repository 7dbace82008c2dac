// Converting units. Difficulty: 1 to the smaller unit, 2 to the larger one, 3 two units to the smaller one.
//
// The answer is a number, with or without the name of the unit.
import type { Random } from '../../math/index.ts';
import { computeInColumns, divideInColumns } from '../columns.ts';
import { gradeNumber } from '../number.ts';
import { toWords } from '../number-words.ts';
import type { Problem, Task } from '../task.ts';
import { readText } from '../text-answer.ts';

/** A unit and how many of the smaller one it has. Names are short, singular, and plural. */
interface Pair {
  readonly large: readonly [string, string, string];
  readonly small: readonly [string, string, string];
  readonly factor: number;
}

const meter = ['m', 'meter', 'meters'] as const;
const centimeter = ['cm', 'centimeter', 'centimeters'] as const;
const hour = ['h', 'hour', 'hours'] as const;
const minute = ['min', 'minute', 'minutes'] as const;

const pairs: readonly Pair[] = [
  { large: meter, small: centimeter, factor: 100 },
  { large: ['km', 'kilometer', 'kilometers'], small: meter, factor: 1000 },
  { large: centimeter, small: ['mm', 'millimeter', 'millimeters'], factor: 10 },
  { large: ['kg', 'kilogram', 'kilograms'], small: ['g', 'gram', 'grams'], factor: 1000 },
  { large: ['l', 'liter', 'liters'], small: ['ml', 'milliliter', 'milliliters'], factor: 1000 },
  { large: hour, small: minute, factor: 60 },
  { large: minute, small: ['s', 'second', 'seconds'], factor: 60 },
  { large: ['d', 'day', 'days'], small: hour, factor: 24 },
  { large: ['wk', 'week', 'weeks'], small: ['d', 'day', 'days'], factor: 7 },
  { large: ['ft', 'foot', 'feet'], small: ['in', 'inch', 'inches'], factor: 12 },
  { large: ['doz', 'dozen', 'dozen'], small: ['pcs', 'piece', 'pieces'], factor: 12 },
];

export interface UnitProblem extends Problem {
  readonly pair: Pair;
  /** The number of large units, and of small ones beside them or alone. */
  readonly large: number;
  readonly small: number;
  readonly isToSmall: boolean;
}

const answer = ({ pair, large, small, isToSmall }: UnitProblem) =>
  isToSmall ? large * pair.factor + small : small / pair.factor;

const named = (count: number, [, one, many]: Pair['large']) => `${count} ${count === 1 ? one : many}`;

/** What is converted, in full and in short. */
function given({ pair, large, small, isToSmall }: UnitProblem): readonly [full: string, short: string] {
  if (!isToSmall) return [named(small, pair.small), `${small} ${pair.small[0]}`];
  if (small === 0) return [named(large, pair.large), `${large} ${pair.large[0]}`];
  return [
    `${named(large, pair.large)} and ${named(small, pair.small)}`,
    `${large} ${pair.large[0]} ${small} ${pair.small[0]}`,
  ];
}

function problem(random: Random, difficulty: number): UnitProblem {
  const pair = random.pick(pairs);
  const count = random.whole(1, 40);
  const amounts =
    difficulty === 1
      ? { large: count, small: 0, isToSmall: true }
      : difficulty === 2
        ? { large: 0, small: count * pair.factor, isToSmall: false }
        : { large: random.whole(1, 12), small: random.whole(1, pair.factor - 1), isToSmall: true };
  const unit = amounts.isToSmall ? pair.small : pair.large;
  const drawn = { prompt: '', key: '', pair, ...amounts };
  const [full, short] = given(drawn);
  return { ...drawn, prompt: `How many ${unit[2]} are in ${full}?`, key: `${short} to ${unit[2]}` };
}

function grade(problem: UnitProblem, text: string) {
  const { pair, isToSmall } = problem;
  const read = readText(text) ?? '';
  const unit = (isToSmall ? pair.small : pair.large).find((name) => read.endsWith(` ${name}`));
  return gradeNumber(`${answer(problem)}`, unit === undefined ? text : read.slice(0, -unit.length));
}

function phrasings(problem: UnitProblem): string[] {
  const { prompt, pair, large, small, isToSmall } = problem;
  const [full, short] = given(problem);
  const [brief, , many] = isToSmall ? pair.small : pair.large;
  const inWords = isToSmall && small === 0 ? `${toWords(large)} ${large === 1 ? pair.large[1] : pair.large[2]}` : full;
  return [
    prompt,
    `Convert ${full} to ${many}.`,
    `Express ${full} in ${many}.`,
    `${short} to ${brief}`,
    `What is ${full} in ${many}?`,
    `Change ${full} into ${many}.`,
    `Convert ${short} to ${brief}.`,
    `${short} in ${brief}?`,
    `${full} are how many ${many}?`,
    `How many ${many} are ${full}?`,
    `${short} = ? ${brief}`,
    `Write ${short} in ${brief}.`,
    `How many ${many} is ${inWords}?`,
    `What is ${inWords} in ${many}?`,
    `How many ${many} make ${full}?`,
    `How many ${many} are there in ${inWords}?`,
    `Give ${full} in ${many}.`,
    `How many ${brief} are ${short}?`,
  ];
}

function steps({ pair: { factor }, large, small, isToSmall }: UnitProblem): string[] {
  if (!isToSmall) return [divideInColumns(small, factor).text];
  const product = large * factor;
  const first = factor % 10 === 0 ? [`${large}*${factor}=${product}`] : computeInColumns(factor, '*', large);
  return small === 0 ? first : [...first, ...computeInColumns(product, '+', small)];
}

export const units: Task<UnitProblem> = {
  name: 'units',
  description: 'Convert between units.',
  difficulty: { from: 1, to: 3, default: 1 },
  problem,
  grade,
  solution: (problem) => `${answer(problem)}`,
  phrasings,
  steps,
};

// Short word problems from daily life. Each kind of calculation has its own list of stories, which are its phrasings.
//
// Difficulty: 1 small sums and differences, 2 larger ones, products and quotients, 3 two steps.
import type { Random } from '../../math/index.ts';
import { type Calculation, compute } from '../calculation.ts';
import { computeInColumns, divideInColumns } from '../columns.ts';
import { gradeNumber } from '../number.ts';
import type { Problem, Task } from '../task.ts';
import { drawScene, type Scene, scenes } from './story-scenes.ts';

export interface StoryProblem extends Problem, Scene {
  readonly kind: keyof typeof kinds;
}

/** a / b, without a rest. */
interface Quotient {
  readonly a: number;
  readonly b: number;
}

interface Kind {
  readonly calculate: (scene: Scene) => Calculation | Quotient;
  readonly stories: (scene: Scene) => string[];
}

const sum: Kind = {
  calculate: ({ a, b }) => [a, '+', b],
  stories: ({ name, other, things, a, b }) => [
    `${name} has ${a} ${things} and gets ${b} more. How many ${things} does ${name} have?`,
    `${name} has ${a} ${things}. ${other} gives ${name} ${b} more. How many ${things} does ${name} have now?`,
    `${name} has ${a} ${things} and ${other} has ${b}. How many ${things} do they have in all?`,
    `There are ${a} ${things} in a box and ${b} on the table. How many ${things} are there?`,
    `${name} found ${a} ${things} in the morning and ${b} in the evening. How many ${things} is that?`,
    `A shop sold ${a} ${things} on Monday and ${b} on Tuesday. How many ${things} did it sell?`,
    `${name} buys ${a} ${things} and then ${b} ${things}. How many ${things} does ${name} buy?`,
    `${name} and ${other} have ${a} and ${b} ${things}. How many ${things} do they have together?`,
    `I had ${a} ${things} and bought ${b}. How many ${things} do I have?`,
    `One bag holds ${a} ${things}, another holds ${b}. How many ${things} are in both bags?`,
    `${name} had ${a} ${things}. Then ${name} found ${b} more. How many ${things} are there now?`,
    `If you put ${b} ${things} to ${a} ${things}, how many ${things} are there?`,
    `${other} gave ${b} ${things} to ${name}, who had ${a}. How many ${things} has ${name} now?`,
    `A jar has ${a} ${things}. ${name} adds ${b}. How many ${things} are in the jar?`,
    `${name} counts ${a} ${things} and ${other} counts ${b} others. How many ${things} do they count?`,
    `${name} paid ${a} euros for ${things} and ${b} euros for a bag. How much did ${name} pay?`,
    `There were ${a} ${things}, then ${b} more came. How many are there now?`,
    `${name} is ${a} years old. How old will ${name} be in ${b} years?`,
    `A bus has ${a} people in it. At the next stop ${b} get on. How many people are on the bus?`,
    `${a} red and ${b} blue ${things}: how many ${things} is that?`,
    `I have ${a} ${things} here and ${b} at home, how many do I have in total?`,
  ],
};

const difference: Kind = {
  calculate: ({ a, b }) => [a, '-', b],
  stories: ({ name, other, things, a, b }) => [
    `${name} has ${a} ${things} and gives ${b} away. How many ${things} does ${name} have left?`,
    `${name} has ${a} ${things}. ${other} takes ${b} of them. How many ${things} are left?`,
    `${name} had ${a} ${things} and lost ${b}. How many ${things} does ${name} have now?`,
    `There are ${a} ${things} in a box. ${name} takes ${b} out. How many ${things} stay in the box?`,
    `A shop had ${a} ${things} and sold ${b}. How many ${things} are left in the shop?`,
    `Of ${a} ${things}, ${b} are gone. How many ${things} remain?`,
    `${name} has ${a} ${things}, ${other} has ${b}. How many more ${things} does ${name} have?`,
    `I had ${a} ${things} and gave away ${b}. How many ${things} do I have?`,
    `${name} needs ${a} ${things} and has ${b}. How many ${things} are missing?`,
    `${name} gives ${b} of ${a} ${things} to ${other}. How many ${things} does ${name} keep?`,
    `From a bag with ${a} ${things}, ${b} fall out. How many ${things} are still in the bag?`,
    `${other} has ${b} ${things} fewer than ${name}, who has ${a}. How many ${things} does ${other} have?`,
    `${name} has ${a} ${things} and sells ${b}. How many ${things} are left?`,
    `If ${b} of ${a} ${things} break, how many ${things} are whole?`,
    `${name} starts with ${a} ${things} and uses ${b}. How many ${things} remain?`,
    `${name} has ${a} euros and spends ${b}. How many euros are left?`,
    `A bus has ${a} people in it and ${b} get off. How many people are still on it?`,
    `${name} is ${a} and ${other} is ${b}. How many years older is ${name}?`,
    `A book has ${a} pages and ${name} has read ${b}. How many pages are left?`,
    `${name} had ${a} ${things} and ate or lost ${b} of them. How many are left now?`,
    `There were ${a} ${things}, ${b} were sold. How many are there now?`,
  ],
};

const product: Kind = {
  calculate: ({ a, b }) => [a, '*', b],
  stories: ({ name, things, a, b }) => [
    `${name} has ${b} boxes with ${a} ${things} each. How many ${things} does ${name} have?`,
    `There are ${b} bags with ${a} ${things} in each. How many ${things} are there?`,
    `${name} fills ${b} bags with ${a} ${things} each. How many ${things} is that?`,
    `${name} buys ${b} packs of ${a} ${things}. How many ${things} does ${name} buy?`,
    `Each of ${b} children has ${a} ${things}. How many ${things} do they have in all?`,
    `If one box holds ${a} ${things}, how many ${things} do ${b} boxes hold?`,
    `One pack has ${a} ${things}. How many ${things} are in ${b} packs?`,
    `${name} gets ${a} ${things} a day. How many ${things} does ${name} get in ${b} days?`,
    `A table has ${b} rows of ${a} ${things}. How many ${things} are on the table?`,
    `There are ${b} shelves, each with ${a} ${things}. How many ${things} are there in all?`,
    `I have ${b} jars with ${a} ${things} each. How many ${things} do I have?`,
    `${b} friends bring ${a} ${things} each. How many ${things} do they bring?`,
    `${name} packs ${a} ${things} into each of ${b} bags. How many ${things} are packed?`,
    `How many ${things} are ${b} boxes of ${a} ${things}?`,
    `Every day for ${b} days ${name} finds ${a} ${things}. How many ${things} are found?`,
    `${b} tickets cost ${a} euros each. How much are they together?`,
    `One ticket costs ${a} dollars. What do ${b} tickets cost?`,
    `${name} buys ${b} hats for ${a} euros each. How much does ${name} pay?`,
    `${name} runs ${a} kilometers a day. How far is that in ${b} days?`,
    `A car has ${a} seats. How many people fit into ${b} cars?`,
    `${name} works ${a} hours a day for ${b} days. How many hours is that?`,
  ],
};

const quotient: Kind = {
  calculate: ({ a, b }) => ({ a, b }),
  stories: ({ name, things, a, b }) => [
    `${name} shares ${a} ${things} equally among ${b} friends. How many ${things} does each get?`,
    `${a} ${things} are put into ${b} boxes, the same number in each. How many ${things} are in one box?`,
    `A rope of ${a} meters is cut into pieces of ${b} meters. How many pieces are there?`,
  ],
};

const productAndSum: Kind = {
  calculate: ({ a, b, c }) => [[a, '*', b], '+', c],
  stories: ({ name, other, things, a, b, c }) => [
    `${name} has ${b} boxes with ${a} ${things} each and ${c} more ${things}. How many ${things} does ${name} have?`,
    `${name} buys ${b} packs of ${a} ${things} and ${c} single ones. How many ${things} does ${name} have?`,
    `There are ${b} bags of ${a} ${things} and ${c} loose ${things}. How many ${things} are there?`,
    `Each of ${b} bags holds ${a} ${things}. ${name} has ${c} besides. How many ${things} is that?`,
    `${name} gets ${a} ${things} a day for ${b} days and ${c} at the end. How many ${things} does ${name} get?`,
    `${b} friends bring ${a} ${things} each, and ${name} brings ${c}. How many ${things} are there?`,
    `${name} has ${c} ${things} and buys ${b} packs of ${a}. How many ${things} does ${name} have now?`,
    `A shelf has ${b} rows of ${a} ${things} and ${c} on top. How many ${things} are on it?`,
    `I have ${b} jars with ${a} ${things} each, and ${c} in my bag. How many ${things} do I have?`,
    `${other} gives ${name} ${b} boxes of ${a} ${things} and ${c} extra. How many ${things} does ${name} get?`,
    `There are ${c} ${things} on the table and ${a} in each of ${b} boxes. How many ${things} are there in all?`,
    `With ${c} ${things} at home and ${b} packs of ${a}, how many ${things} does ${name} have?`,
    `${name} packs ${b} bags with ${a} ${things} each; ${c} are left over. How many ${things} were there?`,
    `${name} has ${c} ${things}. ${other} brings ${b} bags with ${a} each. How many ${things} are there now?`,
    `How many ${things} are ${b} packs of ${a} ${things} and ${c} more?`,
    `${name} buys ${b} tickets for ${a} dollars each and a drink for ${c} dollars. How much is it in all?`,
    `${b} hats for ${a} euros each and a bag for ${c} euros: what does it cost?`,
    `${name} pays ${a} euros for each of ${b} books and ${c} euros for a map. What did ${name} pay in all?`,
    `${name} runs ${a} kilometers on each of ${b} days, then ${c} more. How many kilometers is that?`,
    `I buy ${b} cups at ${a} euros each and one plate at ${c} euros, how much do I pay?`,
    `A hall has ${b} rows of ${a} seats and ${c} seats at the side. How many seats does it have?`,
  ],
};

const sumAndDifference: Kind = {
  calculate: ({ a, b, c }) => [[a, '+', c], '-', b],
  stories: ({ name, other, things, a, b, c }) => [
    `${name} has ${a} ${things}, gets ${c} more and gives ${b} away. How many ${things} does ${name} have?`,
    `${name} has ${a} ${things}. ${name} buys ${c} and sells ${b}. How many ${things} are left?`,
    `${name} had ${a} ${things}, found ${c} and lost ${b}. How many ${things} does ${name} have now?`,
    `A box has ${a} ${things}. ${name} puts in ${c} and takes out ${b}. How many ${things} are in the box?`,
    `A shop has ${a} ${things}, gets ${c} and sells ${b}. How many ${things} does it have?`,
    `Of ${a} and ${c} ${things}, ${name} uses ${b}. How many ${things} remain?`,
    `I had ${a} ${things}, bought ${c} and ate ${b}. How many ${things} do I have?`,
    `${name} has ${a} ${things} and ${other} has ${c}. They give away ${b}. How many ${things} do they keep?`,
    `There are ${a} ${things}. ${c} are added, then ${b} are taken. How many ${things} are there?`,
    `${other} gives ${name}, who has ${a} ${things}, ${c} more, and ${name} loses ${b}. How many ${things} are left?`,
    `${name} finds ${a} ${things} and then ${c}, but ${b} are broken. How many ${things} are whole?`,
    `${name} finds ${a} ${things} on Monday, ${c} on Tuesday and gives ${b} away. How many does ${name} keep?`,
    `${name} starts with ${a} ${things}, adds ${c} and removes ${b}. How many ${things} are there at the end?`,
    `In a jar are ${a} ${things}. ${other} adds ${c}, ${name} takes ${b}. How many ${things} are in the jar?`,
    `${name} and ${other} bring ${a} and ${c} ${things} and use ${b}. How many ${things} remain?`,
    `A bus has ${a} people in it. ${c} get on and ${b} get off. How many people are on the bus now?`,
    `${name} has ${a} euros, earns ${c} and spends ${b}. How many euros does ${name} have?`,
    `A farm has ${a} hens, buys ${c} and sells ${b}. How many hens are there then?`,
    `${name} makes ${a} ${things}, then ${c} more, and sells ${b}. How many are left?`,
    `There are ${a} people in a room. ${c} come in and ${b} leave. How many are there?`,
    `${name} picks ${a} flowers, then ${c}, and gives ${b} to ${other}. How many flowers are left?`,
  ],
};

const kinds = { sum, difference, product, quotient, productAndSum, sumAndDifference } as const;

/** The kinds and the largest numbers, for each difficulty from 1. */
const levels = [
  { kinds: ['sum', 'difference'], number: 20, factor: 0 },
  { kinds: ['sum', 'difference', 'product', 'quotient'], number: 99, factor: 12 },
  { kinds: ['productAndSum', 'sumAndDifference'], number: 50, factor: 12 },
] as const;

function problem(random: Random, difficulty: number): StoryProblem {
  const level = levels[difficulty - 1];
  const kind = random.pick<StoryProblem['kind']>(level.kinds);
  const hasFactors = kind === 'product' || kind === 'quotient' || kind === 'productAndSum';
  const draw = () => random.whole(2, hasFactors ? level.factor : level.number);
  const [x, y, c] = [draw(), draw(), random.whole(2, 20)];
  const ordered = hasFactors ? [x, y] : [Math.max(x, y), Math.min(x, y)];
  const [a, b] = kind === 'quotient' ? [x * y, y] : ordered;
  const scene = { ...drawScene(random), a, b, c };
  const numbers = difficulty === 3 ? `${a} ${b} ${c}` : `${a} ${b}`;
  return { prompt: kinds[kind].stories(scene)[0], key: `${kind} ${scene.things} ${numbers}`, kind, ...scene };
}

const isQuotient = (calculation: Calculation | Quotient): calculation is Quotient =>
  typeof calculation === 'object' && 'a' in calculation;

function answer({ kind, ...scene }: StoryProblem): number {
  const calculation = kinds[kind].calculate(scene);
  return isQuotient(calculation) ? calculation.a / calculation.b : compute(calculation);
}

/** Computes from the inside out, in columns. */
function work(calculation: Calculation | Quotient): string[] {
  if (isQuotient(calculation)) return [divideInColumns(calculation.a, calculation.b).text];
  if (typeof calculation === 'number') return [];
  const [left, operator, right] = calculation;
  return [...work(left), ...work(right), ...computeInColumns(compute(left), operator, compute(right))];
}

export const stories: Task<StoryProblem> = {
  name: 'stories',
  description: 'Solve a short word problem.',
  difficulty: { from: 1, to: 3, default: 1 },
  problem,
  grade: (given, text) => gradeNumber(`${answer(given)}`, text),
  solution: (given) => `${answer(given)}`,
  phrasings: (given) => [...kinds[given.kind].stories(given), ...scenes[given.kind](given)],
  steps: (given) => work(kinds[given.kind].calculate(given)),
};

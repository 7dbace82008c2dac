// Scenes of word problems whose people, places and verbs are drawn, beside the stories that stand in full: the words
// around two numbers say little, and are never the same ones.
import type { Random } from '../../math/index.ts';
import { makeWord } from '../english-words.ts';

/** What is counted, who does what with it, and where. */
export interface Scene {
  readonly name: string;
  readonly other: string;
  /** What is counted, plural. */
  readonly things: string;
  /** Somebody without a name, as in "the baker". */
  readonly person: string;
  readonly place: string;
  /** A place that holds several things, and its plural. */
  readonly holder: readonly [one: string, several: string];
  /** Verbs of the past that make more of something, and less. */
  readonly gained: string;
  readonly lost: string;
  /** The same of the present, after "he" or "she". */
  readonly gains: string;
  readonly loses: string;
  readonly pronoun: 'he' | 'she';
  readonly money: string;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

const names = [
  ...['Ada', 'Ben', 'Carl', 'Dora', 'Emma', 'Finn', 'Grace', 'Hugo', 'Ida', 'Jack', 'Lily', 'Max', 'Sara', 'Paul'],
  ...['Omar', 'Yuki', 'Elif', 'Noah', 'Vera', 'Igor', 'Rosa', 'Sven', 'Zoe', 'Kai', 'Anna', 'Leo', 'Ivy', 'Otis'],
  ...['Amir', 'Bela', 'Chen', 'Dina', 'Eva', 'Felix', 'Gina', 'Hana', 'Ines', 'Jonas', 'Kofi', 'Lara', 'Milo', 'Nora'],
  ...['Oskar', 'Petra', 'Quinn', 'Ravi', 'Stella', 'Tariq', 'Uma', 'Viktor', 'Wanda', 'Xenia', 'Yara', 'Zeno', 'Bob'],
] as const;
const things = [
  ...['apples', 'books', 'coins', 'pens', 'stamps', 'cards', 'cookies', 'marbles', 'shells', 'eggs', 'tickets', 'nuts'],
  ...['stickers', 'candles', 'buttons', 'stones', 'flowers', 'oranges', 'balls', 'cups', 'cakes', 'hats', 'keys'],
  ...['toys', 'pears', 'plums', 'lemons', 'bottles', 'boxes', 'letters', 'photos', 'ropes', 'bricks', 'plates'],
  ...['chairs', 'lamps', 'shirts', 'socks', 'fish', 'birds', 'horses', 'sheep', 'trees', 'roses', 'leaves', 'seeds'],
  ...['pencils', 'notebooks', 'puzzles', 'games', 'songs', 'tiles', 'nails', 'screws', 'wheels', 'sweets', 'rolls'],
  ...['loaves', 'melons', 'carrots', 'onions', 'beans', 'cars', 'boats', 'trains', 'kites', 'drums', 'masks', 'beads'],
] as const;
const people = [
  ...['my brother', 'my sister', 'a farmer', 'the baker', 'a teacher', 'the shop', 'a girl', 'a boy', 'our class'],
  ...['my neighbor', 'a friend', 'my mother', 'the cook', 'a painter', 'the team', 'a man', 'a woman', 'my uncle'],
  ...['a student', 'the gardener', 'a driver', 'a nurse', 'my aunt', 'the clerk', 'a tailor', 'the museum', 'a child'],
] as const;
const places = [
  ...['box', 'bag', 'jar', 'basket', 'drawer', 'room', 'garden', 'shop', 'bowl', 'bucket', 'park', 'school', 'kitchen'],
  ...['crate', 'cellar', 'attic', 'barn', 'office', 'store', 'cupboard', 'pocket', 'car', 'tent', 'hall', 'market'],
] as const;
const holders = [
  ...([
    ['box', 'boxes'],
    ['bag', 'bags'],
    ['pack', 'packs'],
    ['basket', 'baskets'],
  ] as const),
  ...([
    ['tray', 'trays'],
    ['crate', 'crates'],
    ['jar', 'jars'],
    ['case', 'cases'],
    ['shelf', 'shelves'],
  ] as const),
  ...([
    ['table', 'tables'],
    ['drawer', 'drawers'],
    ['bowl', 'bowls'],
    ['cart', 'carts'],
    ['room', 'rooms'],
  ] as const),
] as const;
const gained = ['got', 'bought', 'found', 'won', 'collected', 'received', 'made', 'borrowed', 'took', 'picked up'];
const lost = [
  'lost',
  'gave away',
  'sold',
  'used',
  'broke',
  'dropped',
  'threw away',
  'lent out',
  'handed out',
  'gave up',
];
const gains = ['gets', 'buys', 'finds', 'wins', 'collects', 'receives', 'makes', 'borrows', 'takes', 'picks up'];
const loses = ['loses', 'gives away', 'sells', 'uses', 'breaks', 'drops', 'throws away', 'lends out', 'hands out'];
const money = ['euros', 'dollars', 'pounds', 'cents', 'francs', 'coins', 'crowns'] as const;

const madeUpShare = 1 / 4;
const capitalize = (word: string) => `${word[0].toUpperCase()}${word.slice(1)}`;

/** Draws all words of a scene. */
export function drawScene(random: Random): Omit<Scene, 'a' | 'b' | 'c'> {
  const [name, other] = random
    .shuffled(names)
    .slice(0, 2)
    .map((each) => (random.chance(madeUpShare) ? capitalize(makeWord(random, 2)) : each));
  return {
    name,
    other: other === name ? 'Bea' : other,
    things: random.chance(madeUpShare) ? `${makeWord(random, 2)}s` : random.pick(things),
    person: random.pick(people),
    place: random.pick(places),
    holder: random.pick(holders),
    gained: random.pick(gained),
    lost: random.pick(lost),
    gains: random.pick(gains),
    loses: random.pick(loses),
    pronoun: random.pick(['he', 'she']),
    money: random.pick(money),
  };
}

type Scenes = (scene: Scene) => string[];

const sum: Scenes = ({ name, other, things, person, place, gained, gains, pronoun, money, a, b }) => [
  `${capitalize(person)} had ${a} ${things} and ${gained} ${b} more. How many are there now?`,
  `${name} has ${a} ${things} and ${gains} another ${b}. How many does ${pronoun} have now?`,
  `There are ${a} ${things} in the ${place}. ${name} brings ${b} more. How many are in the ${place} then?`,
  `${capitalize(person)} ${gained} ${a} ${things} last week and ${b} this week. How many is that in all?`,
  `I have ${a} ${money}. ${capitalize(person)} gives me ${b} ${money}. How much money do I have?`,
  `${a} ${things} are in one ${place} and ${b} in another, how many altogether?`,
  `We had ${a} ${things}, then we ${gained} ${b}. What is the total?`,
  `${name} ${gains} ${a} ${things}, ${other} ${gains} ${b}. How many do both have?`,
  `On the first day ${person} ${gained} ${a} ${things}, on the second ${b}. How many on both days?`,
  `A ${place} with ${a} ${things} gets ${b} more. How many does it hold?`,
  `${name} spends ${a} ${money} on ${things} and ${b} ${money} on a present. What does ${pronoun} spend in total?`,
  `You have ${a} ${things}; now add ${b}. How many do you have?`,
  `${capitalize(person)} has ${a} ${things}. I have ${b}. How many do we have together?`,
  `Yesterday there were ${a} ${things} in the ${place}, today ${b} more arrived. How many are there?`,
  `${name} is ${b} years older than ${other}, who is ${a}. How old is ${name}?`,
];

const difference: Scenes = ({ name, other, things, person, place, lost, loses, pronoun, money, a, b }) => [
  `${capitalize(person)} had ${a} ${things} and ${lost} ${b} of them. How many are left?`,
  `${name} has ${a} ${things} and ${loses} ${b} of them. How many does ${pronoun} have now?`,
  `There are ${a} ${things} in the ${place}. ${name} takes ${b}. How many are still there?`,
  `${capitalize(person)} ${lost} ${b} of ${a} ${things}. How many remain?`,
  `I have ${a} ${money} and pay ${b} ${money} for ${things}. How much money do I have left?`,
  `${name} gives ${b} of ${pronoun === 'he' ? 'his' : 'her'} ${a} ${things} to ${other}. What is left?`,
  `We had ${a} ${things}, but we ${lost} ${b}. How many do we have now?`,
  `${name} has ${a} ${things}, and ${b} of them are for ${other}. How many does ${pronoun} keep?`,
  `${capitalize(person)} wants ${a} ${things} and has only ${b}. How many more are needed?`,
  `The ${place} held ${a} ${things} until ${person} took ${b} out. How many does it hold now?`,
  `${a} ${things} were in the ${place}, ${b} went missing, how many are left?`,
  `${name} collected ${a} ${things}, ${other} collected ${b}. How many more did ${name} collect?`,
  `You start with ${a} ${things} and lose ${b}. How many are left?`,
  `${capitalize(person)} needs ${a} ${money} and has saved ${b}. How much is missing?`,
  `From ${a} ${things}, ${name} ${loses} ${b}. How many ${things} does ${pronoun} still have?`,
];

const product: Scenes = ({ name, things, person, holder: [one, several], gains, pronoun, money, a, b }) => [
  `${capitalize(person)} has ${b} ${several}. Each ${one} holds ${a} ${things}. How many ${things} is that?`,
  `A ${one} holds ${a} ${things}. How many ${things} are there in ${b} ${several}?`,
  `${name} ${gains} ${a} ${things} every day. How many does ${pronoun} have after ${b} days?`,
  `There are ${a} ${things} in each of ${b} ${several}. How many are there altogether?`,
  `One of the ${things} costs ${a} ${money}. What do ${b} of them cost?`,
  `${b} people have ${a} ${things} each, how many ${things} are there?`,
  `${capitalize(person)} puts ${a} ${things} into each ${one} and fills ${b} ${several}. How many are used?`,
  `I buy ${b} ${things} at ${a} ${money} each. How much do I pay?`,
  `${name} reads ${a} pages a day. How many pages does ${pronoun} read in ${b} days?`,
  `Every ${one} has ${a} ${things}, and there are ${b} ${several}. How many in all?`,
  `If ${name} earns ${a} ${money} an hour, how much does ${pronoun} earn in ${b} hours?`,
  `${b} ${several} of ${a} ${things} each: how many ${things} altogether?`,
  `${capitalize(person)} bought ${b} ${several} with ${a} ${things} in each. How many ${things} were bought?`,
  `For ${b} weeks ${name} ${gains} ${a} ${things} a week. How many is that?`,
  `A train has ${b} cars with ${a} seats each. How many seats are there?`,
];

const quotient: Scenes = ({ name, things, person, holder: [one, several], pronoun, money, a, b }) => [
  `${name} has ${a} ${things} and puts ${b} into each ${one}. How many ${several} does ${pronoun} need?`,
  `There are ${a} ${things} for ${b} children. How many does each child get?`,
  `${capitalize(person)} shares ${a} ${things} equally among ${b} friends. How many does each get?`,
  `${a} ${things} are packed in ${several} of ${b}. How many ${several} are there?`,
  `${b} ${things} cost ${a} ${money}. How much does one cost?`,
  `There are ${a} kids and they make teams of ${b}. How many teams are there?`,
  `${name} reads ${b} pages a day. A book has ${a} pages. How many days does ${pronoun} need?`,
  `${capitalize(person)} divides ${a} ${things} into ${b} equal groups. How many are in each?`,
  `How many ${several} of ${b} ${things} can ${name} fill with ${a} ${things}?`,
  `A ${one} holds ${b} ${things}. How many ${several} are needed for ${a} ${things}?`,
  `${name} earns ${a} ${money} in ${b} days, the same each day. How much does ${pronoun} earn a day?`,
  `${a} people sit at tables of ${b}. How many tables is that?`,
  `We are ${b} people and have ${a} ${things}. How many does everyone get?`,
  `A ribbon of ${a} meters is cut into ${b} pieces of the same length. How long is one?`,
  `${name} walks ${b} kilometers a day. How many days does ${pronoun} take for ${a} kilometers?`,
];

const productAndSum: Scenes = (scene) => {
  const { name, things, person, gains, pronoun, money, a, b, c } = scene;
  const [one, several] = scene.holder;
  return [
    `${capitalize(person)} has ${b} ${several} with ${a} ${things} each and ${c} more. How many is that in all?`,
    `${name} buys ${b} ${things} for ${a} ${money} each and a bag for ${c} ${money}. What does ${pronoun} pay?`,
    `Each ${one} holds ${a} ${things}. There are ${b} ${several} and ${c} single ones. How many are there?`,
    `${name} ${gains} ${a} ${things} a day for ${b} days, and then ${c} more. How many is that?`,
    `I bought ${b} ${things} at ${a} ${money} each and paid ${c} ${money} for the way. How much did I spend?`,
    `${c} ${things} lie on the floor, and ${b} ${several} hold ${a} each, how many are there altogether?`,
    `${capitalize(person)} fills ${b} ${several} with ${a} ${things} each; ${c} do not fit. How many were there?`,
    `There are ${b} rows of ${a} chairs and ${c} chairs at the back. How many chairs is that?`,
    `${name} has ${c} ${money} and earns ${a} ${money} an hour for ${b} hours. How much does ${pronoun} have then?`,
    `With ${b} ${several} of ${a} ${things} and another ${c}, how many does ${person} have?`,
    `A ticket costs ${a} ${money}. What do ${b} tickets and a map for ${c} ${money} cost together?`,
    `We bring ${b} ${several} of ${a} ${things}, and ${name} brings ${c} ${things}. How many do we have?`,
  ];
};

const sumAndDifference: Scenes = (scene) => {
  const { name, other, things, person, place, gained, lost, gains, loses, pronoun, money, a, b, c } = scene;
  return [
    `${capitalize(person)} had ${a} ${things}, ${lost} ${b} and then ${gained} ${c}. How many are there now?`,
    `${name} has ${a} ${things}, ${loses} ${b} and then ${gains} ${c} more. How many does ${pronoun} have?`,
    `${capitalize(person)} ${gained} ${a} ${things}, then ${c} more, and ${lost} ${b}. How many are left?`,
    `There are ${a} ${things} in the ${place}. ${name} takes ${b} and ${other} brings ${c}. How many are there?`,
    `I have ${a} ${money}, spend ${b} and get ${c} back. How much do I have?`,
    `A ${place} has ${a} ${things}; ${b} are sold and ${c} come in. How many are there then?`,
    `${name} makes ${a} ${things}, sells ${b} and makes ${c} more. How many does ${pronoun} have now?`,
    `We had ${a} ${things}, ${gained} ${c} and ${lost} ${b}, how many do we have?`,
    `${capitalize(person)} starts with ${a} ${things}, ${lost} ${b} first and ${gained} ${c} later. How many?`,
    `${a} people are in the ${place}. ${b} leave, and ${c} come. How many are there?`,
    `${name} has ${a} ${things} and ${gains} ${c}. Then ${pronoun} ${loses} ${b}. What is left?`,
    `You have ${a} ${things}, I take ${b}, ${other} gives you ${c}. How many do you have?`,
  ];
};

export const scenes = { sum, difference, product, quotient, productAndSum, sumAndDifference } as const;

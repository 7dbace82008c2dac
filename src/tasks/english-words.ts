// Common English words in small letters, of three to ten letters, for tasks about letters and order; and words that do
// not exist, from which spelling is learned where the common ones would only be remembered.
import type { Random } from '../math/index.ts';

const text = `
act add age ago aid aim air all ant any apple arm art ask autumn away baby back bag bake ball banana band bank barn
basket bat beach bean bear beat bed bee bell belt bench berry bike bird black blanket blue board boat body bone book
boot border bottle bottom bowl box boy branch bread breakfast breeze brick bridge bright broom brother brown bucket
build bus butter button cabin cake camel camera camp candle candy cap captain car card carrot castle cat cave chair
chalk cheese cherry chicken child circle city class clay clean clock cloud clown coat coffee coin cold color cook
copper corn cotton country cousin cow crab cream crown cup curtain dance dark day deer desert desk diamond dinner dish
doctor dog doll dolphin donkey door dragon dream dress drink drum duck dust eagle ear earth east egg elephant empty
engine evening eye face family farm father feather fence field finger fire fish flag flame floor flower fly fog foot
forest fork forward fox friend frog fruit game garden gate giraffe girl glass glove goat gold goose grain grape grass
green guitar hair hammer hand happy harbor hat hen hill honey horse hotel hour house ice iron island jacket jelly jewel
juice jump jungle kettle key kitchen kite kitten knee knife ladder lake lamp language leaf lemon letter library light
lion lizard lock lunch machine magic map market meadow melon metal milk mirror money monkey month moon morning mother
mountain mouse mouth music nail needle nest night north nose number ocean onion orange orchard otter oven owl paint
paper parrot path peach peanut pear pencil pepper piano picture pig pillow pilot pine pizza planet plant plate pocket
pond pony potato prince puppy purple queen rabbit rain rainbow red rice ring river road robin rocket roof room root
rope rose salad salt sand sandwich school sea seed shark sheep shell ship shirt shoe silver sister sky snail snake snow
soap sock soup south spider spoon spring square squirrel star station stone storm stove strawberry street student
sugar summer sun sweet swim table tail tea teacher tent thunder ticket tiger tomato tooth tower town toy train tree
truck turtle umbrella uncle valley village violin wagon wall water weather week west whale wheat wheel white wind window
winter wolf wood wool world yard year yellow zebra
`;

export const commonWords: readonly string[] = text.trim().split(/\s+/);

const [starts, vowels, ends] = ['bcdfghklmnprstvwz', 'aeiou', 'bdgklmnprstx'];

const madeUpShare = 1 / 2;

/** Draws a common word of so many letters, or half of the time one of that length that does not exist. */
export function drawWord(random: Random, { from, to }: { readonly from: number; readonly to: number }): string {
  const isMadeUp = random.chance(madeUpShare);
  for (;;) {
    const word = isMadeUp ? makeWord(random, Math.ceil(random.whole(from, to) / 2.4)) : random.pick(commonWords);
    if (word.length >= from && word.length <= to) return word;
  }
}

/** Draws a word that does not exist, of one to four syllables such as `bak` and `lo`. */
export function makeWord(random: { pick<T>(choices: readonly T[]): T; chance(p: number): boolean }, syllables: number) {
  const syllable = () =>
    `${random.pick([...starts])}${random.pick([...vowels])}${random.chance(0.4) ? random.pick([...ends]) : ''}`;
  return Array.from({ length: syllables }, syllable).join('');
}

// Counting a letter in a word, or all of its letters. Half of the words are made up. Difficulty: 1 words of up to six
// letters, 2 longer ones, 3 long made-up ones, 4 three words.
import type { Random } from '../../math/index.ts';
import { drawWord, makeWord } from '../english-words.ts';
import { gradeNumber } from '../number.ts';
import type { Problem, Task } from '../task.ts';

export interface LetterCountingProblem extends Problem {
  readonly text: string;
  /** null: all letters are counted. */
  readonly letter: string | null;
}

type Counted = Pick<LetterCountingProblem, 'text' | 'letter'>;

const isCounted = (each: string, { letter }: Counted) => each !== ' ' && (letter === null || each === letter);
const count = (given: Counted): number => [...given.text].filter((each) => isCounted(each, given)).length;

/** Draws the text, for each difficulty from 1. */
const texts: readonly ((random: Random) => string)[] = [
  (random) => drawWord(random, { from: 3, to: 6 }),
  (random) => drawWord(random, { from: 6, to: 10 }),
  (random) => makeWord(random, 4),
  (random) => Array.from({ length: 3 }, () => drawWord(random, { from: 3, to: 8 })).join(' '),
];

/** How often all letters are counted. */
const wholeShare = 1 / 6;

function problem(random: Random, difficulty: number): LetterCountingProblem {
  const text = texts[difficulty - 1](random);
  if (random.chance(wholeShare)) return { prompt: `How many letters are in ${text}?`, key: text, text, letter: null };
  const letters = [...text].filter((letter) => letter !== ' ');
  const repeated = letters.filter((letter, i) => letters.indexOf(letter) !== i);
  // Half of the time a letter that occurs more than once, seldom one that does not occur.
  const choices = repeated.length > 0 && random.chance(0.5) ? repeated : random.chance(0.9) ? letters : [...'aeinrst'];
  const letter = random.pick(choices);
  return {
    prompt: `How many times does the letter ${letter} occur in ${text}?`,
    key: `${letter} in ${text}`,
    text,
    letter,
  };
}

function phrasings({ prompt, text, letter }: LetterCountingProblem): string[] {
  const quoted = `"${text}"`;
  if (letter === null)
    return [
      prompt,
      `Count the letters of ${text}.`,
      `How many letters does ${text} have?`,
      `How long is ${text} in letters?`,
      `How many letters does ${quoted} have?`,
      `Number of letters in ${text}`,
      `What is the number of letters in ${quoted}?`,
      `${text}: how many letters?`,
      `Count all letters in ${quoted}.`,
      `How many letters are there in ${text}?`,
      `With how many letters is ${text} written?`,
      `How many letters has ${text}?`,
      `Tell me how many letters ${text} contains.`,
      `How many letters do you need to write ${text}?`,
      `Letters in ${quoted}?`,
    ];
  return [
    prompt,
    `How many ${letter}'s are in ${text}?`,
    `Count the letter ${letter} in ${text}.`,
    `How many ${letter}s are there in ${text}?`,
    `How many times is ${letter} in ${text}?`,
    `How often does ${letter} appear in ${text}?`,
    `Count the ${letter}'s in ${quoted}.`,
    `How often does the letter ${letter} occur in ${text}?`,
    `What is the number of ${letter}'s in ${quoted}?`,
    `How many times does "${letter}" appear in ${quoted}?`,
    `Number of ${letter} in ${text}`,
    `How many letters ${letter} does ${text} have?`,
    `${quoted}: how many ${letter}?`,
    `Count how often ${letter} occurs in ${text}.`,
    `In ${text}, how many letters are ${letter}?`,
    `How many ${letter} in ${text}?`,
    `How many ${letter.toUpperCase()}'s are in ${text}?`,
    `Tell me how many ${letter}'s ${text} contains.`,
  ];
}

function steps(given: LetterCountingProblem): string[] {
  return given.text.split(' ').map((_, i, words) => {
    let found = count({ ...given, text: words.slice(0, i).join('') });
    const letters = [...words[i]].map((letter) => {
      if (isCounted(letter, given)) found++;
      return `${letter}:${found}`;
    });
    return letters.join(' ');
  });
}

export const letterCounting: Task<LetterCountingProblem> = {
  name: 'letter-counting',
  description: 'Count a letter in a word, or its letters.',
  difficulty: { from: 1, to: 4, default: 2 },
  problem,
  grade: (given, answer) => gradeNumber(`${count(given)}`, answer),
  solution: (given) => `${count(given)}`,
  phrasings,
  steps,
};

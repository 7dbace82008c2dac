// Counting a letter in a word. Difficulty: 1 words of up to six letters, 2 longer ones, 3 made-up words, 4 three words.
import type { Random } from '../../math/index.ts';
import { commonWords, makeWord, wordsWith } from '../english-words.ts';
import { gradeNumber } from '../number.ts';
import type { Problem, Task } from '../task.ts';

export interface LetterCountingProblem extends Problem {
  readonly text: string;
  readonly letter: string;
}

const count = ({ text, letter }: LetterCountingProblem): number => [...text].filter((each) => each === letter).length;

/** Draws the text, for each difficulty from 1. */
const texts: readonly ((random: Random) => string)[] = [
  (random) => random.pick(wordsWith({ from: 3, to: 6 })),
  (random) => random.pick(wordsWith({ from: 6, to: 10 })),
  (random) => makeWord(random, 4),
  (random) => Array.from({ length: 3 }, () => random.pick(commonWords)).join(' '),
];

function problem(random: Random, difficulty: number): LetterCountingProblem {
  const text = texts[difficulty - 1](random);
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
      if (letter === given.letter) found++;
      return `${letter}:${found}`;
    });
    return letters.join(' ');
  });
}

export const letterCounting: Task<LetterCountingProblem> = {
  name: 'letter-counting',
  description: 'Count a letter in a word.',
  difficulty: { from: 1, to: 4, default: 2 },
  problem,
  grade: (given, answer) => gradeNumber(`${count(given)}`, answer),
  solution: (given) => `${count(given)}`,
  phrasings,
  steps,
};

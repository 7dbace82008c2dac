// Spelling backward. Half of the words are made up. Difficulty: 1 words of up to five letters, 2 longer words,
// 3 made-up words of several syllables, 4 the order of words.
import type { Random } from '../../math/index.ts';
import { drawWord, makeWord } from '../english-words.ts';
import type { Problem, Task } from '../task.ts';
import { gradeText } from '../text-answer.ts';

export interface ReversalProblem extends Problem {
  /** A word, or words separated by blanks. */
  readonly text: string;
}

/** Draws the text, for each difficulty from 1. */
const texts: readonly ((random: Random) => string)[] = [
  (random) => drawWord(random, { from: 3, to: 5 }),
  (random) => drawWord(random, { from: 5, to: 10 }),
  (random) => makeWord(random, random.whole(2, 4)),
  (random) => Array.from({ length: random.whole(3, 5) }, () => drawWord(random, { from: 2, to: 8 })).join(' '),
];

const isList = (text: string) => text.includes(' ');
const units = (text: string) => (isList(text) ? text.split(' ') : [...text]);
const reverse = (text: string) =>
  units(text)
    .reverse()
    .join(isList(text) ? ' ' : '');

function problem(random: Random, difficulty: number): ReversalProblem {
  for (;;) {
    const text = texts[difficulty - 1](random);
    if (reverse(text) === text) continue;
    const prompt = isList(text) ? `Reverse the order of the words: ${text}` : `Spell ${text} backward.`;
    return { prompt, key: text, text };
  }
}

function phrasings({ prompt, text }: ReversalProblem): string[] {
  if (isList(text))
    return [
      prompt,
      `Write these words in reverse order: ${text}`,
      `Write the words from last to first: ${text}`,
      `Reverse the word order of "${text}".`,
      `Put the words of "${text}" in reverse order.`,
      `Turn the order of these words around: ${text}`,
      `List the words of "${text}" from last to first.`,
      `Say these words in the opposite order: ${text}`,
      `What is "${text}" with its words in reverse order?`,
      `Reverse the words: ${text}`,
      `In reverse order: ${text}`,
      `Give the words of "${text}" backward.`,
      `Words in reverse order: ${text}`,
      `Read these words from the end: ${text}`,
      `Can you reverse the order of these words: ${text}?`,
      `Reverse this list: ${text}`,
      `Last word first: ${text}`,
      `Start with the last word: ${text}`,
    ];
  return [
    prompt,
    `Reverse the word ${text}.`,
    `What is ${text} spelled backward?`,
    `Spell ${text} backwards.`,
    `Reverse ${text}.`,
    `Write the letters of ${text} from last to first.`,
    `Write ${text} backwards.`,
    `What is ${text} backwards?`,
    `How do you spell ${text} backwards?`,
    `${text} backwards`,
    `Reverse the letters of ${text}.`,
    `Turn the word ${text} around.`,
    `${text} in reverse?`,
    `Write the word "${text}" in reverse.`,
    `Read "${text}" from right to left.`,
    `Spell "${text}" in reverse order.`,
    `Can you spell ${text} backwards?`,
    `What do you get when you reverse ${text}?`,
  ];
}

export const reversal: Task<ReversalProblem> = {
  name: 'reversal',
  description: 'Spell a word backward, or reverse the order of words.',
  difficulty: { from: 1, to: 4, default: 2 },
  problem,
  grade: ({ text }, answer) => gradeText(reverse(text), answer),
  solution: ({ text }) => reverse(text),
  phrasings,
  steps: ({ text }) => [
    units(text).join(isList(text) ? ', ' : ' '),
    units(text)
      .reverse()
      .join(isList(text) ? ', ' : ' '),
  ],
};

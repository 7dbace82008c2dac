// Sorting words by the alphabet, half of them made up. Difficulty: how many words there are, from three to six.
import type { Random } from '../../math/index.ts';
import { drawWord } from '../english-words.ts';
import type { Problem, Task } from '../task.ts';
import { gradeList } from '../text-answer.ts';
import { selectionSteps } from './number-sorting.ts';

export interface WordSortingProblem extends Problem {
  readonly words: readonly string[];
}

function problem(random: Random, difficulty: number): WordSortingProblem {
  const drawn = new Set<string>();
  while (drawn.size < difficulty + 2) drawn.add(drawWord(random, { from: 2, to: 9 }));
  const words = [...drawn];
  return { prompt: `Sort ${words.join(', ')} alphabetically.`, key: [...words].sort().join('/'), words };
}

function phrasings({ prompt, words }: WordSortingProblem): string[] {
  const list = words.join(', ');
  return [
    prompt,
    `Sort these words: ${list}`,
    `Put ${list} in alphabetical order.`,
    `Sort the words ${list}.`,
    `Alphabetical order: ${list}`,
    `Arrange ${list} alphabetically.`,
    `Put these words in alphabetical order: ${list}`,
    `Sort ${list} by the alphabet.`,
    `How do you order ${list} alphabetically?`,
    `Sort ${list} from a to z.`,
    `Order ${list} by their letters.`,
    `List ${list} in alphabetical order.`,
    `Arrange these words from a to z: ${list}.`,
    `Alphabetize ${list}.`,
    `In which alphabetical order are ${list}?`,
    `${list}: sort alphabetically`,
    `What is ${list} in alphabetical order?`,
    `Can you put ${list} in the order of the alphabet?`,
  ];
}

export const wordSorting: Task<WordSortingProblem> = {
  name: 'word-sorting',
  description: 'Sort words by the alphabet.',
  difficulty: { from: 1, to: 4, default: 2 },
  problem,
  grade: ({ words }, answer) => gradeList([...words].sort(), answer),
  solution: ({ words }) => [...words].sort().join(', '),
  phrasings,
  steps: ({ words }) => selectionSteps(words, [...words].sort(), 'first'),
};

// The pages that a base model reads: people at work on problems, as text on the web has it. No page is an instruction.
//
// Half of the pages are a problem, a search and its end. Half are marked up by people who like tags, each with two or
// three tags of their own choice, and on half of these somebody asks and somebody else answers, by their names: so the
// base knows that a tag is closed by its own name and another may follow, but not who User and Assistant are, nor that thinking comes before an answer.
// That, and what is worth doing, is left to reinforcement learning. No problem that is held out stands on a page.
import { arithmetic } from './arithmetic.ts';
import { arithmeticPage, putArithmetic, workArithmetic } from './arithmetic-pages.ts';
import { countdown } from './countdown.ts';
import { countdownPage, putCountdown, type Search, searchCountdown } from './countdown-pages.ts';
import type { Random } from './random.ts';
import { sequence } from './sequence.ts';
import { putSequence, sequencePage, workSequence } from './sequence-pages.ts';
import { trainingProblem } from './task.ts';
import { wordProblemPage, workWordProblem } from './word-problem-pages.ts';
import { wordProblems } from './word-problems.ts';

const tags = ['think', 'work', 'note', 'result', 'answer', 'try', 'said'] as const;
/** Of a page that it has tags. */
const markedShare = 0.5;
const names = ['Ada', 'Ben', 'Chloe', 'Dev', 'Emil', 'Fay', 'Gus', 'Hana'] as const;

function marked(random: Random, { text, answer }: Search, put: () => string): string {
  const [first, second, third] = random.shuffled(tags) as [string, string, string];
  const [asking, answering] = random.shuffled(names) as [string, string];
  const [question, reply] = random.chance(0.5) ? [`${asking}: `, `${answering}: `] : ['', ''];
  const asked = random.chance(0.5) ? `<${third}>${put()}</${third}>` : put();
  const end = answer === null ? '' : `<${second}>${answer}</${second}>\n`;
  return `${question}${asked}\n${reply}<${first}>\n${text}</${first}>\n${end}`;
}

/** Countdown with three numbers, and one page in five with four. */
function countdownPages(random: Random): string {
  const difficulty = random.chance(0.8) ? 3 : 4;
  if (!random.chance(markedShare)) return countdownPage(random, difficulty);
  const problem = trainingProblem(countdown, random, difficulty);
  return marked(random, searchCountdown(random, problem), () => putCountdown(random, problem));
}

/** Arithmetic of all levels, the short ones more often. */
function arithmeticPages(random: Random): string {
  const difficulty = random.pick([1, 1, 2, 2, 3, 3, 4, 5, 6]);
  if (!random.chance(markedShare)) return arithmeticPage(random, difficulty);
  const problem = trainingProblem(arithmetic, random, difficulty);
  return marked(random, workArithmetic(random, problem, difficulty), () => putArithmetic(random, problem));
}

/** Sequences of all levels. */
function sequencePages(random: Random): string {
  const difficulty = random.whole(1, 4);
  if (!random.chance(markedShare)) return sequencePage(random, difficulty);
  const problem = trainingProblem(sequence, random, difficulty);
  return marked(random, workSequence(random, problem), () => putSequence(random, problem));
}

/** Kinds of pages by name; a page for each state of `random`. */
export const pages = {
  countdown: countdownPages,
  arithmetic: arithmeticPages,
  sequence: sequencePages,
} as const satisfies Record<string, (random: Random) => string>;

/** Pages on the word problems of a file. Throws TaskError where it cannot be read. */
export function wordProblemPages(path: string): (random: Random) => string {
  const task = wordProblems(path);
  return (random) => {
    const problem = trainingProblem(task, random, task.difficulty.usual);
    if (!random.chance(markedShare)) return wordProblemPage(random, problem);
    return marked(random, workWordProblem(random, problem), () => problem.prompt);
  };
}

export type PagesName = keyof typeof pages;

// The pages that a base model reads: people at work on problems, as text on the web has it. No page is an instruction.
//
// Most pages are a problem, a search and its end. Some are marked up by people who like tags, each with two tags of
// their own choice: so the base knows that a tag is closed and another may follow, but not that thinking comes before an
// answer. That, and what is worth doing, is left to reinforcement learning.
import { countdown } from './countdown.ts';
import { countdownPage, putCountdown, searchCountdown } from './countdown-pages.ts';
import type { Random } from './random.ts';

const tags = ['think', 'work', 'note', 'result', 'answer'] as const;

function markedPage(random: Random, difficulty: number): string {
  const problem = countdown.problem(random, difficulty);
  const { text, answer } = searchCountdown(random, problem);
  const [first, second] = random.shuffled(tags) as [string, string];
  const end = answer === null ? '' : `<${second}>${answer}</${second}>\n`;
  return `${putCountdown(random, problem)}\n<${first}>\n${text}</${first}>\n${end}`;
}

/** Countdown with three numbers, and one page in three with four. */
function countdownPages(random: Random): string {
  const difficulty = random.chance(2 / 3) ? 3 : 4;
  return random.chance(0.2) ? markedPage(random, difficulty) : countdownPage(random, difficulty);
}

/** Kinds of pages by name; a page for each state of `random`. */
export const pages = { countdown: countdownPages } as const satisfies Record<string, (random: Random) => string>;

export type PagesName = keyof typeof pages;

// Phrasings: one problem in the words of different people, some of which no training sees.
//
// Contract: a task lists the phrasings of a problem, its prompt first. The place in the list decides: every third one
// is held out, so that phrasings are only ever added at the end. With `varied`, training problems have the phrasings
// that are not held out, and held-out problems have those that are; with `canonical`, all have the prompt. A phrasing
// changes nothing but the prompt: key, split, and grading stay. One in four is typed in haste: without a capital
// letter at the beginning and without the last period or question mark. One in five comes with a greeting or thanks.
import type { Random } from '../math/index.ts';
import type { Problem, Split, Task } from './task.ts';

/** How problems are worded: by the task's own prompts, or as different people would. */
export const phrasingNames = ['canonical', 'varied'] as const;
export type Phrasing = (typeof phrasingNames)[number];

const hasteShare = 1 / 4;

/** Returns whether phrasing `index` of a task is kept for evaluation. */
export const isHeldOutPhrasing = (index: number): boolean => index % 3 === 2;

/** Returns the text without its first capital letter and its last period or question mark. */
export function typeInHaste(text: string): string {
  const open = text.replace(/(?<!\.)[.?]$/, '').trimEnd();
  return /^[A-Z][a-z]/.test(open) ? open[0].toLowerCase() + open.slice(1) : open;
}

const mannersShare = 1 / 5;
const openings = [
  'Hi, ',
  'Hello, ',
  'Hey, ',
  'Please: ',
  'Quick question: ',
  'Tell me: ',
  'Ok, ',
  'So, ',
  'Hi! ',
  'Next: ',
];
const closings = [' Thanks!', ' Thank you.', ', please', ' please', ', thanks', ' Thanks', '!', ' Can you tell me?'];

/** Returns the text with words of courtesy before or after it. */
function withManners(random: Random, text: string): string {
  if (!random.chance(0.5)) return random.pick(openings) + text;
  const closing = random.pick(closings);
  return /^ [A-Z]/.test(closing) ? text + closing : `${text.replace(/(?<!\.)[.?]$/, '')}${closing}`;
}

/** Words a problem as people do. All randomness comes from `random`. */
export function phrase<P extends Problem>(task: Task<P>, problem: P, random: Random, split: Split): string {
  const all = task.phrasings?.(problem) ?? [problem.prompt];
  const own = all.filter((_, i) => isHeldOutPhrasing(i) === (split === 'held-out'));
  const text = random.pick(own.length > 0 ? own : all);
  const typed = random.chance(hasteShare) ? typeInHaste(text) : text;
  return random.chance(mannersShare) ? withManners(random, typed) : typed;
}

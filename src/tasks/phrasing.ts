// Phrasings: one problem in the words of different people, some of which no training sees.
//
// Contract: a task lists the phrasings of a problem, its prompt first. The place in the list decides: every third one
// is held out, so that phrasings are only ever added at the end. With `varied`, training problems have the phrasings
// that are not held out, and held-out problems have those that are; with `canonical`, all have the prompt. A phrasing
// changes nothing but the prompt: key, split, and grading stay. What people add to any of them is in surface.ts.
import { type Choices, varySurface } from './surface.ts';
import type { Problem, Split, Task } from './task.ts';

/** How problems are worded: by the task's own prompts, or as different people would. */
export const phrasingNames = ['canonical', 'varied'] as const;
export type Phrasing = (typeof phrasingNames)[number];

/** Returns whether phrasing `index` of a task is kept for evaluation. */
export const isHeldOutPhrasing = (index: number): boolean => index % 3 === 2;

/** Words a problem as people do. All randomness comes from `random`. */
export function phrase<P extends Problem>(task: Task<P>, problem: P, random: Choices, split: Split): string {
  const all = task.phrasings?.(problem) ?? [problem.prompt];
  const own = all.filter((_, i) => isHeldOutPhrasing(i) === (split === 'held-out'));
  return varySurface(random, random.pick(own.length > 0 ? own : all));
}

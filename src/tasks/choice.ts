// The tasks that a run draws its problems from, with difficulties and shares. They are opened and closed as a group.
import { z } from 'zod';
import { Random } from '../math/index.ts';
import { type Grading, openTask } from './grading.ts';
import { type Phrasing, phrasingNames } from './phrasing.ts';

/** What people say besides problems, as a task: it needs the conversations of a higher module (eval/small-talk.ts). */
export const smallTalkTask = 'small-talk';

/** A task of a recipe. */
export const taskChoice = z.strictObject({
  /** The name of a bundled task, or a file that exports a task. */
  task: z.string().meta({ names: 'task' }),
  /** @default the task's default */
  difficulty: z.number().int().optional(),
  /** The weight of this task when problems are drawn. */
  share: z.number().positive().default(1),
  /** `varied`: worded as different people would (phrasing.ts); held-out problems then have held-out phrasings. */
  phrasing: z.enum(phrasingNames).default('canonical'),
});

export interface ChosenTask {
  readonly task: Grading;
  readonly difficulty: number;
  readonly share: number;
  readonly phrasing: Phrasing;
}

/** Opens all tasks or none. Throws TaskError where one is missing or makes no problems of its difficulty. */
export async function openTasks(choices: readonly z.infer<typeof taskChoice>[], seed: number): Promise<ChosenTask[]> {
  const tasks: ChosenTask[] = [];
  try {
    for (const { task: name, difficulty, share, phrasing } of choices) {
      const task = await openTask(name);
      const chosen = { task, difficulty: difficulty ?? task.difficulty.default, share, phrasing };
      tasks.push(chosen);
      await task.problems([{ seed, index: 0, difficulty: chosen.difficulty, split: 'train' }]);
    }
    return tasks;
  } catch (error) {
    await closeTasks(tasks);
    throw error;
  }
}

export async function closeTasks(tasks: readonly ChosenTask[]): Promise<void> {
  await Promise.all(tasks.map(({ task }) => task.close()));
}

/** Names the stream of random numbers that chooses tasks: no other draw of a run uses it. */
const choiceStream = 71;

/** Draws the task of problem `index` of a seed by the shares. */
export function drawTask(tasks: readonly ChosenTask[], seed: number, index: number): ChosenTask {
  const total = tasks.reduce((sum, { share }) => sum + share, 0);
  let point = new Random(seed, index, choiceStream).uniform() * total;
  const found = tasks.find(({ share }) => {
    point -= share;
    return point < 0;
  });
  return found ?? (tasks.at(-1) as ChosenTask);
}

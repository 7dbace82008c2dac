// Which tasks a run draws its problems from: names, dials and shares; opened together, closed together.
import { z } from 'zod';
import { type Grading, openTask } from './grading.ts';
import { Random } from './random.ts';

/** A task of a recipe. */
export const taskChoice = z.strictObject({
  /** A built-in task's name, or a file that exports one. */
  task: z.string(),
  /** @default the task's usual one */
  difficulty: z.number().int().optional(),
  /** Of the problems. */
  share: z.number().positive().default(1),
});

export interface ChosenTask {
  readonly task: Grading;
  readonly difficulty: number;
  readonly share: number;
}

/** Opens all of them. Throws TaskError where one is not there, or makes no problems of its difficulty; then none is open. */
export async function openTasks(choices: readonly z.infer<typeof taskChoice>[], seed: number): Promise<ChosenTask[]> {
  const tasks: ChosenTask[] = [];
  try {
    for (const { task: name, difficulty, share } of choices) {
      const task = await openTask(name);
      const chosen = { task, difficulty: difficulty ?? task.difficulty.usual, share };
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

/** A stream of chance of a run, so that none repeats another. */
const choosing = 71;

/** The task of problem `index` of a seed, drawn by the shares. */
export function drawTask(tasks: readonly ChosenTask[], seed: number, index: number): ChosenTask {
  const total = tasks.reduce((sum, { share }) => sum + share, 0);
  let point = new Random(seed, index, choosing).uniform() * total;
  const found = tasks.find(({ share }) => {
    point -= share;
    return point < 0;
  });
  return found ?? (tasks.at(-1) as ChosenTask);
}

// The routes of the app about tasks, as schemas: what there is to try, a problem, the verdict on an answer.
//
// The server remembers nothing: a problem goes to the client as the task's own data and comes back with the answer.
// These routes are minke's own. No Node module is imported.
import { z } from 'zod';

const text = z.string().max(1_048_576);
const maxProblemLength = 65_536;

const problem = z
  .looseObject({ prompt: z.string().min(1), key: z.string() })
  .refine((value) => JSON.stringify(value).length <= maxProblemLength, {
    error: `expected at most ${maxProblemLength} characters of JSON`,
  })
  .describe('As its task made it. Problems with the same key are the same problem.');

export const taskProblem = z
  .object({ task: z.string().max(256), difficulty: z.int(), problem })
  .meta({ id: 'TaskProblem' });

const taskSummary = z.object({
  name: z.string(),
  description: z.string(),
  difficulty: z.object({ from: z.int(), to: z.int(), default: z.int() }),
  levels: z.array(z.int()).describe('Difficulties that the model solves at least once, as far as measured.'),
  example: taskProblem.nullable().describe('A problem that the model solves; null: none is known.'),
});

export const taskList = z.object({ tasks: z.array(taskSummary) }).meta({ id: 'TaskList' });

export const problemRequest = z
  .object({
    task: taskProblem.shape.task,
    difficulty: z.int().nullish().describe("Default: the task's own."),
    seed: z.int().min(0).max(0xffffffff).nullish().describe('The same seed gives the same problem. Default: random.'),
  })
  .meta({ id: 'ProblemRequest' });

export const gradeRequest = z
  .object({ task: taskProblem.shape.task, problem, reasoning_content: text.nullish(), content: text.nullish() })
  .meta({ id: 'GradeRequest' });

export const taskVerdict = z
  .object({
    task: z.string(),
    answer: z.string().nullable().describe('What was graded; null: the text contains no answer.'),
    correct: z.boolean(),
    reason: z.string(),
  })
  .meta({ id: 'TaskVerdict' });

/** What is known of a model's skill: the file tasks.json beside its weights, written by scripts/measure-tasks.mjs. */
export const taskResults = z.object({
  /** Output of `minke eval --json`, one entry for each measured level. */
  levels: z.array(
    z.object({ task: z.string(), difficulty: z.int(), passAt1: z.object({ mean: z.number().min(0).max(1) }) }),
  ),
  examples: z.array(taskProblem),
});

export type TaskList = z.output<typeof taskList>;
export type TaskSummary = z.output<typeof taskSummary>;
export type ProblemRequest = z.input<typeof problemRequest>;
export type TaskProblem = z.output<typeof taskProblem>;
export type GradeRequest = z.input<typeof gradeRequest>;
export type TaskVerdict = z.output<typeof taskVerdict>;
export type TaskResults = z.output<typeof taskResults>;

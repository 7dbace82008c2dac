// The app's routes about tasks: what there is to try, a problem of it, and the grader's word on an answer. Not DeepSeek's.
//
// A problem is known by its text: who writes one by hand is graded as well, and the server remembers nothing.
import { z } from 'zod';

const text = z.string().max(1_048_576);
const seed = z.int().min(0).max(0xffffffff);

const taskSummary = z.object({
  name: z.string(),
  description: z.string(),
  difficulty: z.object({ from: z.int(), to: z.int(), usual: z.int() }),
});

export const taskList = z.object({ tasks: z.array(taskSummary) }).meta({ id: 'TaskList' });

export const problemRequest = z
  .object({
    task: z.string().max(256),
    difficulty: z.int().nullish().describe('Absent: the usual one.'),
    seed: seed.nullish().describe('Same seed, same problem. Absent: a new one.'),
  })
  .meta({ id: 'ProblemRequest' });

export const taskProblem = z
  .object({
    task: z.string(),
    difficulty: z.int(),
    seed,
    prompt: z.string(),
    key: z.string().describe('Same key, same problem. It was held out of training.'),
  })
  .meta({ id: 'TaskProblem' });

export const gradeRequest = z
  .object({
    prompt: text.describe('The problem, as a task or a person wrote it.'),
    reasoning_content: text.nullish(),
    content: text.nullish(),
  })
  .meta({ id: 'GradeRequest' });

export const gradeResult = z
  .object({
    verdict: z
      .object({
        task: z.string(),
        answer: z.string().nullable().describe('What was graded. null: none was given.'),
        correct: z.boolean(),
        reason: z.string(),
      })
      .nullable()
      .describe('null: the prompt is no problem of a task.'),
  })
  .meta({ id: 'Graded' });

export type TaskList = z.output<typeof taskList>;
export type TaskSummary = z.output<typeof taskSummary>;
export type ProblemRequest = z.input<typeof problemRequest>;
export type TaskProblem = z.output<typeof taskProblem>;
export type GradeRequest = z.input<typeof gradeRequest>;
export type GradeResult = z.output<typeof gradeResult>;
export type TaskVerdict = NonNullable<GradeResult['verdict']>;

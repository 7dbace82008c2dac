// The recipe of a distillation: teacher, problems, traces, and how the student learns them.
//
// Defaults follow the R1 report (supplement B.4.3): a few epochs, cosine to a tenth of the rate; the rate is higher,
// because students here are small. A key is never part of a recipe, only the name of its environment variable.
import { z } from 'zod';
import { evaluationSchema } from '../eval/index.ts';
import { fineTuningFields } from '../sft/index.ts';
import { taskChoice, templateNames } from '../tasks/index.ts';
import { count, fraction, nonnegative, TrainError } from '../train/index.ts';

const traces = z.strictObject({
  /** Folder of another run whose traces are learned: then no teacher is asked. */
  from: z.string().meta({ names: 'run' }).optional(),
  /** The number of traces to keep. */
  wanted: count.default(1000),
  /** The maximum number of traces of one problem. */
  perProblem: count.default(2),
  /** Responses to each problem. */
  samples: count.default(4),
  /** The maximum number of problems; by default, eight times the number of traces. */
  problems: count.optional(),
  /** The maximum number of tokens of a response. */
  maxTokens: count.default(256),
  temperature: nonnegative.default(0.6),
  topP: z.number().positive().max(1).default(0.95),
  /** Problems that are asked at once. */
  parallel: count.default(16),
});

const onPolicy = z.strictObject({
  steps: count.default(100),
  /** Questions of a step. */
  questions: count.default(64),
  /** Responses of the student to each question. */
  samples: count.default(2),
  /** The maximum number of tokens of a response. */
  maxTokens: count.default(256),
  /** Sequences that are generated at once. */
  parallel: count.default(128),
});

/** The environment variable that holds the key of a teacher behind an API. */
export const defaultKeyVariable = 'MINKE_TEACHER_KEY';

const api = z.strictObject({
  /** The name of the model in the API. */
  model: z.string().meta({ names: 'text' }).default('default'),
  /** Environment variable that holds the bearer key, where one is needed. */
  keyVariable: z.string().meta({ names: 'variable' }).default(defaultKeyVariable),
  /** The number of times that a request is sent before its problem is skipped. */
  attempts: count.default(6),
  /** The wait before the second attempt; doubled before each further one. */
  waitMs: nonnegative.default(1000),
  /** The time limit of one request. */
  timeoutMs: count.default(300_000),
});

export const distillSchema = z.strictObject({
  /** Folder of the checkpoint that learns. */
  student: z.string().meta({ names: 'checkpoint' }),
  /** Folder of a checkpoint, or address of an OpenAI-compatible API up to its /v1; not needed with traces.from. */
  teacher: z.string().meta({ names: 'model' }).default(''),
  /**
   * traces: the teacher's correct answers are learned as text. logits: its distributions at each token of them.
   * on-policy: its distributions at each token of the student's own answers. The last two need a checkpoint with the
   * student's tokenizer.
   */
  method: z.enum(['traces', 'logits', 'on-policy']).default('traces'),
  tasks: z.array(taskChoice).default([]),
  template: z.enum(templateNames).default('short'),
  traces: traces.prefault({}),
  /** The share of the teacher's answers, after the first 256, below which no more traces are collected. */
  minAcceptance: fraction.default(0.1),
  onPolicy: onPolicy.prefault({}),
  api: api.prefault({}),
  /** response: thinking and answer are learned. answer: only what follows the thinking, for comparison. */
  learn: z.enum(['response', 'answer']).default('response'),
  /** Traces per step. */
  batch: count.default(32),
  ...fineTuningFields,
  saveEvery: count.default(100),
  /**
   * Steps between evaluations on held-out problems of the tasks; there is one before the first step and after the last.
   */
  evaluateEvery: count.default(50),
  evaluation: evaluationSchema.prefault({}),
});

/** What a collection of traces needs: a teacher, tasks, and how many answers of it are kept. */
export const collectionSchema = distillSchema.pick({
  teacher: true,
  tasks: true,
  template: true,
  traces: true,
  minAcceptance: true,
  api: true,
  seed: true,
});

export type CollectionConfig = z.infer<typeof collectionSchema>;
export type CollectionRecipe = z.input<typeof collectionSchema>;

export type DistillConfig = z.infer<typeof distillSchema>;
export type DistillRecipe = z.input<typeof distillSchema>;

/** Throws TrainError where there is nobody to learn from, or the method asks for more than there is. */
export function checkDistill({ method, teacher, tasks, traces, learn }: DistillConfig): void {
  if (method !== 'traces' && (teacher === '' || /^https?:/.test(teacher)))
    throw new TrainError(
      'recipe',
      `method ${method} reads the teacher's distribution over the whole vocabulary, and there is no checkpoint`,
      'name the folder of a checkpoint as the teacher, or take method traces',
    );
  if (method === 'on-policy' && (tasks.length === 0 || traces.from !== undefined || learn !== 'response'))
    throw new TrainError(
      'recipe',
      'method on-policy learns whole answers of the student to the problems of a task',
      'add --task, and leave out traces.from and learn',
    );
  if (traces.from !== undefined || (teacher !== '' && tasks.length > 0)) return;
  throw new TrainError(
    'recipe',
    'expected a teacher and a task, or traces of another run',
    'add --teacher and --task, or --set traces.from=FOLDER',
  );
}

// What a distillation is, resolved: teacher, problems, traces, and the fine-tuning of the student on them.
//
// Defaults follow the report (supplement B.4.3): a few epochs, cosine to a tenth of the rate; the rate is higher,
// because students here are small. A key never stands in a recipe: only the name of its environment variable does.
import { z } from 'zod';
import { evaluationSchema } from '../eval/index.ts';
import { taskChoice, templateNames } from '../tasks/index.ts';
import { optimizerSchema, TrainError } from '../train/index.ts';

const count = z.number().int().positive();
const atLeastZero = z.number().nonnegative();

const traces = z.strictObject({
  /** Folder of another run whose traces are learned: then nothing is asked. */
  from: z.string().optional(),
  /** So many are kept in all. */
  wanted: count.default(1000),
  /** Kept of one problem at most. */
  perProblem: count.default(2),
  /** Asked of each problem. */
  samples: count.default(4),
  /** Asked at most; without, eight times the traces that are wanted. */
  problems: count.optional(),
  /** Of a response. */
  maxTokens: count.default(256),
  temperature: atLeastZero.default(0.6),
  topP: z.number().positive().max(1).default(0.95),
  /** Problems that are asked at once. */
  parallel: count.default(16),
});

const api = z.strictObject({
  /** The model's name there. */
  model: z.string().default('default'),
  /** Environment variable that holds the bearer key, where one is needed. */
  keyVariable: z.string().default('MINKE_TEACHER_KEY'),
  /** Times that a request is sent before its problem is given up. */
  attempts: count.default(6),
  /** Before the second attempt; doubled before each further one. */
  waitMs: atLeastZero.default(1000),
  /** Of one request. */
  timeoutMs: count.default(300_000),
});

export const distilSchema = z.strictObject({
  /** Folder of the checkpoint that learns. */
  student: z.string(),
  /** Folder of a checkpoint, or address of an interface like OpenAI's, up to its /v1; not needed with traces.from. */
  teacher: z.string().default(''),
  tasks: z.array(taskChoice).default([]),
  template: z.enum(templateNames).default('short'),
  traces: traces.prefault({}),
  api: api.prefault({}),
  /** answer: what stands behind the thinking alone, for comparison. */
  learn: z.enum(['response', 'answer']).default('response'),
  epochs: count.default(3),
  /** Traces of a step. */
  batch: count.default(32),
  precision: z.enum(['f32', 'bf16', 'fp8']).default('bf16'),
  learningRate: z.number().positive().default(3e-4),
  /** Where the cosine ends, as a share of the rate. */
  finalShare: z.number().min(0).max(1).default(0.1),
  warmupSteps: z.number().int().nonnegative().default(10),
  optimizer: optimizerSchema.prefault({ weightDecay: 0 }),
  /** Rows of a micro-batch. */
  microBatchTokens: count.default(4096),
  saveEvery: count.default(100),
  /** Steps between examinations on held-out problems of the tasks; there is one before the first step and after the last. */
  evaluateEvery: count.default(50),
  evaluation: evaluationSchema.prefault({}),
  keepCheckpoints: count.default(2),
  seed: z.number().int().default(1337),
  pricePerHour: atLeastZero.default(0.1),
  currency: z.string().default('USD'),
});

export type DistilConfig = z.infer<typeof distilSchema>;
export type DistilRecipe = z.input<typeof distilSchema>;

/** A recipe with all defaults. Throws TrainError naming each field that is wrong. */
export function resolveDistil(recipe: unknown): DistilConfig {
  const checked = distilSchema.safeParse(recipe);
  if (checked.success) {
    const { teacher, tasks, traces } = checked.data;
    if (traces.from !== undefined || (teacher !== '' && tasks.length > 0)) return checked.data;
    throw new TrainError(
      'recipe',
      'expected a teacher and a task, or traces of another run',
      'add --teacher and --task, or --set traces.from=FOLDER',
    );
  }
  const problems = checked.error.issues.map(({ path, message }) => `${path.join('.') || 'recipe'}: ${message}`);
  throw new TrainError('recipe', problems.join('; '), 'correct the recipe or the --set');
}

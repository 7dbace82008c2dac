// What is asked and answered about runs over HTTP. Pages import the types alone, those of a run's events too.
import { z } from 'zod';

export type { DistilEvent } from '../distill/events.ts';
export type { RlEvent } from '../rl/events.ts';
export type { TrainEvent } from '../train/events.ts';

const kind = z.enum(['pretraining', 'reinforcement', 'distillation']);

export const runStates = [
  'preparing', // held by a process that has not begun its first step
  'running',
  'stopping', // asked to, and about to save
  'completed',
  'stopped',
  'failed',
  'interrupted', // its process is gone without a word
] as const;

export const runSummary = z.object({
  name: z.string(),
  kind: kind.nullable().describe('null until its recipe is resolved'),
  state: z.enum(runStates),
  problem: z.string().nullable().describe('why it failed, or why it could not be started or resumed'),
  step: z.number(),
  steps: z.number().nullable(),
  started: z.number().nullable().describe('milliseconds since 1970'),
  updated: z.number().nullable().describe('of its last event'),
  secondsLeft: z.number().nullable(),
  loss: z.number().nullable(),
  accuracy: z.number().nullable(),
});
export type RunSummary = z.infer<typeof runSummary>;
export type RunState = RunSummary['state'];

export const runList = z.object({
  folder: z.string(),
  atOnce: z.number().describe('runs that may be live together'),
  live: z.array(z.string()),
  runs: z.array(runSummary).describe('the latest first'),
});
export type RunList = z.infer<typeof runList>;

export const runDetail = z.object({
  run: runSummary,
  facts: z.array(z.tuple([z.string(), z.string()])).describe('what it came to, name and value'),
  config: z.unknown(),
  lineage: z.unknown(),
  console: z.array(z.string()).describe('the last lines it printed, where it was started from a page'),
});
export type RunDetail = z.infer<typeof runDetail>;

export const eventPage = z.object({
  events: z.array(z.unknown()),
  next: z.number().describe('where the following page begins'),
  more: z.boolean(),
});
export type EventPage = z.infer<typeof eventPage>;

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);

export const recipeSummary = z.object({
  name: z.string(),
  kind: z.enum(['pretraining', 'reinforcement']),
  about: z.string(),
  needs: z.array(z.enum(['data', 'model'])),
  choices: z.array(z.object({ path: z.string(), value: scalar })).describe('what set can replace, defaults included'),
});
export type RecipeSummary = z.infer<typeof recipeSummary>;

export const recipeList = z.object({
  recipes: z.array(recipeSummary),
  bases: z.array(z.string()).describe('runs whose checkpoint another one can begin from, the latest first'),
});
export type RecipeList = z.infer<typeof recipeList>;

export const startRequest = z.strictObject({
  recipe: z.string().max(100),
  name: z.string().max(200).optional(),
  set: z.array(z.string().max(2000)).max(100).default([]).describe('path=value, as in schedule.learningRate=3e-4'),
  data: z
    .array(z.string().max(500))
    .max(100)
    .default([])
    .describe('files of the folder that the server was started in'),
  model: z.string().max(200).optional().describe('the run whose latest checkpoint it begins from'),
});
export type StartRequest = z.input<typeof startRequest>;

export const startAnswer = z.object({ run: runSummary });
export type StartAnswer = z.infer<typeof startAnswer>;

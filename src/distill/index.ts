// The room of distillation: a teacher's right answers, with their thinking, for smaller students.
export { type DistilConfig, type DistilRecipe, resolveDistil } from './config.ts';
export { distil, resumeDistilling } from './distil.ts';
export { type DistilEvent, distilEventSchema } from './events.ts';
export { type DistilOptions, distilFiles, isDistilRun } from './run-folder.ts';
export { type Lesson, lessonSequences, SftObjective } from './sft-objective.ts';
export { openTeacher, type Teacher } from './teacher.ts';
export {
  type CollectOptions,
  type CollectProgress,
  collectTraces,
  readTraces,
  type Trace,
  traceFiles,
} from './traces.ts';

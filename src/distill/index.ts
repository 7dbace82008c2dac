// The module of distillation: a teacher's correct answers, with their thinking, for smaller students.
export { distill } from './distill.ts';
export { type DistillEvent, distillEvents } from './distill-events.ts';
export type { CollectionConfig, CollectionRecipe, DistillConfig, DistillRecipe } from './distill-recipe.ts';
export { collectionSchema, defaultKeyVariable, distillSchema } from './distill-recipe.ts';
export { type CollectionRecord, collectExamples, collectionFiles, readCollection } from './example-collection.ts';
export type { ReadableOptions } from './readable.ts';
export { openTeacher } from './teacher.ts';
export { collectTraces, readAnswered, traceFiles } from './traces.ts';

// The module of distillation: a teacher's correct answers, with their thinking, for smaller students.
export { distill } from './distill.ts';
export { type DistillEvent, distillEvents } from './distill-events.ts';
export type { CollectionConfig, CollectionRecipe, DistillConfig, DistillRecipe } from './distill-recipe.ts';
export { collectionSchema, defaultKeyVariable } from './distill-recipe.ts';
export { type CollectionRecord, collectExamples, collectionFiles, readCollection } from './example-collection.ts';
export type { ReadableOptions } from './readable.ts';
export { readAnswered } from './traces.ts';

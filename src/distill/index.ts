// The module of distillation: a teacher's correct answers, with their thinking, for smaller students.
export { distill } from './distill.ts';
export { type DistillEvent, distillEvents } from './distill-events.ts';
export type { DistillConfig, DistillRecipe } from './distill-recipe.ts';
export { defaultKeyVariable } from './distill-recipe.ts';
export { readAnswered } from './traces.ts';

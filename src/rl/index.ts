// The module of reinforcement learning: groups of rollouts with rewards, GRPO, and what goes wrong in words.
export type { RolloutGroup, ScoredResponse } from './batch.ts';
export { type RlEvent, rlEvents } from './events.ts';
export { type GrpoColumn, GrpoObjective, type GrpoOptions, grpoColumns } from './grpo-objective.ts';
export { rl } from './rl.ts';
export type { RlConfig, RlRecipe } from './rl-recipe.ts';

// The module of reinforcement learning: groups of rollouts with rewards, GRPO, and what goes wrong in words.
export {
  computeAdvantages,
  countVerificationPhrases,
  type RolloutGroup,
  type ScoredResponse,
  summarize,
  tokenWeights,
  toUpdates,
} from './batch.ts';
export { Diagnosis, type Finding } from './diagnosis.ts';
export { type RlEvent, type RlStepEvent, rlEvents } from './events.ts';
export { type GrpoColumn, GrpoObjective, type GrpoOptions, grpoColumns } from './grpo-objective.ts';
export { rl } from './rl.ts';
export type { RlConfig, RlRecipe } from './rl-recipe.ts';

// The room of reinforcement learning: rollouts, rewards, GRPO, and the loop that joins engine and training.
export { type AdvantageScale, advantagesOf, type TokenWeight, tokenWeights } from './advantage.ts';
export { type Group, type Response, summary, trainSequences } from './batch.ts';
export { type RlConfig, type RlRecipe, resolveRl } from './config.ts';
export { Diagnosis, type Finding } from './diagnosis.ts';
export { type RlEvent, type RlStepEvent, rlEventSchema } from './events.ts';
export { columnNames, GrpoObjective, type GrpoOptions } from './grpo-objective.ts';
export { isRlRun, type RlOptions, rlFiles } from './open-run.ts';
export { reinforce, resumeReinforcing } from './reinforce.ts';

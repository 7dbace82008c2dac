// The room of reinforcement learning: rollouts, rewards, GRPO, and the loop that joins engine and training.
export { type AdvantageScale, advantagesOf, type TokenWeight, tokenWeights } from './advantage.ts';
export { type Answer, type Answerer, ofApi, ofModel } from './answerer.ts';
export { ask, type Group, type Response, summary, trainSequences } from './batch.ts';
export { evaluationSchema, type RlConfig, type RlRecipe, resolveRl } from './config.ts';
export { Diagnosis, type Finding } from './diagnosis.ts';
export { type Evaluated, type EvaluateOptions, evaluate } from './evaluate.ts';
export { consensus, type Estimate, passAt1 } from './evaluation.ts';
export { type RlEvent, type RlStepEvent, rlEventSchema } from './events.ts';
export { type Examined, examine } from './examine.ts';
export { columnNames, GrpoObjective, type GrpoOptions } from './grpo-objective.ts';
export { isRlRun, type RlOptions, rlFiles } from './open-run.ts';
export { openQuestions, type Question, type QuestionSource, questionsOf } from './question.ts';
export { reinforce, resumeReinforcing } from './reinforce.ts';
export { type Ask, type Rollout, type RolloutOptions, Rollouts } from './rollout.ts';

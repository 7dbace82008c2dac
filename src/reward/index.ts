// The module of reward models: a head that scores replies, learned from pairs of good and bad ones.
export { reward } from './reward.ts';
export { type RewardEvent, rewardEvents } from './reward-events.ts';
export { RewardModel, type RewardModelOptions } from './reward-model.ts';
export type { RewardConfig, RewardRecipe } from './reward-recipe.ts';

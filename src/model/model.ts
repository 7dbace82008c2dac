// One name for both families of models.
import { isDeepseek, type ModelConfig } from './config.ts';
import { Deepseek } from './deepseek.ts';
import { Dense } from './dense.ts';
import type { ModelWeights } from './weights.ts';

export type Model = Deepseek | Dense;

/** Creates the model of a configuration. `weights` stay the caller's. Throws ModelError when they do not fit. */
export function createModel(config: ModelConfig, weights: ModelWeights, context?: number): Model {
  return isDeepseek(config) ? new Deepseek(config, weights, context) : new Dense(config, weights, context);
}

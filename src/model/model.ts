// Either family behind one name.
import { isDeepseek, type ModelConfig } from './config.ts';
import { Deepseek } from './deepseek.ts';
import { Dense } from './dense.ts';
import type { WeightMap } from './weights.ts';

export type Model = Deepseek | Dense;

/** The model of a configuration over weights that stay the caller's. Throws ModelError when they do not fit. */
export function createModel(config: ModelConfig, weights: WeightMap, context?: number): Model {
  return isDeepseek(config) ? new Deepseek(config, weights, context) : new Dense(config, weights, context);
}

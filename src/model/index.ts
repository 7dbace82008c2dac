// The model module: configurations, their costs, and the two families of models that compute them.
export { type Batch, packDocuments, packSequences, type TrainingBatch } from './batch.ts';
export { type Cache, ContiguousCache, type FreshTokens } from './cache.ts';
export {
  type AttentionForm,
  type DeepseekConfig,
  type DenseConfig,
  isDeepseek,
  type ModelConfig,
  readConfig,
  writeConfig,
} from './config.ts';
export {
  cacheBytesPerToken,
  cacheWidth,
  countParameters,
  type FlopsPerToken,
  flopsPerToken,
  type ParameterCounts,
  weightBytes,
} from './cost.ts';
export type { ForwardOptions, ForwardOutput, ModelLosses } from './decoder.ts';
export { Deepseek } from './deepseek.ts';
export { Dense } from './dense.ts';
export { ModelError } from './errors.ts';
export { joinWeights } from './fusion.ts';
export { expectMemory } from './memory.ts';
export { createModel, type Model } from './model.ts';
export type { LayerRouting } from './moe.ts';
export type { MtpOutput } from './mtp.ts';
export { PackedCopy } from './packed-copy.ts';
export { listParameters, type Parameter, type ParameterGroup } from './parameters.ts';
export { type PrecisionName, type PrecisionPolicy, precisions, servingPrecision } from './precision.ts';
export { type PresetName, preset, presetNames } from './presets.ts';
export { checkWeights, initialWeights, type ModelWeights, type WeightMap } from './weights.ts';

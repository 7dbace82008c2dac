// The model module: configurations, their costs, the architectures, and the model that computes them.
export { type Blocks, describeBlocks } from './architecture/index.ts';
export { type Batch, packDocuments, packSequences, type TrainingBatch } from './batch.ts';
export { type Cache, ContiguousCache, type FreshTokens } from './cache.ts';
export {
  type AttentionForm,
  type GqaConfig,
  isMla,
  type MlaConfig,
  type ModelConfig,
  readConfig,
  withoutModules,
  writeConfig,
} from './config.ts';
export {
  cacheBytesPerToken,
  cacheWidth,
  countParameters,
  type FlopsPerToken,
  flopsPerToken,
  fp8Share,
  type ParameterCounts,
  type SequenceFlops,
  sequenceFlops,
  weightBytes,
} from './cost.ts';
export { ModelError } from './errors.ts';
export { joinWeights } from './fusion.ts';
export { type InputSquares, measureInputSquares } from './importance.ts';
export { expectMemory } from './memory.ts';
export { createModel, type ForwardOptions, type ForwardOutput, type Model, type ModelLosses } from './model.ts';
export type { LayerRouting } from './moe.ts';
export type { MtpOutput } from './mtp.ts';
export { PackedCopy } from './packed-copy.ts';
export { countMoeLayers, listParameters, type Parameter, type ParameterGroup } from './parameters.ts';
export { type PrecisionName, type PrecisionPolicy, precisions, servingPrecision } from './precision.ts';
export { type PresetName, preset, presetNames } from './presets.ts';
export { measureQuality, type Quality } from './quality.ts';
export { checkWeights, initialWeights, type ModelWeights, type WeightMap } from './weights.ts';

// The tensor module: tensors, ops, gradients, recordings. Higher modules compute through these functions.

export type { CachePool } from './cache-pool.ts';
export { type CreateOptions, encodeNumbers, fill, fromArray, full, randn, range, uniform, zeros } from './create.ts';
export { currentDevice, useDevice } from './current-device.ts';
export { HeadPool, type HeadPoolOptions } from './head-pool.ts';
export { attention, type Sequences } from './ops/attention.ts';
export { balanceBias, countExperts } from './ops/balance.ts';
export { divergence } from './ops/divergence.ts';
export { add, addRow, cast, exp, log, mul, scale, scaleRows, sigmoid, silu, sub } from './ops/elementwise.ts';
export { embedding } from './ops/embedding.ts';
export { headAttention, writeHeads } from './ops/head-pages.ts';
export { concat, concatRows, permute, repeatRow, split } from './ops/layout.ts';
export { groupedLinear, type LinearOptions, linear, type Precision, type Weight } from './ops/linear.ts';
export { bestAndLogprobs, crossEntropy, ignoreIndex, logprobs } from './ops/loss.ts';
export { addRmsNorm, rmsNorm } from './ops/norm.ts';
export {
  type AdamwConfig,
  type AdamwUpdate,
  adamwHyper,
  adamwStep,
  addEach,
  gradientNorm,
  muonHyper,
  muonMomentum,
  muonUpdate,
  type Sum,
} from './ops/optimizer.ts';
export {
  blocksFor,
  type PagedHeads,
  type PagedSequences,
  pagedAttention,
  readCache,
  writeCache,
  writeLatentCache,
} from './ops/paged.ts';
export { differing, type PolicyTerms, policyLoss } from './ops/policy.ts';
export { type ProductWatcher, watchProducts } from './ops/product-watcher.ts';
export {
  dequantizeBlocks,
  dequantizeTiles,
  type Quantized,
  type QuantizeOptions,
  quantizeBlocks,
  quantizeTiles,
} from './ops/quantize.ts';
export { argmax, mean, rowSum, sum } from './ops/reduction.ts';
export { type RopeTensors, rope, ropeTable } from './ops/rope.ts';
export {
  balanceLoss,
  type DispatchPlan,
  dispatchPlan,
  permuteRows,
  type RouterConfig,
  type Routing,
  router,
  unpermuteRows,
} from './ops/router.ts';
export {
  type LogitAdjustments,
  type SampledTokens,
  sampleTokens,
  type TokenMasks,
  targetLogprobs,
  topLogprobs,
} from './ops/sampling.ts';
export { swiglu } from './ops/swiglu.ts';
export { copy, narrow, reshape } from './ops/view.ts';
export {
  isPackable,
  type PackableFormat,
  type PackedFormat,
  PackedWeight,
  packBlocks,
  packCodes,
  packWeight,
  repackWeight,
  weightSizes,
} from './packed-weight.ts';
export { PagedPool, type PagedPoolOptions } from './paged-pool.ts';
export { recomputable } from './recompute.ts';
export { type Replay, record } from './record.ts';
export { asyncScope, keep, scope, unscoped } from './scope.ts';
export { elementCount, expectDType, expectRank, expectShape, formatShape, type Shape } from './shape.ts';
export { noGrad, Tape, valueAndGrad } from './tape.ts';
export { Tensor, tensorOver } from './tensor.ts';
export { type OpWatcher, watchOps } from './watch.ts';

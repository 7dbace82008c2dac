// The planner: what a model costs to train, to serve, and to teach, as formulas over a configuration, hardware, and
// dated prices. Pure: no device, no files, no network; browsers load it too.
export { type Band, bandAround, expectBand, type PriceBand, point, priceBandSchema } from './band.ts';
export {
  type Claim,
  claimFlops,
  claimShare,
  claimUtilization,
  expectAssumption,
  findClaim,
  type OwnAssumptions,
  openClaim,
} from './claim.ts';
export {
  type Assumption,
  type AssumptionName,
  assumptionNames,
  assumptions,
  type ClaimData,
  type ClaimName,
  claimNames,
} from './claim-data.ts';
export {
  breakEven,
  dayEconomics,
  type HitLimit,
  hitLimit,
  margin,
  priceRatio,
  publishedDay,
  revenue,
  type Traffic,
} from './economics.ts';
export { PlanError } from './errors.ts';
export { derive, exact, type Figure, type Given, given, total } from './figure.ts';
export { formatBand, formatFigure, formatValue, readAmount } from './format.ts';
export {
  type ApiPrice,
  apiPrice,
  findHardware,
  type Hardware,
  type Market,
  type MeasuredStep,
  market,
  moneyBand,
  rentBand,
  statedPrice,
  today,
  withRows,
} from './market.ts';
export { countedTokenBytes, interpolateSteps } from './measured.ts';
export { allToAllShare, type DecodeExchange, decodeCeiling, dispatchBytes, gradientSum } from './network.ts';
export { devicesForDays, searchParallelism, tokensForMoney } from './parallelism-search.ts';
export { bubbleShare, type ChunkTimes, type ScheduleName, scheduleNames, usualTimes } from './pipeline.ts';
export {
  type ExamplesQuestion,
  type PostTrainingPlan,
  planExamples,
  planRl,
  type RlQuestion,
} from './post-training.ts';
export {
  draftSpeedup,
  expertsHit,
  planServing,
  type ServingPlan,
  type ServingQuestion,
  servingShares,
  sweepBatch,
} from './serving.ts';
export {
  type CostFigures,
  planTraining,
  publishedUtilization,
  type TrainingPlan,
  type TrainingQuestion,
  trainingCost,
} from './training.ts';
export { dataRanks, type Parallelism, type Recompute, trainingMemory } from './training-memory.ts';
export {
  type CacheFormat,
  cacheFigure,
  inferenceFlops,
  mtpFlops,
  parameterFigures,
  type ScoreCount,
  trainingFlops,
  type WeightFormat,
  weightFigure,
} from './work.ts';

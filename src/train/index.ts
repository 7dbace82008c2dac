// The train room: from a corpus and a recipe to a model, its curve and its lineage.
export {
  type AblationRecipe,
  type Arm,
  type ArmResult,
  runAblation,
} from './ablation.ts';
export { loadWeights, readBaseConfig } from './base.ts';
export {
  modelConfigOf,
  optimizerSchema,
  type PretrainConfig,
  type PretrainRecipe,
  resolvePretrain,
  setPath,
} from './config.ts';
export { TrainError } from './errors.ts';
export {
  eventParts,
  eventSchema,
  finite,
  type NewEvent,
  type StepEvent,
  type TrainEvent,
} from './events.ts';
export { maxViolation, worstViolation } from './load.ts';
export type { RunOptions } from './open-run.ts';
export { Optimizer, type OptimizerOptions } from './optimizer.ts';
export { isRun, pretrain, resumePretraining } from './pretrain.ts';
export { type BalanceMethod, PretrainObjective, shiftedWindows, windowLength } from './pretrain-objective.ts';
export { type Checkpoint, latestCheckpoint, loadMoments, saveCheckpoint, verifyCheckpoint } from './run/checkpoint.ts';
export type {
  Chart,
  ChartSeries,
  Fact,
  HeadlineNumber,
  KindArgument,
  NumberFormat,
  RunDescription,
  RunEvent,
} from './run/description.ts';
export { EventLog, type EventSchema, readEvents } from './run/event-log.ts';
export type { Example, Excerpt, Run, RunKind, RunRecipe, Snapshot, Trainer } from './run/kind.ts';
export { describeDevice, type Lineage, readLineage } from './run/lineage.ts';
export { holderOf } from './run/lock.ts';
export { findRecipeFile, type RecipeFile, recipeFiles } from './run/recipe-files.ts';
export { beginRun, type Last, lastOfRun, type Outcome, Records, recordFiles, resumeRun } from './run/records.ts';
export { smoothed, withoutSuperseded } from './run/series.ts';
export { learningRateAt, type Schedule } from './schedule.ts';
export {
  type BatchShape,
  batchShape,
  packed,
  type SequenceInputs,
  sequenceBatch,
  sequenceInputs,
  type TrainSequence,
} from './sequence-batch.ts';
export { expectFinite, stepOnSequences } from './sequence-step.ts';
export { measureGemmRate } from './throughput.ts';
export { type Losses, type Objective, type Rates, type StepReport, TrainStep } from './train-step.ts';

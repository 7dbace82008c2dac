// The train room: from a corpus and a recipe to a model, its curve and its lineage.
export {
  type AblationRecipe,
  type Arm,
  type ArmResult,
  runAblation,
} from './ablation.ts';
export { loadWeights, readBaseConfig } from './base.ts';
export { type Checkpoint, latestCheckpoint, loadMoments, saveCheckpoint, verifyCheckpoint } from './checkpoint.ts';
export {
  modelConfigOf,
  optimizerSchema,
  type PretrainConfig,
  type PretrainRecipe,
  resolvePretrain,
  setPath,
} from './config.ts';
export { TrainError } from './errors.ts';
export { EventLog, type EventSchema, readEvents } from './event-log.ts';
export {
  eventParts,
  eventSchema,
  finite,
  type NewEvent,
  type StepEvent,
  type TrainEvent,
} from './events.ts';
export { holderOf } from './held.ts';
export { describeDevice, type Lineage, readLineage } from './lineage.ts';
export { maxViolation, worstViolation } from './load.ts';
export type { RunOptions } from './open-run.ts';
export { Optimizer, type OptimizerOptions } from './optimizer.ts';
export { isRun, pretrain, resumePretraining } from './pretrain.ts';
export { type BalanceMethod, PretrainObjective, shiftedWindows, windowLength } from './pretrain-objective.ts';
export { beginRun, type Last, lastOfRun, type Outcome, Records, recordFiles, resumeRun } from './records.ts';
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
export { smoothed } from './smoothed.ts';
export { type RunEvent, withoutSuperseded } from './superseded.ts';
export { measureGemmRate } from './throughput.ts';
export { type Losses, type Objective, type Rates, type StepReport, TrainStep } from './train-step.ts';

// The train module: what every run shares (run/), the training step, and pretraining.

export { type AblationRecipe, type Arm, type ArmResult, type LossAtCompute, runAblation } from './ablation.ts';
export { aheadLoss } from './ahead-loss.ts';
export { TrainError } from './errors.ts';
export { type PretrainEvent, pretrainEvents } from './events.ts';
export { worstViolation } from './load.ts';
export { Optimizer, type OptimizerOptions } from './optimizer.ts';
export { pretrain } from './pretrain.ts';
export { PretrainObjective, shiftedWindows, windowLength } from './pretrain-objective.ts';
export { optimizerSchema, type PretrainConfig, type PretrainRecipe, toModelConfig } from './pretrain-recipe.ts';
export {
  findRunAbove,
  hashWeights,
  type ModelOrigin,
  readModelOrigin,
  readTeacher,
  type TeacherLinks,
} from './run/ancestry.ts';
export { chargeAttempts, type FoundRun, findRuns } from './run/attempts.ts';
export { type BestCheckpoint, findBestCheckpoint, readBestCheckpoint } from './run/best-checkpoint.ts';
export { costBand, formatEnergy, formatMoney, predictionError } from './run/bill-line.ts';
export {
  balanceChart,
  chart,
  evaluationLine,
  gradientChart,
  heldOutAccuracy,
  heldOutLine,
  heldOutNumber,
  modelArgument,
  stepLine,
  stepNumber,
  taskArgument,
  throughputChart,
  validationLoss,
} from './run/charts.ts';
export { type Checkpoint, hasCheckpoint, latestCheckpoint, loadMoments } from './run/checkpoint.ts';
export { readCollectors } from './run/collectors.ts';
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
export type { Energy } from './run/energy.ts';
export { addEvaluation, readEvaluations } from './run/evaluations.ts';
export { cutPartialLine, parseLine, readEvents, readJsonLines } from './run/event-log.ts';
export {
  eventHead,
  finite,
  measured,
  share,
  sharedEvents,
  stepHead,
  taskEvaluated,
} from './run/event-schema.ts';
export { isStoppedExitCode, type StopSignal, stoppedExitCode, stopSignals } from './run/exit-code.ts';
export { accuracyFacts, alarmFacts, describeEvaluation, eventsNamed, lineageFacts, runFacts } from './run/facts.ts';
export { HeldOutHistory, type HeldOutMetric } from './run/held-out.ts';
export { Job } from './run/job.ts';
export type {
  Example,
  Excerpt,
  NewEvent,
  Pace,
  Run,
  RunKind,
  RunRecipe,
  Snapshot,
  Trainer,
} from './run/kind.ts';
export {
  findEdits,
  type Lineage,
  lineagePath,
  readLineage,
  toRecord,
  trainedKind,
  writeLineage,
} from './run/lineage.ts';
export { type LineageRecord, mergeRecords, recordSchema, runKey } from './run/lineage-record.ts';
export { findLockHolder, type LockHolder, lockFolder, requestStop, withRunLock } from './run/lock.ts';
export { findNamedThings, listTextFields, type NamedThing, type Names, type TextField } from './run/named-things.ts';
export {
  count,
  fraction,
  type NamedTask,
  nonnegative,
  resolveRecipe,
  runFields,
  setArguments,
  setField,
  setPath,
  toTaskItem,
} from './run/recipe.ts';
export { findRecipeFile, type RecipeFile, recipeFiles } from './run/recipe-files.ts';
export { runFiles } from './run/records.ts';
export {
  findResumePoint,
  holdsRun,
  newRunName,
  type Outcome,
  type RunOptions,
  readRunRecipe,
  resumeRun,
  startRun,
} from './run/run.ts';
export { describeIssue, expectOwnFiles, maxLineBytes, readRunJson } from './run/run-file.ts';
export { smoothed, withoutSuperseded } from './run/series.ts';
export { counting, noWork, type Prediction, predictedFlops, totalFlops, type Work } from './run/work.ts';
export { learningRateAt, type Schedule } from './schedule.ts';
export {
  type BatchShape,
  pack,
  type SequenceBatch,
  type SequenceInputs,
  sequenceInputs,
  type TrainSequence,
  toSequenceBatch,
} from './sequence-batch.ts';
export { type Losses, type Objective, type Rates, type StepReport, TrainStep } from './train-step.ts';
export { expectFinite, loadWeights, readBaseConfig, TunedModel, type TunedModelOptions } from './tuned-model.ts';

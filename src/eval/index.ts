// The module of evaluation: questions, answerers, judgements, and estimates with their intervals.
export {
  type Answer,
  type Answerer,
  apiAnswerer,
  isAddress,
  isSkippable,
  modelAnswerer,
  type OpenedAnswerer,
  openAnswerer,
  type RolloutAnswer,
  rolloutAnswerer,
} from './answerer.ts';
export { ApiError, type ApiOptions, type Completion, CompletionApi, type CompletionOptions } from './completion-api.ts';
export { EvaluationError } from './errors.ts';
export { consensus, passAt1 } from './estimate.ts';
export {
  type AnsweredQuestion,
  type EvaluateOptions,
  type Evaluation,
  type EvaluationConfig,
  evaluate,
  evaluationEvent,
  evaluationSchema,
  type SampleOptions,
  sampleAnswers,
} from './evaluate.ts';
export {
  countFaults,
  describeFault,
  expectVerdicts,
  type GraderFaults,
  maxFaultShare,
  sumFaults,
} from './grader-faults.ts';
export { type Judgement, judge } from './judge.ts';
export {
  longestTrainingPrompt,
  openQuestions,
  type Question,
  type QuestionConfig,
  type QuestionSource,
  readQuestions,
  trainingQuestions,
} from './question.ts';
export { gradeReply, openRunTasks } from './small-talk.ts';
export {
  evaluateInTraining,
  openTrainingEvaluation,
  type TrainingEvaluation,
  type TrainingEvaluationConfig,
} from './training-evaluation.ts';

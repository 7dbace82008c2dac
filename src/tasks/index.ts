// The tasks module: problems whose answers can be checked, generated and graded.
export {
  type ArithmeticProblem,
  arithmetic,
  type Calculation,
  formatCalculation,
  type Operation,
} from './arithmetic.ts';
export { type ChosenTask, closeTasks, drawTask, openTasks, taskChoice } from './choice.ts';
export { type CountdownProblem, combineTerms, countdown, operators, type Term, toTerm } from './countdown.ts';
export { TaskError } from './errors.ts';
export { type Expression, type ParsedExpression, readExpression } from './expression.ts';
export { bundledTasks, type Graded, Grading, type GradingOptions, openTask } from './grading.ts';
export { importExport, loadTask } from './load-task.ts';
export { readNumber } from './number.ts';
export { type ParsedResponse, readResponse } from './response.ts';
export { type SequenceProblem, sequence } from './sequence.ts';
export {
  drawProblem,
  isHeldOut,
  type Problem,
  type ProblemPlace,
  problemAt,
  type Split,
  type Task,
  type Verdict,
} from './task.ts';
export type { Submission, TaskFacts } from './task-step.ts';
export { type PromptParts, type TemplateName, templateNames, toChatTemplate, toPrompt } from './template.ts';
export { type WordProblem, wordProblems } from './word-problems.ts';

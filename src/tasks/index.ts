// The tasks module: problems whose answers can be checked, generated and graded.
export { type Calculation, formatCalculation, type Operation } from './calculation.ts';
export { type ChosenTask, closeTasks, drawTask, openTasks, smallTalkTask, taskChoice } from './choice.ts';
export {
  addInColumns,
  computeInColumns,
  divideInColumns,
  type Equate,
  type Equation,
  multiplyInColumns,
  subtractInColumns,
  type Written,
} from './columns.ts';
export { expectContract, type TaskPromise, taskContract } from './contract.ts';
export { makeWord } from './english-words.ts';
export { TaskError } from './errors.ts';
export { type Expression, type ParsedExpression, readExpression } from './expression.ts';
export { type ArithmeticProblem, arithmetic } from './families/arithmetic.ts';
export { type CountdownProblem, combineTerms, countdown, operators, type Term, toTerm } from './families/countdown.ts';
export { bundledFacts, bundledTasks } from './families/index.ts';
export { type SequenceProblem, sequence } from './families/sequence.ts';
export { type Graded, Grading, type GradingOptions, openTask } from './grading.ts';
export { languageConsistency } from './language.ts';
export { importExport, isTaskFile, loadTask, readsTypeScript, taskFile } from './load-task.ts';
export { readNumber } from './number.ts';
export { toWords } from './number-words.ts';
export { isHeldOutPhrasing, type Phrasing, phrase, phrasingNames } from './phrasing.ts';
export { type ParsedResponse, readReply, readResponse } from './response.ts';
export { typeInHaste, varySurface } from './surface.ts';
export {
  drawProblem,
  isHeldOut,
  type Problem,
  type ProblemPlace,
  problemAt,
  type Split,
  type Task,
  type TaskFacts,
  type Verdict,
  type WorkedProblem,
} from './task.ts';
export type { StepOutcome, StepRequest, StepRunner, Submission } from './task-step.ts';
export {
  type ChatTemplateName,
  chatTemplateNames,
  type PromptParts,
  type TemplateName,
  templateNames,
  toChatTemplate,
  toPrompt,
} from './template.ts';
export { type WordProblem, wordProblems } from './word-problems.ts';

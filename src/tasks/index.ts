// The task room: problems that can be checked, and texts in which people look for their solutions.
export { type ArithmeticProblem, arithmetic, type Calculation } from './arithmetic.ts';
export { arithmeticPage, workArithmetic } from './arithmetic-pages.ts';
export { checkTask } from './check-task.ts';
export { type ChosenTask, chosenAt, closeTasks, openTasks, taskChoice } from './choice.ts';
export { type CountdownProblem, countdown } from './countdown.ts';
export { TaskError } from './errors.ts';
export { type Expression, type Reading, readExpression } from './expression.ts';
export { builtInTasks, type Graded, Grading, type GradingOptions, openTask } from './grading.ts';
export { loadTask } from './load-task.ts';
export { type PagesName, pages, wordProblemPages } from './pages.ts';
export { Random } from './random.ts';
export { type Response, readResponse } from './response.ts';
export { type SequenceProblem, sequence } from './sequence.ts';
export { sequencePage, workSequence } from './sequence-pages.ts';
export {
  isHeldOut,
  type Problem,
  type ProblemPlace,
  problemAt,
  type Split,
  type Task,
  trainingProblem,
  type Verdict,
} from './task.ts';
export type { Item, TaskFacts } from './task-step.ts';
export { chatTemplateOf, type PromptParts, promptOf, type TemplateName, templateNames } from './template.ts';
export { type WordProblem, wordProblems } from './word-problems.ts';
export { readNumber } from './written-number.ts';
export { readProblem, type WrittenProblem } from './written-problem.ts';

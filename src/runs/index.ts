// The module of runs: what training leaves in folders, past and live, in reports and over HTTP.
export { type ChartData, formatValue, shownFrom, toChartData } from './chart-data.ts';
export { runKinds } from './kinds.ts';
export { type Permission, parseTeacher, permitResume } from './permission.ts';
export type {
  EventPage,
  KindList,
  RecipeList,
  RecipeSummary,
  RunDetail,
  RunList,
  RunState,
  RunSummary,
  StartAnswer,
  StartRequest,
} from './protocol.ts';
export { type RunsService, serveRuns } from './routes.ts';
export { findKind } from './run-folder.ts';
export type { RunsOptions } from './runs.ts';

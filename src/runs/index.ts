// The room of runs: what training leaves in folders, over HTTP, past and live.
export { distilFacts, eventsOf, type Fact, pretrainingFacts, rlFacts } from './facts.ts';
export { kindOf, runKinds } from './kind.ts';
export type {
  EventPage,
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
export type { RunsOptions } from './runs.ts';

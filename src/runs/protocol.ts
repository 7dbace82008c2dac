// Requests and answers about runs over HTTP. The page imports the types alone.
import { z } from 'zod';
import type { Fact, RunDescription, RunEvent } from '../train/run/description.ts';
import type { HeadlineValue } from './chart-data.ts';

export type { KindArgument, RunDescription } from '../train/run/description.ts';

/** An event of a run of any kind, as the page sees it. */
export type AnyEvent = RunEvent & Readonly<Record<string, unknown>>;

export type RunState =
  | 'preparing' // its process has not begun the first step
  | 'running'
  | 'stopping' // it was asked to stop and is about to save
  | 'completed'
  | 'stopped'
  | 'failed'
  | 'interrupted'; // its process ended without a message

export interface RunSummary {
  readonly name: string;
  /** The name of its kind; null until its recipe is resolved. */
  readonly kind: string | null;
  readonly state: RunState;
  /** Why it failed, or why it could not be started or resumed. */
  readonly problem: string | null;
  readonly step: number;
  readonly steps: number | null;
  /** Milliseconds since 1970. */
  readonly started: number | null;
  /** The time of its last event, in milliseconds since 1970. */
  readonly updated: number | null;
  readonly secondsLeft: number | null;
  /** The most important numbers among its recent events. */
  readonly headline: readonly HeadlineValue[];
}

/** The answer of GET /runs. */
export interface RunList {
  readonly folder: string;
  /** The number of runs that may be live at the same time. */
  readonly atOnce: number;
  readonly live: readonly string[];
  /** The latest run first. */
  readonly runs: readonly RunSummary[];
}

/** The answer of GET /runs/kinds: what each kind of run says about itself. */
export interface KindList {
  readonly kinds: readonly RunDescription[];
}

/** The answer of GET /runs/:run. */
export interface RunDetail {
  readonly run: RunSummary;
  /** Its results, as rows of name and value. */
  readonly facts: readonly Fact[];
  /** Its resolved recipe. */
  readonly config: unknown;
  /** Its lineage.json; null before it has begun. */
  readonly lineage: unknown;
  /** The last lines it printed, where it was started from a page. */
  readonly console: readonly string[];
}

/** The answer of GET /runs/:run/events. */
export interface EventPage {
  readonly events: readonly object[];
  /** Where the following page begins. */
  readonly next: number;
  readonly more: boolean;
}

export interface RecipeSummary {
  readonly name: string;
  /** The name of its kind. */
  readonly kind: string;
  readonly about: string;
  /** Arguments of the kind that a run of this recipe cannot begin without. */
  readonly needs: readonly string[];
  /** What `set` can replace, defaults included. */
  readonly choices: readonly { readonly path: string; readonly value: string | number | boolean }[];
}

/** The answer of GET /runs/recipes. */
export interface RecipeList {
  readonly recipes: readonly RecipeSummary[];
  /** What a run can begin from: models by their names, then runs with a checkpoint, the latest first. */
  readonly bases: readonly string[];
  /** Tasks that a run may be started on: the bundled ones, and files that the owner of the server permitted. */
  readonly tasks: readonly string[];
  /** Addresses of teachers that the owner of the server permitted. */
  readonly teachers: readonly string[];
}

const argument = z.union([z.string().max(500), z.array(z.string().max(500)).max(100)]);

/** The body of POST /runs. It also has a field for each argument of the kind: `model`, `data`. */
export const startRequest = z
  .object({
    recipe: z.string().max(100),
    name: z.string().max(200).optional(),
    set: z.array(z.string().max(2000)).max(100).default([]).describe('path=value, as in schedule.learningRate=3e-4'),
  })
  .catchall(argument);
export type StartRequest = z.input<typeof startRequest>;

export interface StartAnswer {
  readonly run: RunSummary;
}

// The contract of a kind of run: what pretraining, fine-tuning, reinforcement learning and distillation differ in.
//
// Everything else is shared: folder, lock, records, loop, resume, recipe errors, console, report, charts. The command
// line, the server and the page go through the list of kinds (runs/kinds.ts) and never ask for a name. What a kind says
// about itself (description.ts) is plain JSON, so that the server can send it. A file of recipes/ exports `kind`, the
// name of its kind, beside `recipe`.
import type { z } from 'zod';
import type { Device } from '../../kernels/index.ts';
import type { ModelConfig, WeightMap } from '../../model/index.ts';
import type { Optimizer } from '../optimizer.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Fact, RunDescription, RunEvent } from './description.ts';
import type { HeldOutMetric } from './held-out.ts';
import type { Lineage } from './lineage.ts';
import type { Origin } from './lineage-session.ts';
import type { Work } from './work.ts';

/** What the recipes of all kinds have in common, once they are resolved. */
export interface RunRecipe {
  readonly seed: number;
  readonly keepCheckpoints: number;
  readonly saveMinutes: number;
  readonly earlyStopping?: { readonly patience: number } | undefined;
  /** The price of one hour of this machine. @default what its threads cost to rent, a band */
  readonly pricePerHour?: number | undefined;
  readonly currency: string;
}

/** A text that a report shows: a sample, a trace. */
export interface Excerpt {
  readonly title: string;
  readonly text: string;
}

export interface RunKind<Recipe extends RunRecipe = RunRecipe, Event extends RunEvent = RunEvent>
  extends RunDescription {
  /** An older verb of the command line. */
  readonly alias?: string;
  /** Name of the resolved recipe's file in a run's folder. */
  readonly recipeFile: string;
  /** Command lines after `minke`, with what they are for; the first is the one of `minke --help`. */
  readonly examples: readonly [Example, ...Example[]];
  readonly recipe: z.ZodType<Recipe>;
  readonly events: z.ZodType<Event>;
  /** Fields that a recipe may abbreviate, written out before `--set` replaces any: a preset's name. */
  expand?(given: Readonly<Record<string, unknown>>): Record<string, unknown>;
  /** Throws TrainError where fields contradict each other. */
  check?(recipe: Recipe): void;
  /** Fields of the recipe that a resumed run keeps: `--set` may not change them. */
  readonly fixedFields: readonly string[];
  /** What its evaluations on held-out data are judged by. @default they are not judged */
  readonly heldOut?: HeldOutMetric;
  /** Opens what the run trains, from its checkpoint if it has one. Throws before anything is written. */
  open(recipe: Recipe, run: Run<Event>): Promise<Trainer>;
  /** What the run came to, for its report and its page. */
  facts(events: readonly Event[], lineage: Lineage): Fact[];
  /** Texts for the report, read from the events or the folder. */
  excerpts?(events: readonly Event[], folder: string): Excerpt[];
  /** What the console says of an event, without step and remaining time. Null: nothing. */
  line(event: Event): string | null;
}

export interface Example {
  readonly line: string;
  readonly about: string;
}

/** An event before the log has stamped its time. */
export type NewEvent<E extends RunEvent> = E extends unknown ? Omit<E, 'time'> : never;

/** How fast steps are: a mean over recent ones, without the pauses between them. */
export interface Pace {
  readonly secondsPerStep: number;
  /** The time to the last step at this pace. */
  readonly secondsLeft: number;
}

/** What a trainer sees of its run. */
export interface Run<Event extends RunEvent = RunEvent> {
  readonly folder: string;
  readonly device: Device;
  /** Whether the folder held this run before. */
  readonly isResumed: boolean;
  /** Where the run continues; null at its beginning. */
  readonly checkpoint: Checkpoint | null;
  readonly signal: AbortSignal;
  /** Appends an event to the log. Not while the trainer is opened. */
  emit(event: NewEvent<Event>): void;
  /** What the run has computed, in all sessions; null where its beginning was not counted. */
  readonly work: Work | null;
  /** Adds to what the run has computed. Not while the trainer is opened. */
  count(added: Partial<Work>): void;
  /** Changes the lineage. Records of ancestors are added to those that it has. Not while the trainer is opened. */
  annotate(changes: Partial<Lineage>): Promise<void>;
  /** Marks the end of a step. */
  endStep(): Pace;
  /** Reports how far long work before the first step is. */
  progress(label: string, done: number, total: number): void;
  /** Says something to whoever watches, without an event. */
  notice(message: string): void;
}

/** What a checkpoint holds besides the lineage. */
export interface Snapshot {
  readonly config: ModelConfig;
  readonly weights: WeightMap;
  readonly optimizer: Optimizer;
  /** Position in the data, as JSON. */
  readonly data: unknown;
  /** Writes what belongs beside the weights, such as the tokenizer. */
  writeBeside(folder: string): Promise<void> | void;
}

/** An opened run: one step at a time, driven by the loop (run.ts). Methods emit their own events. */
export interface Trainer {
  /** What the lineage records of its beginning. */
  readonly origin: Origin;
  /** Fields of the `started` event besides folder and device. */
  readonly started: object;
  /** Long work between the `started` event and the first step. Resolves to false when the signal stopped it. */
  prepare?(): Promise<boolean>;
  /** The number of steps, known once it is prepared. */
  readonly steps: number;
  /** Periods in steps. */
  readonly every: { readonly evaluate: number; readonly sample?: number | undefined; readonly save: number };
  /** Takes step n = 1, 2, ...; resolves to the tokens learned, or null when the signal stopped it before it began. */
  step(n: number): Promise<number | null>;
  /** Waits for a step that is still queued. */
  drain?(): Promise<void>;
  /** Rejects where the signal aborts it. */
  evaluate(step: number): Promise<void>;
  sample?(step: number): Promise<void>;
  snapshot(): Snapshot;
  close(): Promise<void>;
}

// The files that every run leaves in its folder: recipe, events, lineage, and checkpoints with the lineage of their
// time.
//
// Contract: the lineage is valid from the first moment to the last, those of failed and stopped runs included; hours
// and cost count from `began`. A resumed run adds a session to the lineage and appends to the events.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '../../kernels/index.ts';
import { writeJson } from '../../model/checkpoint/index.ts';
import { type Checkpoint, saveCheckpoint } from './checkpoint.ts';
import type { RunEvent } from './description.ts';
import { EventLog, readEvents } from './event-log.ts';
import type { SharedEvent } from './event-schema.ts';
import type { NewEvent, RunKind, RunRecipe, Snapshot } from './kind.ts';
import {
  type Lineage,
  newLineage,
  type Origin,
  readLineage,
  resumedLineage,
  withSeconds,
  writeLineage,
} from './lineage.ts';

/** The names of files in the folder of any run. */
export const runFiles = { events: 'events.jsonl' } as const;

/** The point from which a run resumes. */
export interface ResumePoint {
  /** The last whole checkpoint; null where there is none. */
  readonly checkpoint: Checkpoint | null;
  /** What is wrong with later checkpoints. */
  readonly damaged: readonly string[];
}

export interface RecordsOptions<E extends RunEvent> {
  readonly folder: string;
  readonly device: Device;
  readonly kind: Pick<RunKind<RunRecipe, E>, 'name' | 'recipeFile' | 'events'>;
  readonly recipe: RunRecipe;
  readonly origin: Origin;
  readonly resume: ResumePoint;
  /** When the session began; performance.now(). */
  readonly began: number;
  readonly listen?: ((event: E) => void) | undefined;
}

/** How far a run is. */
export interface RunPosition {
  readonly step: number;
  /** Tokens learned since the first step. */
  readonly tokens: number;
}

export class Records<E extends RunEvent> {
  readonly log: EventLog<E>;
  /** Whether there was a session before. */
  readonly isResumed: boolean;
  /** The events until the step that the session continues from. */
  readonly earlier: readonly E[];
  /** The names of the events of that step. */
  readonly logged: ReadonlySet<string>;
  readonly #folder: string;
  readonly #began: number;
  readonly #flopsPerToken: number;
  #lineage: Lineage;

  private constructor(
    { folder, began, origin, resume }: RecordsOptions<E>,
    log: EventLog<E>,
    before: readonly E[],
    lineage: Lineage,
  ) {
    this.#folder = folder;
    this.#began = began;
    this.#flopsPerToken = origin.flopsPerToken ?? 0;
    this.log = log;
    const resumed = resume.checkpoint?.state.step ?? 0;
    this.isResumed = before.length > 0;
    this.earlier = before.filter(({ step = 0 }) => step <= resumed);
    this.logged = new Set(before.flatMap(({ step, event }) => (step === resumed ? [event] : [])));
    this.#lineage = lineage;
  }

  /** Begins the files of a run, or continues them. Reports damaged checkpoints as alarms. */
  static async open<E extends RunEvent>(options: RecordsOptions<E>): Promise<Records<E>> {
    const { folder, device, kind, recipe, origin, resume, listen } = options;
    mkdirSync(folder, { recursive: true });
    await writeJson(join(folder, kind.recipeFile), recipe);
    const path = join(folder, runFiles.events);
    const log = new EventLog<E>(path, listen);
    const events = readEvents(path, kind.events);
    const before = readLineage(folder);
    const step = resume.checkpoint?.state.step ?? 0;
    const beginning = { kind: kind.name, recipe, origin, device };
    const lineage = before
      ? resumedLineage(before, { ...beginning, fromStep: step, lastEvent: events.at(-1)?.time ?? 0 })
      : await newLineage(beginning);
    const records = new Records(options, log, events, lineage);
    await records.write({});
    for (const message of resume.damaged)
      records.#append({ event: 'alarm', step, kind: 'damaged-checkpoint', message });
    return records;
  }

  get lineage(): Lineage {
    return withSeconds(this.#lineage, (performance.now() - this.#began) / 1000);
  }

  /** Writes the lineage with some changes. */
  write(changes: Partial<Lineage>): Promise<void> {
    this.#lineage = { ...this.#lineage, ...changes };
    return writeLineage(this.#folder, this.lineage);
  }

  /** Writes a checkpoint with the lineage of this moment, and removes older ones but the best and the last `keep`. */
  async save(snapshot: Snapshot, at: RunPosition, keep: number, best: number | null = null): Promise<void> {
    const writeBeside = async (aside: string, weights: string) => {
      await snapshot.writeBeside(aside);
      const own = { ...this.lineage, ...this.#totals(at), weights, reason: 'checkpoint of a run' };
      await writeLineage(aside, own);
    };
    const { folder, sha256 } = await saveCheckpoint(this.#folder, { ...snapshot, ...at, writeBeside }, keep, best);
    await this.write({ ...this.#totals(at), weights: sha256 });
    this.#append({ event: 'saved', step: at.step, folder, sha256 });
  }

  /** Closes the lineage and reports the end. */
  async end(at: RunPosition, status: 'completed' | 'stopped' | 'failed', reason: string): Promise<void> {
    await this.write({ ...this.#totals(at), status, reason });
    this.#append({ event: 'ended', step: at.step, status, reason });
  }

  #totals({ step, tokens }: RunPosition): Pick<Lineage, 'steps' | 'tokens' | 'flops'> {
    return { steps: step, tokens, flops: tokens * this.#flopsPerToken };
  }

  #append(event: NewEvent<SharedEvent>): void {
    this.log.append(event);
  }
}

// The files that every run leaves in its folder: recipe, events, lineage, and checkpoints with the lineage of their
// time.
//
// Contract: the lineage is valid from the first moment to the last, those of failed and stopped runs included; hours
// and cost count from `began`. A resumed run adds a session to the lineage and appends to the events.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '../../kernels/index.ts';
import { writeJson } from '../../model/checkpoint/index.ts';
import { describeBill } from './bill-line.ts';
import { type Checkpoint, saveCheckpoint } from './checkpoint.ts';
import type { RunEvent } from './description.ts';
import { EnergyMeter } from './energy.ts';
import { EventLog, readEvents, readJsonLines } from './event-log.ts';
import type { SharedEvent } from './event-schema.ts';
import type { NewEvent, RunKind, RunRecipe, Snapshot } from './kind.ts';
import { type Lineage, readLineage, withSeconds, writeLineage } from './lineage.ts';
import { mergeRecords } from './lineage-record.ts';
import { newLineage, type Origin, resumedLineage } from './lineage-session.ts';
import { addWork, totalFlops, type Work } from './work.ts';

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
  readonly #energy = new EnergyMeter();
  #lineage: Lineage;

  private constructor(
    { folder, began, resume }: RecordsOptions<E>,
    log: EventLog<E>,
    before: readonly E[],
    lineage: Lineage,
  ) {
    this.#folder = folder;
    this.#began = began;
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
    const beginning = { folder, kind: kind.name, recipe, origin, device };
    const lineage = before
      ? resumedLineage(before, { ...beginning, fromStep: step, ...lastCounts(path, kind.events) })
      : await newLineage(beginning);
    const records = new Records(options, log, events, lineage);
    await records.write({});
    for (const message of resume.damaged)
      records.#append({ event: 'alarm', step, kind: 'damaged-checkpoint', message });
    return records;
  }

  get lineage(): Lineage {
    return withSeconds(this.#lineage, (performance.now() - this.#began) / 1000, this.#energy.joules);
  }

  get work(): Work | null {
    return this.#lineage.work;
  }

  /** Adds to what the run has computed; nothing where its beginning was not counted. */
  count(added: Partial<Work>): void {
    const { work: before } = this.#lineage;
    if (before === null) return;
    const work = addWork(before, added);
    this.#lineage = { ...this.#lineage, work, flops: totalFlops(work) };
  }

  /** Appends an event with what the run has computed until then. */
  emit(event: NewEvent<E>): void {
    const { work, flops } = this.#lineage;
    this.log.append(work === null ? event : { ...event, flops });
  }

  /** Writes the lineage with some changes. */
  write(changes: Partial<Lineage>): Promise<void> {
    const ancestors = mergeRecords(this.#lineage.ancestors, changes.ancestors ?? []);
    this.#lineage = { ...this.#lineage, ...changes, ancestors };
    return writeLineage(this.#folder, this.lineage);
  }

  /** Writes a checkpoint with the lineage of this moment, and removes older ones but the best and the last `keep`. */
  async save(snapshot: Snapshot, at: RunPosition, keep: number, best: number | null = null): Promise<void> {
    const writeBeside = async (aside: string, weights: string) => {
      await snapshot.writeBeside(aside);
      const own = { ...this.lineage, ...toTotals(at), weights, reason: 'checkpoint of a run' };
      await writeLineage(aside, own);
    };
    const { folder, sha256 } = await saveCheckpoint(this.#folder, { ...snapshot, ...at, writeBeside }, keep, best);
    await this.write({ ...toTotals(at), weights: sha256 });
    this.#append({ event: 'saved', step: at.step, folder, sha256 });
  }

  /** Closes the lineage and reports the end. */
  async end(at: RunPosition, status: 'completed' | 'stopped' | 'failed', reason: string): Promise<void> {
    await this.write({ ...toTotals(at), status, reason });
    this.#append({ event: 'ended', step: at.step, status, reason, bill: describeBill(this.lineage) });
    this.#energy.close();
  }

  #append(event: NewEvent<SharedEvent>): void {
    this.log.append(event);
  }
}

const toTotals = ({ step, tokens }: RunPosition): Pick<Lineage, 'steps' | 'tokens'> => ({ steps: step, tokens });

/** Returns the time of the last event, and what the run had computed by then, also in steps that were lost. */
function lastCounts<E extends RunEvent>(path: string, schema: RecordsOptions<E>['kind']['events']) {
  const events = readJsonLines(path, schema, 'event');
  return { lastEvent: events.at(-1)?.time ?? 0, lastFlops: events.findLast(({ flops }) => flops)?.flops ?? 0 };
}

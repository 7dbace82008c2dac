// What every run leaves in its folder, whatever it trains: recipe, events, lineage, and checkpoints with the lineage.
//
// Contract: a folder that holds a run is never begun anew, only gone on with, by the recipe that stands in it. The lineage
// is valid from the first moment to the last, failed and stopped runs included; hours and cost count from `began`.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset } from '../../corpus/index.ts';
import type { Device } from '../../kernels/index.ts';
import { readJson, writeJson } from '../../model/checkpoint/index.ts';
import { TrainError } from '../errors.ts';
import type { NewEvent, TrainEvent } from '../events.ts';
import { type Checkpoint, latestCheckpoint, saveCheckpoint, type ToSave } from './checkpoint.ts';
import type { RunEvent } from './description.ts';
import { EventLog, type EventSchema, readEvents } from './event-log.ts';
import {
  type Lineage,
  newLineage,
  type RunConfig,
  readLineage,
  resumedLineage,
  withSeconds,
  writeLineage,
} from './lineage.ts';
import { holding } from './lock.ts';

export type Outcome = 'completed' | 'stopped';

/** Names within the folder of any run. */
export const recordFiles = { events: 'events.jsonl', lineage: 'lineage.json' } as const;

/** Does `work` in a folder that holds no run yet, as its only process. Throws TrainError where one is there. */
export async function beginRun<T>(folder: string, recipeFile: string, work: () => Promise<T>): Promise<T> {
  if (existsSync(join(folder, recipeFile)))
    throw new TrainError(folder, 'holds a run already', 'resume it with --resume, or choose another folder');
  return holding(folder, work);
}

/** Where a run was. */
export interface Last {
  readonly checkpoint: Checkpoint | null;
  /** What is wrong with later checkpoints. */
  readonly damaged: readonly string[];
}

/** Does `work` in the folder of a run, as its only process. Throws TrainError where there is no run. */
export async function resumeRun<C, T>(
  folder: string,
  recipeFile: string,
  schema: { parse(recipe: unknown): C },
  work: (config: C, last: Last) => Promise<T>,
): Promise<T> {
  if (!existsSync(join(folder, recipeFile))) throw new TrainError(folder, 'holds no run', 'start one without --resume');
  return holding(folder, async () => work(schema.parse(readJson(join(folder, recipeFile))), await lastOfRun(folder)));
}

/** The last whole checkpoint of a run's folder. */
export async function lastOfRun(folder: string): Promise<Last> {
  const damaged: string[] = [];
  const checkpoint = await latestCheckpoint(folder, ({ message }) => damaged.push(message));
  return { checkpoint, damaged };
}

export interface RecordsOptions<E extends RunEvent> {
  readonly folder: string;
  readonly device: Device;
  readonly listen?: ((event: E) => void) | undefined;
  readonly schema: EventSchema<E>;
  readonly kind: Lineage['kind'];
  readonly recipeFile: string;
  readonly recipe: Omit<RunConfig, 'initial'>;
  /** Folder of the weights that the run begins from; null: fresh ones. */
  readonly initial: string | null;
  readonly dataset?: Dataset;
  readonly last?: Last | undefined;
  /** When the session began; performance.now(). */
  readonly began: number;
  /** Of training; 0 where they are not counted. */
  readonly flopsPerToken?: number;
}

/** How far a run is. */
export interface At {
  readonly step: number;
  /** Learned since the first step. */
  readonly tokens: number;
}

export class Records<E extends RunEvent = TrainEvent> {
  readonly log: EventLog<E>;
  /** Whether there was a session before. */
  readonly isResumed: boolean;
  readonly #folder: string;
  readonly #began: number;
  readonly #flopsPerToken: number;
  #lineage: Lineage;

  private constructor(log: EventLog<E>, isResumed: boolean, lineage: Lineage, options: RecordsOptions<E>) {
    this.log = log;
    this.isResumed = isResumed;
    this.#lineage = lineage;
    this.#folder = options.folder;
    this.#began = options.began;
    this.#flopsPerToken = options.flopsPerToken ?? 0;
  }

  /** Begins the files of a run, or goes on with them. */
  static async open<E extends RunEvent>(options: RecordsOptions<E>): Promise<Records<E>> {
    const { folder, device, listen, schema, kind, recipeFile, recipe, initial, dataset, last } = options;
    mkdirSync(folder, { recursive: true });
    await writeJson(join(folder, recipeFile), recipe);
    const path = join(folder, recordFiles.events);
    const log = new EventLog<E>(path, listen);
    const events = readEvents(path, schema);
    const before = readLineage(folder);
    const own = { ...recipe, initial };
    const fromStep = last?.checkpoint?.state.step ?? 0;
    const lineage = before
      ? resumedLineage(before, own, device, fromStep, events.at(-1)?.time ?? 0)
      : await newLineage(own, device, { kind, ...(dataset && { dataset }) });
    const records = new Records(log, events.length > 0, lineage, options);
    await records.write({});
    for (const message of last?.damaged ?? [])
      records.#say({ event: 'alarm', step: fromStep, kind: 'damaged-checkpoint', message });
    return records;
  }

  get lineage(): Lineage {
    return withSeconds(this.#lineage, (performance.now() - this.#began) / 1000);
  }

  /** Writes the lineage with what has changed. */
  write(changed: Partial<Lineage>): Promise<void> {
    this.#lineage = { ...this.#lineage, ...changed };
    return writeLineage(this.#folder, this.lineage);
  }

  /** Writes a checkpoint; `beside` puts in it what is needed besides weights and lineage. */
  async save(
    { beside, ...saving }: Omit<ToSave, 'beside'> & { readonly beside: (aside: string) => Promise<void> | void },
    keep: number,
  ): Promise<void> {
    const { step } = saving;
    const { folder, sha256 } = await saveCheckpoint(
      this.#folder,
      {
        ...saving,
        beside: async (aside, weights) => {
          await beside(aside);
          const own = { ...this.lineage, ...this.#counted(saving), weights, reason: 'checkpoint of a run' };
          await writeLineage(aside, own);
        },
      },
      keep,
    );
    await this.write({ ...this.#counted(saving), weights: sha256 });
    this.#say({ event: 'saved', step, folder, sha256 });
  }

  async end(at: At, status: Outcome): Promise<Outcome> {
    await this.#end(at, status, status === 'completed' ? 'all steps are done' : 'asked to stop');
    return status;
  }

  /** What a run that cannot go on leaves. */
  fail(at: At, error: Error): Promise<void> {
    return this.#end(at, 'failed', error.message).catch(() => undefined); // a full disk takes no last words
  }

  async #end(at: At, status: Outcome | 'failed', reason: string): Promise<void> {
    await this.write({ ...this.#counted(at), status, reason });
    this.#say({ event: 'ended', step: at.step, status, reason });
  }

  #counted({ step, tokens }: At): Pick<Lineage, 'steps' | 'tokens' | 'flops'> {
    return { steps: step, tokens, flops: tokens * this.#flopsPerToken };
  }

  /** An event that every kind of run has (eventParts). */
  #say(event: RunEventOfAll): void {
    this.log.append(event as unknown as NewEvent<E>);
  }
}

type RunEventOfAll = NewEvent<Extract<TrainEvent, { event: 'saved' | 'ended' | 'alarm' }>>;

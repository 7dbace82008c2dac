// A run: one folder, one process at a time, one loop, whatever is trained.
//
// The loop: evaluate, sample, save, stop, *step*, log. Contract: a folder that holds a run is never begun anew, only
// resumed, with the recipe that it holds. What can be known to be wrong is refused before the first step and leaves no
// run. A run that was killed at any moment resumes from its last whole checkpoint and ends with the same weights to the
// bit, on any number of threads. Files: records.ts. What differs between kinds: kind.ts.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '../../kernels/index.ts';
import { readJson } from '../../model/checkpoint/index.ts';
import { TrainError } from '../errors.ts';
import { latestCheckpoint } from './checkpoint.ts';
import type { RunEvent } from './description.ts';
import type { NewEvent, Pace, Run, RunKind, RunRecipe, Trainer } from './kind.ts';
import { describeDevice, generator, type Lineage, readLineage } from './lineage.ts';
import { withRunLock } from './lock.ts';
import { expectUnfixed, resolveRecipe } from './recipe.ts';
import { Records, type ResumePoint, type RunPosition } from './records.ts';

export type Outcome = 'completed' | 'stopped';

export interface RunOptions<Event extends RunEvent = RunEvent> {
  readonly folder: string;
  readonly device: Device;
  /** Stops the run after the current step; a checkpoint of it is saved. */
  readonly signal?: AbortSignal;
  readonly listen?: (event: Event) => void;
  readonly progress?: Run['progress'];
  readonly notice?: Run['notice'];
}

/** Returns `countdown-2026-01-31-12-00-00`: the name of a run of a recipe that begins now. */
export function newRunName(recipe: string): string {
  return `${recipe}-${new Date().toISOString().slice(0, 19).replaceAll(/[:T]/g, '-')}`;
}

/** Returns whether a folder holds a run of this kind. */
export function holdsRun(folder: string, { recipeFile }: Pick<RunKind, 'recipeFile'>): boolean {
  return existsSync(join(folder, recipeFile));
}

/**
 * Trains from the first step. Throws TrainError, CorpusError, ModelError or TaskError before it if something is wrong.
 */
export async function startRun<R extends RunRecipe, E extends RunEvent>(
  kind: RunKind<R, E>,
  recipe: R,
  options: RunOptions<E>,
): Promise<Outcome> {
  const { folder } = options;
  if (holdsRun(folder, kind))
    throw new TrainError(folder, 'holds a run already', 'resume it with --resume, or choose another folder');
  return withRunLock(folder, () => drive(kind, recipe, null, options));
}

/**
 * Resumes the run in a folder from its last whole checkpoint. `assignments` (path=value) change its recipe from there.
 */
export async function resumeRun<R extends RunRecipe, E extends RunEvent>(
  kind: RunKind<R, E>,
  options: RunOptions<E>,
  assignments: readonly string[] = [],
): Promise<Outcome> {
  const { folder } = options;
  if (!holdsRun(folder, kind)) throw new TrainError(folder, 'holds no run', 'start one without --resume');
  expectUnfixed(kind, assignments);
  return withRunLock(folder, async () => {
    expectSameGenerator(folder);
    const recipe = resolveRecipe(kind, readJson(join(folder, kind.recipeFile)) as object, assignments);
    return drive(kind, recipe, await findResumePoint(folder), options);
  });
}

/** Throws TrainError where the rest of a run would draw other data than its beginning. */
function expectSameGenerator(folder: string): void {
  const lineage = readLineage(folder);
  if (lineage === null || lineage.generator === generator) return;
  throw new TrainError(
    folder,
    'began with another random generator, so its data would change on the way',
    'start a new run from its last checkpoint, or resume it with the version of minke that began it',
  );
}

/** Finds the last whole checkpoint of a run's folder. */
export async function findResumePoint(folder: string): Promise<ResumePoint> {
  const damaged: string[] = [];
  const checkpoint = await latestCheckpoint(folder, ({ message }) => damaged.push(message));
  return { checkpoint, damaged };
}

async function drive<R extends RunRecipe, E extends RunEvent>(
  kind: RunKind<R, E>,
  recipe: R,
  resume: ResumePoint | null,
  options: RunOptions<E>,
): Promise<Outcome> {
  const session = new Session(kind, recipe, resume, options);
  const trainer = await kind.open(recipe, session);
  try {
    return await session.train(trainer);
  } catch (error) {
    await session.fail(error as Error);
    throw error;
  } finally {
    await options.device.flush().catch(() => undefined);
    await trainer.close();
  }
}

/** Steps over which the pace is averaged. */
const paceSteps = 20;

/** A run while a process works on it: position, pace and files. */
export class Session<R extends RunRecipe, E extends RunEvent> implements Run<E> {
  readonly folder: string;
  readonly device: Device;
  readonly isResumed: boolean;
  readonly checkpoint: ResumePoint['checkpoint'];
  readonly signal: AbortSignal;
  readonly progress: Run['progress'];
  readonly notice: Run['notice'];
  readonly #kind: RunKind<R, E>;
  readonly #recipe: R;
  readonly #damaged: readonly string[];
  readonly #listen: RunOptions<E>['listen'];
  readonly #began = performance.now();
  #records: Records<E> | null = null;
  #at: RunPosition;
  /** The number of steps, once it is known. */
  #steps = 0;
  /** Steps that have ended: with a queued step, one fewer than were taken. */
  #ended: number;
  /** Seconds of recent steps. */
  #durations: number[] = [];
  /** When the current step began; null during a pause. */
  #stepBegan: number | null = null;

  constructor(kind: RunKind<R, E>, recipe: R, resume: ResumePoint | null, options: RunOptions<E>) {
    this.#kind = kind;
    this.#recipe = recipe;
    this.isResumed = resume !== null;
    this.#damaged = resume?.damaged ?? [];
    this.#listen = options.listen;
    this.folder = options.folder;
    this.device = options.device;
    this.signal = options.signal ?? new AbortController().signal;
    this.progress = options.progress ?? (() => undefined);
    this.notice = options.notice ?? (() => undefined);
    this.checkpoint = resume?.checkpoint ?? null;
    const { step = 0, tokens = 0 } = this.checkpoint?.state ?? {};
    this.#at = { step, tokens };
    this.#ended = step;
  }

  emit(event: NewEvent<E>): void {
    this.#opened.log.append(event);
  }

  annotate(changes: Partial<Lineage>): Promise<void> {
    return this.#opened.write(changes);
  }

  endStep(): Pace {
    const now = performance.now();
    this.#durations = [...this.#durations, (now - (this.#stepBegan ?? now)) / 1000].slice(-paceSteps);
    this.#stepBegan = now;
    this.#ended++;
    const secondsPerStep = this.#durations.reduce((sum, seconds) => sum + seconds, 0) / this.#durations.length;
    return { secondsPerStep, secondsLeft: secondsPerStep * (this.#steps - this.#ended) };
  }

  /** Runs to the last step or until the signal; either way a checkpoint of the last step is on disk. */
  async train(trainer: Trainer): Promise<Outcome> {
    await this.#open(trainer);
    if (trainer.prepare && !(await trainer.prepare())) return this.#end('stopped');
    this.#steps = trainer.steps;
    const fromStep = this.#at.step;
    for (;;) {
      const { step, tokens } = this.#at;
      const isLast = step >= trainer.steps;
      const isStopped = this.signal.aborted && !isLast;
      const isNew = step > fromStep;
      const isDue = (period = Number.POSITIVE_INFINITY) => isLast || step % period === 0;
      const evaluates = isDue(trainer.every.evaluate) && (isNew || step === 0);
      const samples = isNew && isDue(trainer.every.sample);
      const saves = isNew && (isStopped || isDue(trainer.every.save));
      if (isLast || isStopped || evaluates || samples || saves) await trainer.drain?.();
      if (evaluates || samples || saves) this.#stepBegan = null;
      if (evaluates) await trainer.evaluate(step);
      if (samples) await trainer.sample?.(step);
      if (saves) await this.#opened.save(trainer.snapshot(), this.#at, this.#recipe.keepCheckpoints);
      if (isLast || isStopped) return this.#end(isLast ? 'completed' : 'stopped');
      this.#stepBegan ??= performance.now();
      const learned = await trainer.step(step + 1);
      if (learned !== null) this.#at = { step: step + 1, tokens: tokens + learned };
    }
  }

  /** Records why a run ended that cannot continue. */
  async fail(error: Error): Promise<void> {
    await this.#records?.end(this.#at, 'failed', error.message).catch(() => undefined); // the disk may be full
  }

  get #opened(): Records<E> {
    if (this.#records === null) throw new Error('the records of a run are open only after its trainer is');
    return this.#records;
  }

  async #open({ origin, started, steps }: Trainer): Promise<void> {
    const { folder, device } = this;
    this.#records = await Records.open({
      folder,
      device,
      kind: this.#kind,
      recipe: this.#recipe,
      origin,
      resume: { checkpoint: this.checkpoint, damaged: this.#damaged },
      began: this.#began,
      listen: this.#listen,
    });
    const { log, isResumed } = this.#records;
    if (isResumed) log.append({ event: 'resumed', step: this.#at.step, ...(steps > 0 && { steps }) });
    else log.append({ event: 'started', run: folder, device: describeDevice(device), ...started });
  }

  async #end(outcome: Outcome): Promise<Outcome> {
    await this.#opened.end(this.#at, outcome, outcome === 'completed' ? 'all steps are done' : 'asked to stop');
    return outcome;
  }
}

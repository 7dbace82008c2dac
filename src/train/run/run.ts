// A run: one folder, one process at a time, one loop, whatever is trained.
//
// The loop: save, evaluate, sample, stop, *step*, log. Contract: a folder that holds a run is never begun anew, only
// resumed, with the recipe that it holds. What can be known to be wrong is refused before the first step and leaves no
// run. A run that was killed or stopped at any moment resumes from its last whole checkpoint and ends with the same
// weights to the bit, on any number of threads and any machine with its arithmetic; checkpoints by time change no bit.
// An evaluation that was cut off is made when the run resumes. Files: records.ts. What differs between kinds: kind.ts.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '../../kernels/index.ts';
import { TrainError } from '../errors.ts';
import { latestCheckpoint } from './checkpoint.ts';
import { expectSameBits } from './computation.ts';
import type { RunEvent } from './description.ts';
import { type HeldOutAlarm, HeldOutWatch } from './held-out-watch.ts';
import type { NewEvent, Pace, Run, RunKind, RunRecipe, Trainer } from './kind.ts';
import { type Lineage, readLineage } from './lineage.ts';
import { describeDevice, generator } from './lineage-session.ts';
import { withRunLock } from './lock.ts';
import { expectUnfixed, resolveRecipe } from './recipe.ts';
import { Records, type ResumePoint, type RunPosition } from './records.ts';
import { expectOwnFiles, readRunJson } from './run-file.ts';
import type { Work } from './work.ts';
import { asWriteFailure } from './write-failure.ts';

export type Outcome = 'completed' | 'stopped';

export interface RunOptions<Event extends RunEvent = RunEvent> {
  readonly folder: string;
  readonly device: Device;
  /** Stops the run after the current step, or during any other work; a checkpoint of the step is saved. */
  readonly signal?: AbortSignal;
  readonly listen?: (event: Event) => void;
  readonly progress?: Run['progress'];
  readonly notice?: Run['notice'];
  /**
   * Receives the recipe of a run that is resumed before anything that it names is opened, and throws where it must not
   * be. The recipe may name a program and run it: pass a check for folders of others. @default nothing is refused
   */
  readonly permit?: (recipe: RunRecipe) => void;
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
  expectOwnFiles(folder);
  return inWords(folder, () =>
    withRunLock(folder, (stopping) => drive(kind, recipe, null, withStop(options, stopping))),
  );
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
  expectOwnFiles(folder);
  return inWords(folder, () =>
    withRunLock(folder, async (stopping) => {
      expectSameGenerator(folder);
      expectSameBits(folder, options.device.computation, options.notice);
      const recipe = readRunRecipe(kind, folder, assignments);
      options.permit?.(recipe);
      return drive(kind, recipe, await findResumePoint(folder), withStop(options, stopping));
    }),
  );
}

/** Throws TrainError where a file of the run cannot be written, whichever it is. */
async function inWords<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asWriteFailure(error, folder);
  }
}

/**
 * Reads the recipe of the run in a folder, which is resolved: nothing in it is abbreviated, so nothing that it names is
 * opened here. `assignments` (path=value) change it. Throws TrainError.
 */
export function readRunRecipe<R extends RunRecipe>(
  { recipe, check, recipeFile }: Pick<RunKind<R>, 'recipe' | 'check' | 'recipeFile'>,
  folder: string,
  assignments: readonly string[] = [],
): R {
  const path = join(folder, recipeFile);
  const given = readRunJson(path);
  if (typeof given !== 'object' || given === null)
    throw new TrainError(path, 'is no recipe', 'start another run, or restore the file');
  return resolveRecipe(check ? { recipe, check } : { recipe }, given, assignments);
}

/** Returns the options of a run that also ends when another process asks the holder of its folder to stop. */
function withStop<E extends RunEvent>(options: RunOptions<E>, stopping: AbortSignal): RunOptions<E> {
  const { signal, notice } = options;
  stopping.addEventListener('abort', () => notice?.('asked to stop by another process: stopping after this step'));
  return { ...options, signal: signal ? AbortSignal.any([signal, stopping]) : stopping };
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
  const trainer = await openTrainer(kind, recipe, session);
  if (trainer === null) return 'stopped';
  try {
    return await session.train(trainer);
  } catch (error) {
    const failure = asWriteFailure(error, options.folder) as Error;
    await session.fail(failure);
    throw failure;
  } finally {
    await options.device.flush().catch(() => undefined);
    await trainer.close();
  }
}

/** Opens the trainer of a run; null where the signal stopped it, for example while it read data. */
async function openTrainer<R extends RunRecipe, E extends RunEvent>(
  kind: RunKind<R, E>,
  recipe: R,
  session: Session<R, E>,
): Promise<Trainer | null> {
  const { signal, checkpoint } = session;
  try {
    signal.throwIfAborted();
    return await kind.open(recipe, session);
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    const begun = checkpoint === null ? 'before the first step' : `at step ${checkpoint.state.step}, as it was`;
    session.notice(`stopped ${begun}`);
    return null;
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
  #heldOut: HeldOutWatch | null = null;
  #at: RunPosition;
  /** The step that this session continues from. */
  readonly #fromStep: number;
  /** When the last checkpoint was saved, or the session began; performance.now(). */
  #savedAt = 0;
  /** The step of the last checkpoint. */
  #savedStep: number;
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
    this.#fromStep = step;
    this.#savedStep = step;
    this.#ended = step;
  }

  emit(event: NewEvent<E>): void {
    this.#opened.emit(event);
    this.#heldOut?.add({ time: 0, ...event });
  }

  annotate(changes: Partial<Lineage>): Promise<void> {
    return this.#opened.write(changes);
  }

  get work(): Work | null {
    return this.#opened.work;
  }

  count(added: Partial<Work>): void {
    this.#opened.count(added);
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
    if (trainer.prepare && !(await trainer.prepare())) return this.#end('stopped', 'asked to stop');
    this.#steps = trainer.steps;
    this.#warnOfRareSaves(trainer);
    this.#savedAt = performance.now();
    for (;;) {
      const { step, tokens } = this.#at;
      const isLast = step >= trainer.steps;
      const isNew = step > this.#fromStep;
      if (isNew && (isLast || step % trainer.every.save === 0 || this.#isSaveDue())) await this.#save(trainer);
      const isObserved = await this.#observe(trainer, isLast);
      if (this.signal.aborted && !(isLast && isObserved)) {
        if (this.#savedStep < step) await this.#save(trainer);
        return this.#end('stopped', 'asked to stop');
      }
      if (isLast) return this.#end('completed', this.#withBest('all steps are done'));
      const enough = this.#heldOut?.reasonToStop(this.#recipe.earlyStopping?.patience ?? Number.POSITIVE_INFINITY);
      if (enough) {
        if (this.#savedStep < step) await this.#save(trainer);
        return this.#end('completed', this.#withBest(enough));
      }
      this.#stepBegan ??= performance.now();
      const learned = await trainer.step(step + 1);
      if (learned !== null) this.#at = { step: step + 1, tokens: tokens + learned };
    }
  }

  /** Evaluates and samples where it is time to. Returns false where the signal came before or in between. */
  async #observe(trainer: Trainer, isLast: boolean): Promise<boolean> {
    const { step } = this.#at;
    const { evaluate, sample = Number.POSITIVE_INFINITY } = trainer.every;
    // A resumed run has observed its first step already, unless it was cut off.
    const isDue = (period: number, event: string) =>
      (isLast || step % period === 0) && !(step === this.#fromStep && this.#opened.logged.has(event));
    const evaluates = isDue(evaluate, 'evaluated');
    const samples = step > 0 && isDue(sample, 'sampled');
    if (!evaluates && !samples && !isLast) return true;
    if (this.signal.aborted) return !evaluates && !samples;
    await this.#pause(trainer);
    try {
      if (evaluates) await this.#evaluate(trainer, step);
      this.signal.throwIfAborted();
      if (samples) await trainer.sample?.(step);
      return true;
    } catch (error) {
      if (!this.signal.aborted) throw error;
      return false;
    }
  }

  /** Evaluates, says what got worse, and keeps the checkpoint of the best evaluation. */
  async #evaluate(trainer: Trainer, step: number): Promise<void> {
    await trainer.evaluate(step);
    this.signal.throwIfAborted();
    if (this.#heldOut === null) return;
    this.#raise(this.#heldOut.alarms('running'));
    if (this.#heldOut.bestStep === step && this.#savedStep < step) await this.#save(trainer);
    await this.#heldOut.writeBest();
  }

  #raise(alarms: readonly HeldOutAlarm[]): void {
    for (const alarm of alarms) this.#opened.log.append({ event: 'alarm', step: this.#at.step, ...alarm });
  }

  #withBest(reason: string): string {
    return [reason, this.#heldOut?.describeBest() ?? []].flat().join('; ');
  }

  async #save(trainer: Trainer): Promise<void> {
    await this.#pause(trainer);
    const best = this.#heldOut?.bestStep ?? null;
    await this.#opened.save(trainer.snapshot(), this.#at, this.#recipe.keepCheckpoints, best);
    this.#savedAt = performance.now();
    this.#savedStep = this.#at.step;
  }

  /** Waits for a queued step; the time until the next one begins counts for none. */
  async #pause(trainer: Trainer): Promise<void> {
    await trainer.drain?.();
    this.#stepBegan = null;
  }

  #isSaveDue(): boolean {
    return performance.now() - this.#savedAt >= 60_000 * this.#recipe.saveMinutes;
  }

  #warnOfRareSaves({ every, steps }: Trainer): void {
    if (every.save <= steps) return;
    this.notice(
      `checkpoints are ${every.save} steps apart and the run has ${steps}: before its end only time saves one, ` +
        `every ${this.#recipe.saveMinutes} minutes (saveMinutes)`,
    );
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
    const { log, isResumed, earlier } = this.#records;
    const { heldOut } = this.#kind;
    if (heldOut) this.#heldOut = new HeldOutWatch(folder, heldOut, earlier);
    await this.#heldOut?.writeBest(); // a killed session may not have done it
    if (isResumed) log.append({ event: 'resumed', step: this.#at.step, ...(steps > 0 && { steps }) });
    else log.append({ event: 'started', run: folder, device: describeDevice(device), ...started });
  }

  async #end(outcome: Outcome, reason: string): Promise<Outcome> {
    if (outcome === 'completed') this.#raise(this.#heldOut?.alarms('ended') ?? []);
    await this.#opened.end(this.#at, outcome, reason);
    return outcome;
  }
}

// The runs of a folder: listed, read, followed; started, stopped and resumed.
//
// Contract: a run's folder is what is true; only processes are remembered. Starts come one after the other, so that no
// two of them find the same free place.
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { ApiError, dataFrame, type EventStreamOptions, eventStream, streamHeaders, validate } from '../server/index.ts';
import { latestCheckpoint } from '../train/index.ts';
import { detailOf, eventSchemaOf } from './detail.ts';
import { eventOf, type Lines, linesFrom } from './event-lines.ts';
import { follow } from './follow.ts';
import { kindOf, runKinds } from './kind.ts';
import { Launcher } from './launcher.ts';
import { type EventPage, type RecipeList, type RunList, type RunSummary, startRequest } from './protocol.ts';
import { checkAssignment, checkData, recipeNamed, shippedRecipes } from './recipes.ts';
import { folderNamed, runFiles, runFolder, runNames } from './run-folder.ts';
import { summarise } from './summary.ts';

export interface RunsOptions {
  /** Of runs. It need not exist yet. */
  readonly folder: string;
  /** Command and arguments that run minke. */
  readonly program: readonly string[];
  /** Runs that may be live together. @default 1 */
  readonly atOnce?: number;
  /** Where data of runs that are started from a page lies. @default the working directory */
  readonly dataFolder?: string;
  /** A comment goes to followers of a run that is silent for so long. @default 10 seconds */
  readonly keepAliveMs?: number;
  /** Runs that are followed at once; one more gets 429. @default 64 */
  readonly maxFollowers?: number;
}

const pageBytes = 4 * 1024 * 1024;
const stallMs = 30_000;

export class Runs {
  readonly #options: RunsOptions;
  readonly #root: string;
  readonly #launcher: Launcher;
  readonly #closing = new AbortController();
  #followers = 0;
  #starting: Promise<unknown> = Promise.resolve();

  constructor(options: RunsOptions) {
    this.#options = options;
    this.#root = resolve(options.folder);
    this.#launcher = new Launcher(options.program);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#launcher.close();
  }

  async list(): Promise<RunList> {
    const runs = await Promise.all(runNames(this.#root).map((name) => this.#summary(name)));
    const live = runs.filter((run) => this.#launcher.isLive(folderNamed(this.#root, run.name)));
    const age = ({ updated, started }: RunSummary) => updated ?? started ?? 0;
    return {
      folder: this.#root,
      atOnce: this.#atOnce,
      live: live.map(({ name }) => name),
      runs: runs.sort((a, b) => age(b) - age(a)),
    };
  }

  async recipes(): Promise<RecipeList> {
    const { runs } = await this.list();
    const hasCheckpoint = ({ name }: RunSummary) => existsSync(join(runFolder(this.#root, name), 'checkpoints'));
    return { recipes: [...(await shippedRecipes())], bases: runs.filter(hasCheckpoint).map(({ name }) => name) };
  }

  async detail(name: string): Promise<object> {
    const folder = runFolder(this.#root, name);
    return detailOf(folder, await summarise(folder, name, this.#launcher.known(folder)));
  }

  async events(name: string, from: number): Promise<EventPage> {
    const folder = runFolder(this.#root, name);
    const { lines, next, size } = await linesFrom(join(folder, runFiles.events), from, pageBytes);
    const schema = eventSchemaOf(folder);
    const events = lines.map((line) => eventOf(line, schema, `${name}/${runFiles.events}`));
    return { events, next, more: lines.length > 0 && next < size };
  }

  async follow(name: string, from: number, signal: AbortSignal): Promise<Response> {
    const folder = runFolder(this.#root, name);
    await linesFrom(join(folder, runFiles.events), from, 1); // refuses an offset that is none
    const most = this.#options.maxFollowers ?? 64;
    if (this.#followers >= most)
      throw new ApiError(429, `${most} runs are being followed: close a page, or ask again later`);
    const left = new AbortController();
    const leave = () => left.abort();
    for (const ended of [signal, this.#closing.signal]) {
      if (ended.aborted) leave();
      ended.addEventListener('abort', leave, { once: true });
    }
    this.#followers++;
    const options: EventStreamOptions = {
      keepAliveMs: this.#options.keepAliveMs ?? 10_000,
      stallMs,
      onAbort: leave,
      onEnd: () => {
        this.#followers--;
        leave();
        this.#closing.signal.removeEventListener('abort', leave);
      },
    };
    return new Response(eventStream(this.#frames(folder, name, from, left.signal), options), {
      headers: streamHeaders,
    });
  }

  start(body: unknown): Promise<RunSummary> {
    const request = validate(startRequest, body);
    return this.#oneByOne(async () => {
      const recipe = await recipeNamed(request.recipe);
      const name = request.name ?? `${recipe.name}-${new Date().toISOString().slice(0, 19).replaceAll(/[:T]/g, '-')}`;
      const folder = folderNamed(this.#root, name);
      if (existsSync(join(folder, runFiles.events)) || kindOf(folder) !== null)
        throw new ApiError(409, `there is a run ${name} already: resume it, or choose another name`, { param: 'name' });
      for (const assignment of request.set) checkAssignment(assignment);
      await this.#expectPlace(name);
      const begin = runKinds[recipe.kind].verb;
      const sources = recipe.kind === 'pretraining' ? this.#dataOf(request.data) : await this.#baseOf(request.model);
      const set = request.set.map((assignment) => `--set=${assignment}`);
      await this.#launcher.start(folder, [begin, recipe.name, `--run=${folder}`, ...sources, ...set]);
      return this.#summary(name);
    });
  }

  stop(name: string): Promise<RunSummary> {
    this.#launcher.stop(runFolder(this.#root, name), name);
    return this.#summary(name);
  }

  resume(name: string): Promise<RunSummary> {
    const folder = runFolder(this.#root, name);
    return this.#oneByOne(async () => {
      const kind = kindOf(folder);
      if (kind === null) throw new ApiError(409, `${name} never began: start it again`);
      if (this.#launcher.isLive(folder)) throw new ApiError(409, `${name} is running already`);
      const { state } = await this.#summary(name);
      if (state === 'completed') throw new ApiError(409, `${name} is complete: there is nothing to go on with`);
      await this.#expectPlace(name);
      await this.#launcher.start(folder, [runKinds[kind].verb, `--run=${folder}`, '--resume']);
      return this.#summary(name);
    });
  }

  get #atOnce(): number {
    return this.#options.atOnce ?? 1;
  }

  #summary(name: string): Promise<RunSummary> {
    const folder = folderNamed(this.#root, name);
    return summarise(folder, name, this.#launcher.known(folder));
  }

  #oneByOne<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#starting.then(work);
    this.#starting = done.catch(() => undefined);
    return done;
  }

  async #expectPlace(name: string): Promise<void> {
    const { live } = await this.list();
    if (live.length < this.#atOnce) return;
    throw new ApiError(
      409,
      `${live.join(', ')} ${live.length > 1 ? 'are' : 'is'} running, and ${this.#atOnce} may at once: stop it before ${name} begins, or start the server with a larger --at-once`,
      { code: 'run_is_live' },
    );
  }

  #dataOf(files: readonly string[]): string[] {
    const folder = resolve(this.#options.dataFolder ?? '.');
    return files.map((file) => `--data=${checkData(file, folder)}`);
  }

  /** The latest checkpoint of a run, as a flag. Throws ApiError 404 or 422. */
  async #baseOf(name: string | undefined): Promise<string[]> {
    if (name === undefined) return [];
    const checkpoint = await latestCheckpoint(runFolder(this.#root, name), () => undefined);
    if (checkpoint) return [`--model=${checkpoint.folder}`];
    throw new ApiError(422, `model: ${name} has no whole checkpoint: choose another run`, { param: 'model' });
  }

  async *#frames(folder: string, name: string, from: number, signal: AbortSignal): AsyncGenerator<string> {
    const frame = ({ lines, next }: Lines) => {
      const events = lines.map((line) => eventOf(line, eventSchemaOf(folder), `${name}/${runFiles.events}`));
      return `id: ${next}\n${dataFrame(JSON.stringify({ events, next }))}`;
    };
    try {
      const isLive = () => this.#launcher.isLive(folder);
      for await (const batch of follow(join(folder, runFiles.events), from, { isLive, signal })) yield frame(batch);
      if (!signal.aborted) yield `event: end\n${dataFrame(JSON.stringify({ run: await this.#summary(name) }))}`;
    } catch (error) {
      const message = error instanceof ApiError ? error.message : `${basename(folder)} can no longer be read`;
      yield `event: problem\n${dataFrame(JSON.stringify({ message }))}`;
    }
  }
}

// The runs in a folder: listed, read, followed; started, stopped and resumed.
//
// Contract: a run's folder is the truth; only processes are remembered. Starts happen one after the other, so that no
// two of them take the same free place.
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { ApiError, dataFrame, eventStream, streamHeaders, validate } from '../server/index.ts';
import type { RunKind } from '../train/index.ts';
import { readRunDetail } from './detail.ts';
import { type EventLines, followLines, parseEvent, readLines } from './event-lines.ts';
import { runKinds } from './kinds.ts';
import { Launcher } from './launcher.ts';
import {
  type EventPage,
  type KindList,
  type RecipeList,
  type RecipeSummary,
  type RunDetail,
  type RunList,
  type RunSummary,
  startRequest,
} from './protocol.ts';
import { readRecipes } from './recipes.ts';
import { findKind, findRun, listRuns, runFiles, toRunFolder } from './run-folder.ts';
import { toCommandLine } from './start-arguments.ts';
import { summarizeRun } from './summary.ts';

export interface RunsOptions {
  /** The folder of the runs. It need not exist yet. */
  readonly folder: string;
  /** The command with arguments that runs minke. */
  readonly program: readonly string[];
  /** The kinds of run that are shown and started. @default all */
  readonly kinds?: readonly RunKind[];
  /** The number of runs that may be live at the same time. @default 1 */
  readonly atOnce?: number;
  /** The folder with the data of runs that are started from a page. @default the working directory */
  readonly dataFolder?: string;
  /** The silence after which followers of a run get a comment. @default 10 seconds */
  readonly keepAliveMs?: number;
  /** The number of followed runs beyond which a request gets 429. @default 64 */
  readonly maxFollowers?: number;
}

const pageBytes = 4 * 1024 * 1024;
const stallMs = 30_000;

export class Runs {
  readonly #options: RunsOptions;
  readonly #root: string;
  readonly #kinds: readonly RunKind[];
  readonly #launcher: Launcher;
  readonly #closing = new AbortController();
  #followers = 0;
  #starting: Promise<unknown> = Promise.resolve();
  #recipes: Promise<readonly RecipeSummary[]> | undefined;

  constructor(options: RunsOptions) {
    this.#options = options;
    this.#root = resolve(options.folder);
    this.#kinds = options.kinds ?? runKinds;
    this.#launcher = new Launcher(options.program);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#launcher.close();
  }

  async list(): Promise<RunList> {
    const runs = await Promise.all(listRuns(this.#root).map((name) => this.#summary(name)));
    const live = runs.filter((run) => this.#launcher.isLive(toRunFolder(this.#root, run.name)));
    const age = ({ updated, started }: RunSummary) => updated ?? started ?? 0;
    return {
      folder: this.#root,
      atOnce: this.#atOnce,
      live: live.map(({ name }) => name),
      runs: runs.sort((a, b) => age(b) - age(a)),
    };
  }

  kinds(): KindList {
    const kinds = this.#kinds.map(({ name, title, about, arguments: given, mainFields, charts, headline }) => {
      return { name, title, about, arguments: given, mainFields, charts, headline };
    });
    return { kinds };
  }

  async recipes(): Promise<RecipeList> {
    const { runs } = await this.list();
    const hasCheckpoint = ({ name }: RunSummary) => existsSync(join(findRun(this.#root, name), 'checkpoints'));
    return { recipes: [...(await this.#readRecipes())], bases: runs.filter(hasCheckpoint).map(({ name }) => name) };
  }

  async detail(name: string): Promise<RunDetail> {
    const folder = findRun(this.#root, name);
    return readRunDetail(folder, await this.#summary(name), findKind(folder, this.#kinds));
  }

  async events(name: string, from: number): Promise<EventPage> {
    const folder = findRun(this.#root, name);
    const { lines, next, size } = await readLines(join(folder, runFiles.events), from, pageBytes);
    return { events: this.#parse(folder, name, lines), next, more: lines.length > 0 && next < size };
  }

  async follow(name: string, from: number, signal: AbortSignal): Promise<Response> {
    const folder = findRun(this.#root, name);
    await readLines(join(folder, runFiles.events), from, 1); // refuses an offset inside a line
    const { maxFollowers = 64, keepAliveMs = 10_000 } = this.#options;
    if (this.#followers >= maxFollowers)
      throw new ApiError(429, `${maxFollowers} runs are being followed: close a page, or ask again later`);
    this.#followers++;
    const leaving = new AbortController();
    const ending = AbortSignal.any([signal, this.#closing.signal, leaving.signal]);
    const frames = eventStream(this.#frames(folder, name, from, ending), {
      keepAliveMs,
      stallMs,
      onAbort: () => leaving.abort(),
      onEnd: () => {
        this.#followers--;
        leaving.abort();
      },
    });
    return new Response(frames, { headers: streamHeaders });
  }

  start(body: unknown): Promise<RunSummary> {
    const request = validate(startRequest, body);
    return this.#oneByOne(async () => {
      const recipe = await this.#findRecipe(request.recipe);
      const kind = this.#kinds.find(({ name }) => name === recipe.kind) as RunKind;
      const time = new Date().toISOString().slice(0, 19).replaceAll(/[:T]/g, '-');
      const name = request.name ?? `${recipe.name}-${time}`;
      const folder = toRunFolder(this.#root, name);
      if (existsSync(join(folder, runFiles.events)) || findKind(folder, this.#kinds) !== null)
        throw new ApiError(409, `there is a run ${name} already: resume it, or choose another name`, { param: 'name' });
      const data = resolve(this.#options.dataFolder ?? '.');
      const line = await toCommandLine(kind, recipe, request, { run: folder, runs: this.#root, data });
      await this.#expectFreePlace(name);
      await this.#launcher.start(folder, line);
      return this.#summary(name);
    });
  }

  stop(name: string): Promise<RunSummary> {
    this.#launcher.stop(findRun(this.#root, name), name);
    return this.#summary(name);
  }

  resume(name: string): Promise<RunSummary> {
    const folder = findRun(this.#root, name);
    return this.#oneByOne(async () => {
      const kind = findKind(folder, this.#kinds);
      if (kind === null) throw new ApiError(409, `${name} never began: start it again`);
      if (this.#launcher.isLive(folder)) throw new ApiError(409, `${name} is running already`);
      const { state } = await this.#summary(name);
      if (state === 'completed') throw new ApiError(409, `${name} is complete: there is nothing to resume`);
      await this.#expectFreePlace(name);
      await this.#launcher.start(folder, [kind.name, `--run=${folder}`, '--resume']);
      return this.#summary(name);
    });
  }

  get #atOnce(): number {
    return this.#options.atOnce ?? 1;
  }

  #readRecipes(): Promise<readonly RecipeSummary[]> {
    this.#recipes ??= readRecipes(this.#kinds);
    return this.#recipes;
  }

  async #findRecipe(name: string): Promise<RecipeSummary> {
    const recipes = await this.#readRecipes();
    const recipe = recipes.find((each) => each.name === name);
    if (recipe) return recipe;
    const known = recipes.map((each) => each.name).join(', ');
    throw new ApiError(404, `there is no recipe ${JSON.stringify(name)}: choose one of ${known}`, { param: 'recipe' });
  }

  #summary(name: string): Promise<RunSummary> {
    const folder = toRunFolder(this.#root, name);
    return summarizeRun(folder, name, this.#launcher.processState(folder), findKind(folder, this.#kinds));
  }

  #oneByOne<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#starting.then(work);
    this.#starting = done.catch(() => undefined);
    return done;
  }

  async #expectFreePlace(name: string): Promise<void> {
    const { live } = await this.list();
    if (live.length < this.#atOnce) return;
    throw new ApiError(
      409,
      `${live.join(', ')} ${live.length > 1 ? 'are' : 'is'} running, and ${this.#atOnce} may run at once: ` +
        `stop it before ${name} begins, or start the server with a larger --at-once`,
      { code: 'run_is_live' },
    );
  }

  /** Parses the events of a run; its kind is unknown before its recipe is resolved. */
  #parse(folder: string, name: string, lines: readonly string[]): object[] {
    const schema = (findKind(folder, this.#kinds) ?? this.#kinds[0])?.events;
    return schema ? lines.map((line) => parseEvent(line, schema, `${name}/${runFiles.events}`)) : [];
  }

  async *#frames(folder: string, name: string, from: number, signal: AbortSignal): AsyncGenerator<string> {
    const frame = ({ lines, next }: EventLines) =>
      `id: ${next}\n${dataFrame(JSON.stringify({ events: this.#parse(folder, name, lines), next }))}`;
    try {
      const isLive = () => this.#launcher.isLive(folder);
      const batches = followLines(join(folder, runFiles.events), from, { isLive, signal });
      for await (const batch of batches) yield frame(batch);
      if (!signal.aborted) yield `event: end\n${dataFrame(JSON.stringify({ run: await this.#summary(name) }))}`;
    } catch (error) {
      const message = error instanceof ApiError ? error.message : `${basename(folder)} can no longer be read`;
      yield `event: problem\n${dataFrame(JSON.stringify({ message }))}`;
    }
  }
}

// The runs in a folder: listed, read, followed; started, stopped and resumed.
//
// Contract: a run's folder is the truth; only processes are remembered. Starts happen one after the other, so that no
// two of them take the same free place.
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { ApiError, dataFrame, eventStream, streamHeaders, validate } from '../server/index.ts';
import { bundledFacts } from '../tasks/index.ts';
import {
  expectOwnFiles,
  hasCheckpoint,
  newRunName,
  type RunKind,
  type RunRecipe,
  readRunRecipe,
} from '../train/index.ts';
import { RunResults, readRunDetail, toRefusal } from './detail.ts';
import { type EventLines, followLines, parseEvent, readLines } from './event-lines.ts';
import { hidePaths } from './hide-paths.ts';
import { runKinds } from './kinds.ts';
import { Launcher } from './launcher.ts';
import { expectPermitted, noPermission, type Permission, permittingOptions } from './permission.ts';
import {
  type EventPage,
  type KindList,
  type RecipeList,
  type RunDetail,
  type RunList,
  type RunState,
  type RunSummary,
  startRequest,
} from './protocol.ts';
import { type KnownRecipe, readRecipes } from './recipes.ts';
import { expectNewRunFolder, findKind, findRun, inSlices, listRuns, runFiles, toRunFolder } from './run-folder.ts';
import { prepareStart } from './start-arguments.ts';
import { RunRecords, toSummary } from './summary.ts';

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
  /** Programs, teachers and folders that a run may use which is started or resumed here. @default none */
  readonly permission?: Permission;
  /** Models that a run may begin from besides those of other runs: their folders by name. @default none */
  readonly models?: Readonly<Record<string, string>>;
  /** The time after which a run that was asked to stop is ended where it is asked again. @default 30 seconds */
  readonly insistMs?: number;
  /** The silence after which followers of a run get a comment. @default 10 seconds */
  readonly keepAliveMs?: number;
  /** The number of followed runs beyond which a request gets 429. @default 64 */
  readonly maxFollowers?: number;
}

const pageBytes = 512 * 1024;
const stallMs = 30_000;
/** Runs whose files a list reads at once. */
const readersAtOnce = 4;
const liveStates: readonly RunState[] = ['preparing', 'running', 'stopping'];

export class Runs {
  readonly #options: RunsOptions;
  readonly #root: string;
  readonly #kinds: readonly RunKind[];
  readonly #launcher: Launcher;
  readonly #closing = new AbortController();
  readonly #records = new RunRecords();
  readonly #results = new RunResults();
  readonly #permission: Permission;
  readonly #models: Readonly<Record<string, string>>;
  #listing: Promise<RunList> | null = null;
  #followers = 0;
  #starting: Promise<unknown> = Promise.resolve();
  #recipes: Promise<readonly KnownRecipe[]> | undefined;

  constructor(options: RunsOptions) {
    this.#options = options;
    this.#root = resolve(options.folder);
    this.#kinds = options.kinds ?? runKinds;
    this.#launcher = new Launcher(options.program, this.#root, options.insistMs ?? 30_000);
    const { folders, ...rest } = options.permission ?? noPermission;
    this.#models = options.models ?? {};
    const readable = [this.#root, this.#dataFolder, ...Object.values(this.#models)];
    this.#permission = { ...rest, folders: folders && [...readable, ...folders] };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#launcher.close();
  }

  /** Requests that come while a list is being made share it. */
  list(): Promise<RunList> {
    this.#listing ??= this.#list().finally(() => {
      this.#listing = null;
    });
    return this.#listing;
  }

  async #list(): Promise<RunList> {
    const runs: RunSummary[] = [];
    const breathe = inSlices();
    const names = await listRuns(this.#root);
    const rest = names.values();
    const read = async () => {
      for (const name of rest) {
        await breathe();
        runs.push(await this.#summary(name));
      }
    };
    await Promise.all(Array.from({ length: readersAtOnce }, read));
    this.#records.keep(new Set(names.map((name) => toRunFolder(this.#root, name))));
    const age = ({ updated, started }: RunSummary) => updated ?? started ?? 0;
    return {
      folder: this.#root,
      atOnce: this.#atOnce,
      live: runs.filter(({ state }) => liveStates.includes(state)).map(({ name }) => name),
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
    const breathe = inSlices();
    const trained: string[] = [];
    for (const { name } of runs) {
      await breathe();
      if (hasCheckpoint(toRunFolder(this.#root, name))) trained.push(name);
    }
    return {
      recipes: (await this.#readRecipes()).map(({ summary }) => summary),
      bases: [...new Set([...Object.keys(this.#models), ...trained])],
      tasks: [...bundledFacts.keys(), ...this.#permission.tasks],
      teachers: this.#permission.teachers.map(({ address }) => address),
    };
  }

  async detail(name: string): Promise<RunDetail> {
    const folder = findRun(this.#root, name);
    return this.#readable(() => this.#detail(folder, name));
  }

  async events(name: string, from: number): Promise<EventPage> {
    const folder = findRun(this.#root, name);
    const path = join(folder, runFiles.events);
    const { lines, next, size } = await this.#readable(() => readLines(path, from, pageBytes));
    return { events: this.#parse(folder, name, lines), next, more: lines.length > 0 && next < size };
  }

  async follow(name: string, from: number, signal: AbortSignal): Promise<Response> {
    const folder = findRun(this.#root, name);
    // Refuses an offset inside a line, and a file that cannot be read.
    await this.#readable(() => readLines(join(folder, runFiles.events), from, 1));
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
      const { summary, fields } = await this.#findRecipe(request.recipe);
      const kind = this.#kinds.find(({ name }) => name === summary.kind) as RunKind;
      const name = request.name ?? newRunName(summary.name);
      const folder = toRunFolder(this.#root, name);
      expectNewRunFolder(this.#root, name);
      if (existsSync(join(folder, runFiles.events)) || findKind(folder, this.#kinds) !== null)
        throw new ApiError(409, `there is a run ${name} already: resume it, or choose another name`, { param: 'name' });
      const [runs, data, models, permission] = [this.#root, this.#dataFolder, this.#models, this.#permission];
      const context = { runs, data, models, permission };
      const { recipe, options } = await prepareStart(kind, fields, request, context);
      this.#expectPermitted(kind, recipe);
      await this.#expectFreePlace(name);
      const named = summary.name === kind.name ? [] : [summary.name];
      await this.#launcher.start(folder, [kind.name, ...named, `--run=${folder}`, ...options]);
      return this.#summary(name);
    });
  }

  async stop(name: string): Promise<RunSummary> {
    await this.#launcher.stop(findRun(this.#root, name), name);
    return this.#summary(name);
  }

  resume(name: string): Promise<RunSummary> {
    const folder = findRun(this.#root, name);
    return this.#oneByOne(async () => {
      const kind = findKind(folder, this.#kinds);
      if (kind === null) throw new ApiError(409, `${name} never began: start it again`);
      if (await this.#launcher.isLive(folder)) throw new ApiError(409, `${name} is running already`);
      const { state } = await this.#summary(name);
      if (state === 'completed') throw new ApiError(409, `${name} is complete: there is nothing to resume`);
      await this.#expectFreePlace(name);
      expectOwnFiles(folder);
      const recipe = readRunRecipe(kind, folder);
      this.#expectPermitted(kind, recipe);
      const permitting = permittingOptions(kind, recipe);
      await this.#launcher.start(folder, [kind.name, `--run=${folder}`, '--resume', ...permitting]);
      return this.#summary(name);
    });
  }

  get #atOnce(): number {
    return this.#options.atOnce ?? 1;
  }

  get #dataFolder(): string {
    return resolve(this.#options.dataFolder ?? '.');
  }

  #readRecipes(): Promise<readonly KnownRecipe[]> {
    this.#recipes ??= readRecipes(this.#kinds);
    return this.#recipes;
  }

  async #findRecipe(name: string): Promise<KnownRecipe> {
    const recipes = await this.#readRecipes();
    const recipe = recipes.find(({ summary }) => summary.name === name);
    if (recipe) return recipe;
    const known = recipes.map(({ summary }) => summary.name).join(', ');
    throw new ApiError(404, `there is no recipe ${JSON.stringify(name)}: choose one of ${known}`, { param: 'recipe' });
  }

  async #summary(name: string): Promise<RunSummary> {
    const folder = toRunFolder(this.#root, name);
    const kind = findKind(folder, this.#kinds);
    const record = await this.#records.read(folder, kind);
    const { problem, ...summary } = toSummary(name, kind, record, await this.#launcher.processState(folder));
    return { ...summary, problem: problem && hidePaths(problem, this.#root) };
  }

  async #detail(folder: string, name: string): Promise<RunDetail> {
    return readRunDetail(folder, await this.#summary(name), findKind(folder, this.#kinds), this.#results);
  }

  /** Throws ApiError 422 where a run would use what the owner of this machine did not permit. */
  #expectPermitted(kind: RunKind, recipe: RunRecipe): void {
    const flags = { task: '--allow-task', teacher: '--allow-teacher', folder: '--allow-folder' };
    expectPermitted(kind, recipe, this.#permission, flags);
  }

  /** Reports what is wrong with a run or its files, without paths of this machine. Throws ApiError. */
  async #readable<T>(read: () => Promise<T>, code?: string): Promise<T> {
    try {
      return await read();
    } catch (error) {
      throw toRefusal(error, runFiles.events, this.#root, code);
    }
  }

  #oneByOne<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#starting.then(() => this.#readable(work, 'run_refused'));
    this.#starting = done.catch(() => undefined);
    return done;
  }

  async #expectFreePlace(name: string): Promise<void> {
    const { live } = await this.#list(); // not one that began before the last start
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
      const known = toRefusal(error, runFiles.events, this.#root);
      const message = known instanceof ApiError ? known.message : `${basename(folder)} can no longer be read`;
      yield `event: problem\n${dataFrame(JSON.stringify({ message }))}`;
    }
  }
}

// The server without sockets: a function from Request to Response, and how it shuts down.
import type { Hono } from 'hono';
import type { TextModel } from '../engine/index.ts';
import type { Grading } from '../tasks/index.ts';
import { type AppFiles, readAppFiles } from './app-files.ts';
import type { ServerContext } from './context.ts';
import { toApiError } from './errors.ts';
import { errorResponse, errorShape } from './faces/error-shapes.ts';
import { ResponseStore } from './faces/response-store.ts';
import { Guard, type GuardOptions } from './guard.ts';
import { IgnoredFieldsPolicy } from './ignored-fields.ts';
import { LiveRequests } from './live.ts';
import { Metrics } from './metrics.ts';
import { type ProfileName, profiles } from './profiles.ts';
import type { TaskResults } from './protocol-tasks.ts';
import { RequestRecord } from './request-log.ts';
import { type Connection, createRoutes } from './routes.ts';

export interface AppOptions extends GuardOptions {
  /** Other names of a model: `{ 'deepseek-reasoner': 'my-model' }`. @default none */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Larger request bodies get status 413. @default 8 MiB */
  readonly maxBodyBytes?: number;
  /** Generation requests in progress at once; one more gets status 429. @default 256 */
  readonly maxLive?: number;
  /** A stream that is silent for this long gets a comment, which keeps the connection open. @default 10 seconds */
  readonly keepAliveMs?: number;
  /** A stream whose client reads nothing for this long is closed. @default 30 seconds */
  readonly stallMs?: number;
  /** Receives errors that are the server's fault. @default console.error */
  readonly onError?: (error: unknown) => void;
  /** Refuses requests with fields that nobody knows. @default false: such fields are listed in a response header */
  readonly strict?: boolean;
  /** The API that clients expect, where APIs differ. @default deepseek */
  readonly profile?: ProfileName;
  /** Receives a line for each request but those for /health and the app's files: what it was, what it cost. */
  readonly onRequest?: (line: string) => void;
  /** Receives a sentence the first time that a request has a field that nobody knows. @default console.warn */
  readonly onIgnored?: (message: string) => void;
  /** Folder of the built app, which is served at `/`. @default none: only the API is served */
  readonly appFolder?: string;
  /** What is known of each model's skill at the bundled tasks, by its name; see readTaskResults. @default nothing */
  readonly taskResults?: Readonly<Record<string, TaskResults>>;
  /** Opened tasks of the owner's own, which are offered first. The caller closes them. @default none */
  readonly tasks?: readonly Grading[];
  /** The version in /openapi.json. @default 0.0.0 */
  readonly version?: string;
  /** Further routes, with the same guard and error format; /health lists them. @default none */
  readonly routes?: readonly Hono[];
}

export interface App {
  fetch(request: Request, connection?: Connection): Promise<Response>;
  /** The number of generation requests in progress. */
  readonly live: number;
  /** Refuses new requests, waits at most `graceMs` for those in progress, then ends them with an error. */
  close(graceMs?: number): Promise<void>;
}

/** Time for clients to read that their answer was cut off, in milliseconds. */
const closingNoticeMs = 1000;

/**
 * Serves models; the first answers requests that name none. The list may be empty. The caller closes the models.
 */
export function createApp(models: TextModel | readonly TextModel[], options: AppOptions = {}): App {
  const { onError = console.error, onRequest = () => undefined } = options;
  const context: ServerContext = {
    models: [models].flat(),
    aliases: options.aliases ?? {},
    live: new LiveRequests(options.maxLive ?? 256),
    metrics: new Metrics(),
    maxBodyBytes: options.maxBodyBytes ?? 8 * 1024 * 1024,
    keepAliveMs: options.keepAliveMs ?? 10_000,
    stallMs: options.stallMs ?? 30_000,
    taskResults: options.taskResults ?? {},
    tasks: options.tasks ?? [],
    ignoredFields: new IgnoredFieldsPolicy(options.strict ?? false, options.onIgnored ?? console.warn),
    profile: profiles[options.profile ?? 'deepseek'],
    responses: new ResponseStore(),
    startedAt: Math.floor(Date.now() / 1000),
    onError,
  };
  const guard = new Guard(options);
  const files: AppFiles = options.appFolder === undefined ? new Map() : readAppFiles(options.appFolder);
  const app = createRoutes(context, files, options.version ?? '0.0.0', options.routes ?? []);
  const paths = new Set(app.routes.map(({ path }) => path));
  const toErrorResponse = (error: unknown, path: string, requestId: string): Response => {
    const problem = toApiError(error);
    if (problem.status === 500) onError(error);
    return errorResponse(errorShape(path), problem, requestId);
  };
  app.onError((error, c) => toErrorResponse(error, c.req.path, c.env.record.id));
  return {
    async fetch(request, connection = {}) {
      const path = new URL(request.url).pathname;
      const isQuiet = path === '/health' || files.has(path);
      const record = new RequestRecord(request, isQuiet ? () => undefined : onRequest);
      let response: Response;
      try {
        const preflight = guard.preflight(request);
        if (preflight === null) record.scope = guard.check(request, isQuiet);
        response = preflight ?? (await app.fetch(request, { ...connection, record }));
      } catch (error) {
        response = toErrorResponse(error, path, record.id);
      }
      if (request.method === 'HEAD') response = new Response(null, response);
      for (const [name, value] of Object.entries(guard.corsHeaders(request))) response.headers.set(name, value);
      response.headers.set('x-request-id', record.id);
      if (errorShape(path) === 'anthropic') response.headers.set('request-id', record.id);
      const label = files.has(path) ? '/' : path; // the names of the app's files contain hashes
      const route = paths.has(label) && label !== '*' ? label : 'other';
      context.metrics.countResponse(route, response.status);
      record.answered(route, response.status);
      return response;
    },
    get live() {
      return context.live.count;
    },
    close: (graceMs = 30_000) => context.live.close(graceMs, closingNoticeMs),
  };
}

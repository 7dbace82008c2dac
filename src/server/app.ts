// The server without sockets: a function from Request to Response, and how it shuts down.
import { Hono } from 'hono';
import type { z } from 'zod';
import type { TextModel } from '../engine/index.ts';
import type { Grading } from '../tasks/index.ts';
import { type AppFiles, readAppFiles } from './app-files.ts';
import { withBody } from './body.ts';
import { type BodySchema, bodySchemas } from './body-schemas.ts';
import { handleChat } from './chat.ts';
import { handleCompletion } from './completions.ts';
import type { Call, ServerContext } from './context.ts';
import { ApiError, toApiError, validate } from './errors.ts';
import { errorResponse, errorShape } from './faces/error-shapes.ts';
import { handleCountTokens, handleMessages } from './faces/messages.ts';
import { ResponseStore } from './faces/response-store.ts';
import { deleteResponse, handleResponses, showResponse } from './faces/responses.ts';
import { toAborted } from './generating.ts';
import { Guard, type GuardOptions } from './guard.ts';
import { IgnoredFields, IgnoredFieldsPolicy, ignoredHeader } from './ignored-fields.ts';
import { LiveRequests } from './live.ts';
import { Metrics } from './metrics.ts';
import { openApiDocument } from './openapi.ts';
import type { TaskResults } from './protocol-tasks.ts';
import { RequestRecord } from './request-log.ts';
import { drawProblem, gradeAnswer, listTasks } from './tasks.ts';
import { handleDetokenize, handleTokenize, tokenizerInfo } from './tokens.ts';

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

/** What the socket layer knows about a request. */
export interface Connection {
  /** Closes the connection at once. */
  readonly drop?: () => void;
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

type Bindings = { Bindings: Connection & { readonly record: RequestRecord } };

/** Validates a body, answers, and lists the ignored fields of the body in a header. */
async function answerBody<S extends z.ZodType>(
  context: ServerContext,
  schema: S,
  { url }: Request,
  body: unknown,
  answer: (given: z.output<S>, ignored: IgnoredFields) => Response | Promise<Response>,
): Promise<Response> {
  const given = validate(schema, body);
  const ignored = new IgnoredFields(context.ignoredFields, new URL(url).pathname);
  ignored.check(schema, body);
  const response = await answer(given, ignored);
  if (ignored.header !== null) response.headers.set(ignoredHeader, ignored.header);
  return response;
}

type Checked<S extends BodySchema> = z.output<(typeof bodySchemas)[S]>;

async function runGeneration<S extends BodySchema>(
  context: ServerContext,
  schema: S,
  route: (context: ServerContext, request: Checked<S>, call: Call) => Promise<Response>,
  request: Request,
  { drop, record }: Bindings['Bindings'],
): Promise<Response> {
  context.live.checkCapacity(); // before the body is read: a slow upload must not occupy a slot
  return withBody(request, context.maxBodyBytes, schema, async (body) => {
    const lease = context.live.acquire(request.signal);
    try {
      const response = await answerBody(context, bodySchemas[schema], request, body, (given, ignored) =>
        route(context, given as Checked<S>, { lease, drop, ignored, record }),
      );
      if (!record.isStreaming) lease.release();
      return response;
    } catch (error) {
      const reported = lease.signal.aborted ? toAborted(lease) : error;
      lease.abort('client');
      lease.release();
      throw reported;
    }
  });
}

function listModels({ models, aliases, startedAt }: ServerContext): object {
  const entry = (id: string, { contextLength }: TextModel) => ({
    id,
    object: 'model',
    created: startedAt,
    owned_by: 'minke',
    max_model_len: contextLength,
  });
  const others = Object.entries(aliases).flatMap(([alias, name]) =>
    models.filter((model) => model.name === name).map((model) => entry(alias, model)),
  );
  return { object: 'list', data: [...models.map((model) => entry(model.name, model)), ...others] };
}

/** Hono lists middleware as a route of all methods. */
const isOwnRoute = ({ method }: { readonly method: string }) => method !== 'ALL';

function routes(context: ServerContext, files: AppFiles, version: string, more: readonly Hono[]): Hono<Bindings> {
  const app = new Hono<Bindings>();
  for (const [path, file] of files) app.get(path, (c) => file.respond(c.req.raw));
  for (const prefix of ['', '/v1', '/beta']) {
    app.post(`${prefix}/chat/completions`, (c) => runGeneration(context, 'chat', handleChat, c.req.raw, c.env));
    app.post(`${prefix}/responses`, (c) => runGeneration(context, 'responses', handleResponses, c.req.raw, c.env));
    app.get(`${prefix}/responses/:id`, (c) => showResponse(context, c.env.record.scope, c.req.param('id')));
    app.delete(`${prefix}/responses/:id`, (c) => deleteResponse(context, c.env.record.scope, c.req.param('id')));
    app.post(`${prefix}/completions`, (c) => runGeneration(context, 'completion', handleCompletion, c.req.raw, c.env));
  }
  for (const prefix of ['', '/anthropic']) {
    const path = `${prefix}/v1/messages`;
    app.post(path, (c) => runGeneration(context, 'messages', handleMessages, c.req.raw, c.env));
    app.post(`${path}/count_tokens`, (c) => runGeneration(context, 'countTokens', handleCountTokens, c.req.raw, c.env));
  }
  const postBody = <S extends BodySchema>(
    path: string,
    schema: S,
    answer: (given: Checked<S>, signal: AbortSignal) => Response | Promise<Response>,
  ) =>
    app.post(path, ({ req: { raw } }) =>
      withBody(raw, context.maxBodyBytes, schema, (body) =>
        answerBody(context, bodySchemas[schema], raw, body, (given) => answer(given as Checked<S>, raw.signal)),
      ),
    );
  postBody('/tokenize', 'tokenize', (request, signal) => handleTokenize(context, request, signal));
  postBody('/detokenize', 'detokenize', (request) => handleDetokenize(context, request));
  app.get('/tokenizer_info', () => tokenizerInfo(context));
  app.get('/minke/tasks', (c) => listTasks(context, c.req.query('model') ?? null));
  postBody('/minke/tasks/problem', 'problem', (request) => drawProblem(context, request));
  postBody('/minke/tasks/grade', 'grade', (request) => gradeAnswer(context, request));
  for (const path of ['/models', '/v1/models']) app.get(path, () => Response.json(listModels(context)));
  const extra = new Set(more.flatMap((each) => each.routes.filter(isOwnRoute).map(({ path }) => path)));
  app.get('/health', () => Response.json({ status: 'ok', ...(extra.size > 0 && { routes: [...extra] }) }));
  let document: object | undefined;
  app.get('/openapi.json', () => {
    document ??= openApiDocument(version);
    return Response.json(document);
  });
  app.get('/metrics', () => {
    const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };
    return new Response(context.metrics.text(context.models, context.live.count), { headers });
  });
  for (const each of more) app.route('/', each);
  const methods = new Map<string, string>();
  for (const { path, method } of app.routes.filter(isOwnRoute))
    methods.set(path, methods.has(path) ? `${methods.get(path)}, ${method}` : method);
  app.all('*', (c) => {
    const method = methods.get(c.req.path);
    if (method === undefined)
      throw new ApiError(404, `${c.req.path.slice(0, 200)} does not exist: /openapi.json lists the routes`);
    throw new ApiError(405, `${c.req.path} takes ${method}, not ${c.req.method}`, { headers: { allow: method } });
  });
  return app;
}

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
    responses: new ResponseStore(),
    startedAt: Math.floor(Date.now() / 1000),
    onError,
  };
  const guard = new Guard(options);
  const files: AppFiles = options.appFolder === undefined ? new Map() : readAppFiles(options.appFolder);
  const app = routes(context, files, options.version ?? '0.0.0', options.routes ?? []);
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

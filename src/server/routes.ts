// The routes of the server: which function answers which path.
import { Hono } from 'hono';
import type { z } from 'zod';
import type { AppFiles } from './app-files.ts';
import { handleApplyTemplate } from './apply-template.ts';
import { withBody } from './body.ts';
import { type BodySchema, bodySchemas } from './body-schemas.ts';
import { handleChat } from './chat.ts';
import { handleCompletion } from './completions.ts';
import type { Call, ServerContext } from './context.ts';
import { ApiError, validate } from './errors.ts';
import { handleCountTokens, handleMessages } from './faces/messages.ts';
import { handleOllamaChat, handleOllamaGenerate, listOllamaModels, showOllamaModel } from './faces/ollama.ts';
import { deleteResponse, handleResponses, showResponse } from './faces/responses.ts';
import { toAborted } from './generating.ts';
import { IgnoredFields, ignoredHeader } from './ignored-fields.ts';
import { listModels, refuseEmbeddings, showModel } from './models.ts';
import { openApiDocument } from './openapi.ts';
import type { RequestRecord } from './request-log.ts';
import { drawProblem, gradeAnswer, listTasks } from './tasks.ts';
import { handleDetokenize, handleTokenize, tokenizerInfo } from './tokens.ts';

/** What the socket layer knows about a request. */
export interface Connection {
  /** Closes the connection at once. */
  readonly drop?: () => void;
}

/** A request as routes see it. */
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

export type Checked<S extends BodySchema> = z.output<(typeof bodySchemas)[S]>;

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

/** Hono lists middleware as a route of all methods. */
const isOwnRoute = ({ method }: { readonly method: string }) => method !== 'ALL';

type App = Hono<Bindings>;

/** Adds the routes that generate. */
function addGeneration(app: App, context: ServerContext): void {
  const add = <S extends BodySchema>(
    path: string,
    schema: S,
    route: (context: ServerContext, request: Checked<S>, call: Call) => Promise<Response>,
  ) => app.post(path, (c) => runGeneration(context, schema, route, c.req.raw, c.env));
  for (const prefix of ['', '/v1', '/beta']) {
    add(`${prefix}/chat/completions`, 'chat', handleChat);
    add(`${prefix}/completions`, 'completion', handleCompletion);
    add(`${prefix}/responses`, 'responses', handleResponses);
    app.get(`${prefix}/responses/:id`, (c) => showResponse(context, c.env.record.scope, c.req.param('id')));
    app.delete(`${prefix}/responses/:id`, (c) => deleteResponse(context, c.env.record.scope, c.req.param('id')));
  }
  for (const prefix of ['', '/anthropic']) {
    add(`${prefix}/v1/messages`, 'messages', handleMessages);
    add(`${prefix}/v1/messages/count_tokens`, 'countTokens', handleCountTokens);
  }
  add('/api/chat', 'ollamaChat', handleOllamaChat);
  add('/api/generate', 'ollamaGenerate', handleOllamaGenerate);
}

/** Adds the routes that answer at once. */
function addOthers(app: App, context: ServerContext, version: string): void {
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
  for (const prefix of ['', '/v1']) {
    app.get(`${prefix}/models`, () => listModels(context));
    app.get(`${prefix}/models/:id{.+}`, (c) => showModel(context, c.req.param('id')));
  }
  for (const path of ['/embeddings', '/v1/embeddings', '/api/embed', '/api/embeddings'])
    postBody(path, 'embeddings', (request) => refuseEmbeddings(context, request));
  for (const path of ['/api/tags', '/api/ps']) app.get(path, () => listOllamaModels(context));
  app.get('/api/version', () => Response.json({ version }));
  postBody('/api/show', 'ollamaShow', (request) => showOllamaModel(context, request));
  postBody('/tokenize', 'tokenize', (request, signal) => handleTokenize(context, request, signal));
  postBody('/detokenize', 'detokenize', (request) => handleDetokenize(context, request));
  postBody('/apply-template', 'applyTemplate', (request, signal) => handleApplyTemplate(context, request, signal));
  app.get('/tokenizer_info', () => tokenizerInfo(context));
  app.get('/minke/tasks', (c) => listTasks(context, c.req.query('model') ?? null));
  postBody('/minke/tasks/problem', 'problem', (request) => drawProblem(context, request));
  postBody('/minke/tasks/grade', 'grade', (request) => gradeAnswer(context, request));
}

/** Answers what no route takes: 405 with the methods of a known path, else 404. */
function addRefusals(app: App): void {
  const methods = new Map<string, string>();
  for (const { path, method } of app.routes.filter(isOwnRoute))
    methods.set(path, methods.has(path) ? `${methods.get(path)}, ${method}` : method);
  app.all('*', (c) => {
    const method = methods.get(c.req.path);
    if (method === undefined)
      throw new ApiError(404, `${c.req.path.slice(0, 200)} does not exist: /openapi.json lists the routes`);
    throw new ApiError(405, `${c.req.path} takes ${method}, not ${c.req.method}`, { headers: { allow: method } });
  });
}

/** `more`: routes of other modules, which /health lists. */
export function createRoutes(context: ServerContext, files: AppFiles, version: string, more: readonly Hono[]): App {
  const app: App = new Hono();
  for (const [path, file] of files) app.get(path, (c) => file.respond(c.req.raw));
  addGeneration(app, context);
  addOthers(app, context, version);
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
  addRefusals(app);
  return app;
}

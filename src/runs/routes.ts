// Training runs over HTTP, behind the server's guard.
//
// Contract: requests that change something are accepted from this server's own pages and from programs that are not
// browsers. The server's guard lets other pages ask a model where that was allowed; training here is not theirs. A form
// of a foreign page is refused by its Origin, and again by the Sec-Fetch-Site header that browsers send. What such a
// page makes a browser load has no Origin, so reading is refused by Sec-Fetch-Site alone.
import { Hono } from 'hono';
import { z } from 'zod';
import { ApiError, readBody, validate } from '../server/index.ts';
import { Runs, type RunsOptions } from './runs.ts';

export interface RunsService {
  readonly routes: Hono;
  /** Ends the streams; asks the runs that were started here to save and stop, and waits for them. */
  close(): Promise<void>;
}

const bodyBytes = 256 * 1024;

const offset = z.coerce.number().int().nonnegative();

/** Throws ApiError 403 or 422. */
function expectOwnPage({ headers, url }: Request): void {
  const origin = headers.get('origin');
  const host = headers.get('host') ?? new URL(url).host;
  const isForeign = origin !== null && !(URL.canParse(origin) && new URL(origin).host === host.toLowerCase());
  const site = headers.get('sec-fetch-site');
  if (isForeign || (site !== null && site !== 'same-origin'))
    throw new ApiError(403, 'only pages of this server may start, stop or resume a run: open its own', {
      code: 'foreign_origin',
    });
  if (!/^application\/json\b/i.test(headers.get('content-type') ?? ''))
    throw new ApiError(422, 'send the header "Content-Type: application/json"');
}

/** Throws ApiError 403 for what another site makes a browser load unasked, such as an image; it has no Origin. */
function expectReader({ headers }: Request): void {
  const site = headers.get('sec-fetch-site') ?? 'none';
  if (headers.has('origin') || site === 'same-origin' || site === 'none') return;
  throw new ApiError(403, 'pages of other sites may not load runs: open this server itself', {
    code: 'foreign_origin',
  });
}

/** Returns the routes of the runs in a folder, for the server's `routes`. */
export function serveRuns(options: RunsOptions): RunsService {
  const runs = new Runs(options);
  const routes = new Hono();
  routes.use('/runs/*', async (c, next) => {
    if (c.req.method === 'POST') expectOwnPage(c.req.raw);
    else expectReader(c.req.raw);
    await next();
  });
  routes.get('/runs', async () => Response.json(await runs.list()));
  routes.post('/runs', async (c) =>
    Response.json({ run: await runs.start(await readBody(c.req.raw, bodyBytes)) }, { status: 201 }),
  );
  routes.get('/runs/kinds', () => Response.json(runs.kinds()));
  routes.get('/runs/recipes', async () => Response.json(await runs.recipes()));
  routes.get('/runs/:run', async (c) => Response.json(await runs.detail(c.req.param('run'))));
  routes.get('/runs/:run/events', async (c) =>
    Response.json(await runs.events(c.req.param('run'), validate(offset, c.req.query('from') ?? 0))),
  );
  routes.get('/runs/:run/live', (c) => {
    const from = c.req.header('last-event-id') ?? c.req.query('from') ?? 0;
    return runs.follow(c.req.param('run'), validate(offset, from), c.req.raw.signal);
  });
  routes.post('/runs/:run/stop', async (c) => Response.json({ run: await runs.stop(c.req.param('run')) }));
  routes.post('/runs/:run/resume', async (c) => Response.json({ run: await runs.resume(c.req.param('run')) }));
  return { routes, close: () => runs.close() };
}

// Training runs over HTTP, behind the server's guard.
//
// Contract: what changes something answers this server's own pages and programs without an Origin alone, also where
// other pages may read.
import { Hono } from 'hono';
import { z } from 'zod';
import { readBody, validate } from '../server/index.ts';
import { expectOwnPage } from './own-page.ts';
import { Runs, type RunsOptions } from './runs.ts';

export interface RunsService {
  readonly routes: Hono;
  /** Ends what follows; asks the runs that were started here to save and stop, and waits until they have. */
  close(): Promise<void>;
}

const bodyBytes = 256 * 1024;

const offset = z.coerce.number().int().nonnegative();

/** The routes of the runs of a folder, for the server's `routes`. */
export function serveRuns(options: RunsOptions): RunsService {
  const runs = new Runs(options);
  const routes = new Hono();
  routes.use('/runs/*', async (c, next) => {
    if (c.req.method === 'POST') expectOwnPage(c.req.raw);
    await next();
  });
  routes.get('/runs', async () => Response.json(await runs.list()));
  routes.post('/runs', async (c) =>
    Response.json({ run: await runs.start(await readBody(c.req.raw, bodyBytes)) }, { status: 201 }),
  );
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

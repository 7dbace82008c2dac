// The process that the soak attacks: one good model, others with hostile tokenizers and templates, and run folders that
// lie. It reports how long its event loop stood, and what it holds.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel, type ServedModel } from '../src/engine/index.ts';
import { openDevice } from '../src/kernels/index.ts';
import { packageRoot } from '../src/kernels/root.ts';
import { serveRuns } from '../src/runs/index.ts';
import { listen } from '../src/server/index.ts';

export interface SoakStart {
  readonly url: string;
}

/** What the process holds. */
export interface SoakReport {
  readonly rssBytes: number;
  /** Open files, sockets and pipes; 0 where the system does not list them. */
  readonly handles: number;
  /** Requests that the engines and the server still know. */
  readonly live: number;
  /** The longest time, in milliseconds of its own work, for which the event loop stood; 0 where it is not known. */
  readonly busiestMs: number;
  readonly errors: readonly string[];
}

/** Milliseconds that the main thread has run on a processor, which another process's load does not change. */
function mainThreadMs(): number {
  if (process.platform !== 'linux') return 0;
  const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ');
  return Number(nanoseconds) / 1e6;
}

const countHandles = () => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);

async function main(folder: string, hostile: readonly string[]): Promise<void> {
  const device = openDevice();
  const open = (name: string, tokenizer?: string): Promise<ServedModel> =>
    openModel(join(packageRoot(), 'models/minke'), {
      name,
      device,
      cacheBytes: 2 ** 24,
      ...(tokenizer !== undefined && { tokenizer }),
    });
  const models = [await open('good')];
  for (const name of hostile) models.push(await open(name, join(folder, name)));
  const errors: string[] = [];
  const runs = serveRuns({ folder: join(folder, 'runs'), program: [process.execPath, '-e', '0'] });
  const server = await listen(models, {
    port: 0,
    stallMs: 2000,
    onError: (error) => errors.push(String(error)),
    onIgnored: () => {},
    routes: [runs.routes],
  });
  let [busiestMs, last] = [0, mainThreadMs()];
  const watch = setInterval(() => {
    const now = mainThreadMs();
    busiestMs = Math.max(busiestMs, now - last);
    last = now;
  }, 2);
  const report = (): SoakReport => {
    globalThis.gc?.();
    const live = models.reduce((sum, { stats }) => sum + stats.running + stats.waiting, server.app.live);
    const found = { rssBytes: process.memoryUsage.rss(), handles: countHandles(), live, busiestMs, errors };
    [busiestMs, last] = [0, mainThreadMs()];
    return found;
  };
  process.on('message', async (message) => {
    if (message === 'report') {
      process.send?.(report());
      return;
    }
    clearInterval(watch);
    await server.close(1000);
    await runs.close();
    for (const model of models) await model.close();
    await device.close();
    process.disconnect();
  });
  process.send?.({ url: server.url } satisfies SoakStart);
}

const [folder, ...hostile] = process.argv.slice(2) as [string, ...string[]];
await main(folder, hostile);

// minke watch: the train page without a model: training runs of a folder, seen, started, stopped and resumed.
import { fileURLToPath } from 'node:url';
import { type RunsService, serveRuns } from '../runs/index.ts';
import { listen } from '../server/index.ts';
import { positiveOf } from './engine-flags.ts';
import { closeOnSignals, type ServerFlags, serverOptions } from './server-flags.ts';

export interface RunsFlags {
  readonly atOnce: string;
}

/** The runs of a folder; those that are started are run by this very program. */
export function runsService(folder: string, { atOnce }: RunsFlags): RunsService {
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  return serveRuns({ folder, program: [process.execPath, main], atOnce: positiveOf(atOnce, '--at-once') });
}

export async function watchCommand(folder: string, flags: ServerFlags & RunsFlags): Promise<void> {
  const options = serverOptions(flags);
  const runs = runsService(folder, flags);
  const server = await listen([], { ...options, routes: [runs.routes] });
  console.log(`runs of ${folder} are at ${server.url}/${flags.app ? '#/train' : 'runs'}`);
  closeOnSignals(() => Promise.all([server.close(), runs.close()]));
}

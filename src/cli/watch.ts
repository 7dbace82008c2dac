// minke watch: the train page without a model. It shows, starts, stops and resumes the training runs of a folder.
import { fileURLToPath } from 'node:url';
import { type RunsService, serveRuns } from '../runs/index.ts';
import { listen } from '../server/index.ts';
import { closeOnSignals, type ServerFlags, serverOptions } from './server-flags.ts';

export interface RunsFlags {
  readonly atOnce: number;
}

/** Opens the runs of a folder. New runs are processes of this program. */
export function runsService(folder: string, { atOnce }: RunsFlags): RunsService {
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  return serveRuns({ folder, program: [process.execPath, main], atOnce });
}

export async function watchCommand(folder: string, flags: ServerFlags & RunsFlags): Promise<void> {
  const options = serverOptions(flags);
  const runs = runsService(folder, flags);
  const server = await listen([], { ...options, routes: [runs.routes] });
  console.log(`runs of ${folder}: ${server.url}/${flags.app ? '#/train' : 'runs'}`);
  closeOnSignals(() => Promise.all([server.close(), runs.close()]));
}

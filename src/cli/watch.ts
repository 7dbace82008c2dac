// minke watch: the train page without a model. It shows, starts, stops and resumes the training runs of a folder.
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MinkeError } from '../kernels/index.ts';
import { parseTeacher, type RunsService, serveRuns } from '../runs/index.ts';
import { listen } from '../server/index.ts';
import type { RunsFlags } from './runs-flags.ts';
import { closeOnSignals, requirePort, type ServerFlags, serverOptions } from './server-flags.ts';

/**
 * Opens the runs of a folder. New runs are processes of this program, and may begin from `models`, folders by name.
 * Throws MinkeError.
 */
export function runsService(
  folder: string,
  flags: RunsFlags,
  models: Readonly<Record<string, string>> = {},
): RunsService {
  if (statSync(folder, { throwIfNoEntry: false })?.isFile())
    throw new MinkeError(folder, 'is not a folder', 'name the folder of the runs');
  const { atOnce, allowTask = [], allowTeacher = [], allowFolder = [] } = flags;
  for (const [flag, paths] of [
    ['--allow-task', allowTask],
    ['--allow-folder', allowFolder],
  ] as const)
    for (const path of paths)
      if (!existsSync(path)) throw new MinkeError(flag, `there is no ${path}`, 'check the path');
  const teachers = allowTeacher.map(parseTeacher);
  for (const { address } of teachers)
    if (!/^https?:\/\//.test(address) || !URL.canParse(address))
      throw new MinkeError('--allow-teacher', `${address} is not an address`, 'write it as in https://example.org/v1');
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  const permission = { tasks: allowTask, teachers, folders: allowFolder };
  return serveRuns({ folder, program: [process.execPath, main], atOnce, permission, models });
}

export async function watchCommand(folder: string, flags: ServerFlags & RunsFlags): Promise<void> {
  const options = serverOptions(flags);
  await requirePort(flags);
  const runs = runsService(folder, flags);
  const server = await listen([], { ...options, routes: [runs.routes] });
  console.log(`runs of ${folder}: ${server.url}/${flags.app ? '#/train' : 'runs'}`);
  closeOnSignals(() => Promise.all([server.close(), runs.close()]));
}

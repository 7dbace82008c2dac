// minke serve: a model behind an API like those of DeepSeek and OpenAI, and the web app.
//
// Ctrl-C lets running requests finish; a second one exits.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { listen, type ProfileName, readTaskResults } from '../server/index.ts';
import { bundledFacts, type Grading, isTaskFile, openTask } from '../tasks/index.ts';
import type { EngineFlags } from './engine-flags.ts';
import { UsageError } from './exit-codes.ts';
import { findTrainedModel } from './find-trained-model.ts';
import { loadModel } from './load-model.ts';
import type { RunsFlags } from './runs-flags.ts';
import { closeOnSignals, requirePort, type ServerFlags, serverOptions } from './server-flags.ts';
import { runsService } from './watch.ts';

export interface ServeFlags extends EngineFlags, ServerFlags, RunsFlags {
  readonly name?: string;
  /** Other names of the model. */
  readonly alias?: readonly string[];
  readonly parallel: number;
  readonly strict?: boolean;
  readonly profile: ProfileName;
  /** Files of the user's tasks. */
  readonly task?: readonly string[];
  readonly runs: string | false;
}

/** Whether a run can begin from a model: its weights are in a folder, and not packed for serving. */
const isTrainable = (path: string) =>
  ['model.safetensors', 'model.safetensors.index.json'].some((file) => existsSync(join(path, file)));

/** Opens tasks that the app offers beside the bundled ones. Throws MinkeError, TaskError. */
async function openServedTasks(files: readonly string[]): Promise<Grading[]> {
  const tasks: Grading[] = [];
  for (const file of files) {
    const task = await openTask(file);
    tasks.push(task);
    if (
      !isTaskFile(file) ||
      bundledFacts.has(task.name) ||
      tasks.some((each) => each !== task && each.name === task.name)
    )
      throw new UsageError(
        '--task',
        `${file} is the task ${task.name}, which is served already`,
        'name files of your own, each task with its own name',
      );
  }
  return tasks;
}

export async function serveCommand(target: string, flags: ServeFlags): Promise<void> {
  const options = serverOptions(flags);
  await requirePort(flags);
  const tasks = await openServedTasks(flags.task ?? []);
  const found = await findTrainedModel(target, flags);
  const { path } = found;
  const model = await loadModel(found, flags, {
    ...(flags.name !== undefined && { name: flags.name }),
    maxSequences: flags.parallel,
  });
  const bases = isTrainable(path) ? { [model.name]: resolve(path) } : {};
  const runs = flags.runs === false ? null : runsService(flags.runs, flags, bases);
  const results = readTaskResults(path);
  const server = await listen(model, {
    ...options,
    profile: flags.profile,
    ...(flags.strict && { strict: true }),
    ...(flags.alias && { aliases: Object.fromEntries(flags.alias.map((alias) => [alias, model.name])) }),
    ...(runs && { routes: [runs.routes] }),
    ...(tasks.length > 0 && { tasks }),
    ...(results && { taskResults: { [model.name]: results } }),
  });
  if (flags.app) console.log(`web app: ${server.url}`);
  console.log(
    `API: ${server.url}/v1 (model ${model.name}, context ${model.contextLength} tokens, ${model.fingerprint})`,
  );
  closeOnSignals(async () => {
    await Promise.all([server.close(), runs?.close()]);
    await model.close();
    await Promise.all(tasks.map((task) => task.close()));
  });
}

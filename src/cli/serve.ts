// minke serve: a model behind an API like those of DeepSeek and OpenAI, and the web app.
//
// Ctrl-C lets running requests finish; a second one exits.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { listen, readTaskResults } from '../server/index.ts';
import type { EngineFlags } from './engine-flags.ts';
import { findModel } from './find-model.ts';
import { loadModel } from './load-model.ts';
import type { RunsFlags } from './runs-flags.ts';
import { closeOnSignals, requirePort, type ServerFlags, serverOptions } from './server-flags.ts';
import { runsService } from './watch.ts';

export interface ServeFlags extends EngineFlags, ServerFlags, RunsFlags {
  readonly name?: string;
  readonly parallel: number;
  readonly strict?: boolean;
  readonly runs: string | false;
}

/** Whether a run can begin from a model: its weights are in a folder, and not packed for serving. */
const isTrainable = (path: string) =>
  ['model.safetensors', 'model.safetensors.index.json'].some((file) => existsSync(join(path, file)));

export async function serveCommand(target: string, flags: ServeFlags): Promise<void> {
  const options = serverOptions(flags);
  await requirePort(flags);
  const found = await findModel(target, flags);
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
    ...(flags.strict && { strict: true }),
    ...(runs && { routes: [runs.routes] }),
    ...(results && { taskResults: { [model.name]: results } }),
  });
  if (flags.app) console.log(`web app: ${server.url}`);
  console.log(
    `API: ${server.url}/v1 (model ${model.name}, context ${model.contextLength} tokens, ${model.fingerprint})`,
  );
  closeOnSignals(async () => {
    await Promise.all([server.close(), runs?.close()]);
    await model.close();
  });
}

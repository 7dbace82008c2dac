// minke serve: a model behind DeepSeek's and OpenAI's API, and the app. Ctrl-C finishes what runs, a second one cuts it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '../engine/index.ts';
import { packageRoot, packageVersion } from '../kernels/index.ts';
import { listen } from '../server/index.ts';
import { type EngineFlags, engineOptions, FlagError, positiveOf } from './engine-flags.ts';
import { Progress } from './progress.ts';

export interface ServeFlags extends EngineFlags {
  readonly host: string;
  readonly port: string;
  readonly name?: string;
  readonly key?: readonly string[];
  readonly origin?: readonly string[];
  readonly parallel: string;
  readonly app: boolean;
}

const loopback: readonly string[] = ['127.0.0.1', '::1', 'localhost'];

/** Where the built app lies. Throws FlagError where it was not built. */
function appFolder(): string {
  const folder = join(packageRoot(), 'dist', 'web');
  if (existsSync(join(folder, 'index.html'))) return folder;
  throw new FlagError('--no-app', `the app is not built (${folder})`, 'npm run build, or serve the API alone');
}

export async function serveCommand(path: string, flags: ServeFlags): Promise<void> {
  if (!loopback.includes(flags.host) && !flags.key)
    throw new FlagError('--host', `${flags.host} can be reached by others, and no key is asked for`, 'give a --key');
  const folder = flags.app ? appFolder() : undefined;
  const progress = new Progress(`loading ${path}`, 1);
  const model = await openModel(path, {
    ...engineOptions(flags),
    ...(flags.name !== undefined && { name: flags.name }),
    maxSequences: positiveOf(flags.parallel, '--parallel'),
    progress: (done, total) => progress.reach(done / total),
    notice: (text) => console.error(text),
  });
  progress.end();
  const server = await listen(model, {
    ...{ host: flags.host, port: Number(flags.port), version: packageVersion() },
    ...(flags.key && { keys: flags.key }),
    ...(flags.origin && { origins: flags.origin }),
    ...(folder !== undefined && { appFolder: folder }),
  });
  if (folder !== undefined) console.log(`the app is at ${server.url}`);
  console.log(`${model.name} at ${server.url}/v1, context ${model.contextLength} tokens, ${model.fingerprint}`);
  let isClosing = false;
  const stop = () => {
    if (isClosing) process.exit(130);
    isClosing = true;
    console.log('finishing what runs; once more to cut it');
    void server.close().then(() => model.close());
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

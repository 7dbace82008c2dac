// What the commands that listen have in common: where, for whom, and how they end.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { packageRoot, packageVersion } from '../kernels/index.ts';
import type { ServerOptions } from '../server/index.ts';
import { FlagError } from './engine-flags.ts';

export interface ServerFlags {
  readonly host: string;
  readonly port: string;
  readonly key?: readonly string[];
  readonly origin?: readonly string[];
  readonly app: boolean;
}

/** Adds the flags to a command. */
export function withServerFlags(command: Command): Command {
  return command
    .option('--host <address>', 'where to listen', '127.0.0.1')
    .option('--port <n>', '0 for any free one', '8000')
    .option('--key <keys...>', 'bearer keys, one of which a client must bring')
    .option('--origin <origins...>', 'web pages that may ask, as https://example.org')
    .option('--no-app', 'the API alone');
}

const loopback: readonly string[] = ['127.0.0.1', '::1', 'localhost'];

/** Where the built app lies. Throws FlagError where it was not built. */
function appFolder(): string {
  const folder = join(packageRoot(), 'dist', 'web');
  if (existsSync(join(folder, 'index.html'))) return folder;
  throw new FlagError('--no-app', `the app is not built (${folder})`, 'npm run build, or serve the API alone');
}

/** Throws FlagError where others could reach it and no key is asked for. */
export function serverOptions({ host, port, key, origin, app }: ServerFlags): ServerOptions {
  if (!loopback.includes(host) && !key)
    throw new FlagError('--host', `${host} can be reached by others, and no key is asked for`, 'give a --key');
  return {
    host,
    port: Number(port),
    version: packageVersion(),
    ...(app && { appFolder: appFolder() }),
    ...(key && { keys: key }),
    ...(origin && { origins: origin }),
  };
}

/** Closes at the first Ctrl-C, leaves at the second. */
export function closeOnSignals(close: () => Promise<unknown>): void {
  let isClosing = false;
  const stop = () => {
    if (isClosing) process.exit(130);
    isClosing = true;
    console.log('finishing what runs; once more to cut it');
    void close();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

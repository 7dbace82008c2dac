// Flags of the commands that listen on a port, and how these commands stop.
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { MinkeError } from '../kernels/errors.ts';
import { packageRoot, packageVersion } from '../kernels/root.ts';
import type { ServerOptions } from '../server/index.ts';
import { parseInteger } from './engine-flags.ts';
import { UsageError } from './exit-codes.ts';

export interface ServerFlags {
  readonly host: string;
  readonly port: number;
  readonly key?: readonly string[];
  readonly keyFile?: string;
  readonly hostName?: readonly string[];
  readonly log: boolean;
  readonly origin?: readonly string[];
  readonly app: boolean;
}

const maxPort = 65535;
/** Keys in the environment are in no list of processes and in no shell history. */
const keyVariable = 'MINKE_API_KEYS';

function parsePort(text: string): number {
  const port = parseInteger(text);
  if (port >= 0 && port <= maxPort) return port;
  throw new InvalidArgumentError(`Expected a port from 0 to ${maxPort}.`);
}

/** Adds the flags to a command. */
export function withServerFlags(command: Command): Command {
  return command
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0 picks a free one', parsePort, 8000)
    .option('--host-name <names...>', 'names by which clients reach the server, such as llm.example behind a proxy')
    .option('--key <keys...>', 'API keys; clients must send one of them as bearer token or x-api-key')
    .option('--key-file <file>', `a file with a key on each line (${keyVariable} has keys too, with commas between)`)
    .option('--origin <origins...>', 'web origins that may call the API, such as https://example.org')
    .option('--no-log', 'do not print a line for each request: time, route, status, tokens, id')
    .option('--no-app', 'serve the API without the web app');
}

const loopback: readonly string[] = ['127.0.0.1', '::1', 'localhost'];

/** Returns the folder of the built app. Throws MinkeError where it was not built. */
function appFolder(): string {
  const folder = join(packageRoot(), 'dist', 'web');
  if (existsSync(join(folder, 'index.html'))) return folder;
  throw new MinkeError('--no-app', `the app is not built (${folder})`, 'run npm run build, or add --no-app');
}

const nonEmpty = (texts: readonly string[]) => texts.map((text) => text.trim()).filter((text) => text !== '');

/** Returns the keys of the flag, of the file, and of the environment. Throws MinkeError for a file without keys. */
function readKeys({ key = [], keyFile }: Pick<ServerFlags, 'key' | 'keyFile'>): readonly string[] {
  const inEnvironment = nonEmpty((process.env[keyVariable] ?? '').split(/[,\n]/));
  if (keyFile === undefined) return [...key, ...inEnvironment];
  let inFile: readonly string[];
  try {
    inFile = nonEmpty(readFileSync(keyFile, 'utf8').split('\n'));
  } catch (error) {
    throw new UsageError('--key-file', `${keyFile} cannot be read: ${(error as Error).message}`, 'name a text file');
  }
  if (inFile.length === 0) throw new UsageError('--key-file', `${keyFile} has no key`, 'write one on each line');
  return [...key, ...inFile, ...inEnvironment];
}

/** Throws MinkeError where other machines could reach the server and no key is set. */
export function serverOptions(flags: ServerFlags): ServerOptions {
  const { host, port, hostName, origin, log, app } = flags;
  const keys = readKeys(flags);
  if (!loopback.includes(host) && keys.length === 0)
    throw new UsageError('--host', `other machines can reach ${host}, and no key is set`, 'add --key or --key-file');
  return {
    host,
    port,
    version: packageVersion(),
    ...(app && { appFolder: appFolder() }),
    ...(keys.length > 0 && { keys }),
    ...(hostName && { hosts: hostName }),
    ...(log && { onRequest: (line: string) => console.log(line) }),
    ...(origin && { origins: origin }),
  };
}

/** Listens on a port for a moment. Rejects with the error of the system. */
function tryPort(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(port, host, () => server.close(() => resolve()));
  });
}

/** Returns the first free port after one, or 0, which lets the system choose. */
async function findFreePort(host: string, after: number): Promise<number> {
  for (let port = after + 1; port <= Math.min(maxPort, after + 100); port++)
    if (
      await tryPort(host, port).then(
        () => true,
        () => false,
      )
    )
      return port;
  return 0;
}

/** Throws MinkeError where the port is taken, before anything that takes time; it names the next free one. */
export async function requirePort({ host, port }: ServerFlags): Promise<void> {
  try {
    await tryPort(host, port);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    const free = await findFreePort(host, port);
    throw new MinkeError('--port', `${port} is taken by another program`, `add --port ${free}, which is free`);
  }
}

/** Closes gracefully at the first Ctrl-C and exits at the second. */
export function closeOnSignals(close: () => Promise<unknown>): void {
  let isClosing = false;
  const stop = () => {
    if (isClosing) process.exit(130);
    isClosing = true;
    console.log('finishing running requests; press Ctrl-C again to exit now');
    void close();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

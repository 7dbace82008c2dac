// A lock between processes on a folder of the cache: a local socket whose name follows from the folder, which the
// system frees when its process ends, however it ends.
//
// It saves a second download; the cache stays whole without it (another machine, another container), because processes
// that download one file write the same bytes to the same places.
import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 200;

function socketPath(folder: string): string {
  const name = `minke-hub-${createHash('sha256').update(realpathSync(folder)).digest('hex').slice(0, 32)}`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\${name}`;
  return process.platform === 'linux' ? `\0${name}` : join(tmpdir(), `${name}.sock`);
}

/** Listens on a name; null where another process does. */
function tryListen(path: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy()).unref();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(null) : reject(error),
    );
    server.listen({ path, exclusive: true }, () => resolve(server));
  });
}

/** Removes the file of a socket whose process is gone, which only macOS leaves. */
function removeVoid(path: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const end = (isVoid: boolean) => {
      socket.destroy();
      if (isVoid) rmSync(path, { force: true });
      resolve();
    };
    socket
      .on('connect', () => end(false))
      .on('error', ({ code }: NodeJS.ErrnoException) => end(code === 'ECONNREFUSED'));
  });
}

/** Does `work` while no other process holds the lock of a folder, which is made. `waiting` is called if it waits. */
export async function withFolderLock<T>(
  folder: string,
  { waiting, signal }: { readonly waiting: () => void; readonly signal?: AbortSignal | undefined },
  work: () => Promise<T>,
): Promise<T> {
  mkdirSync(folder, { recursive: true });
  const path = socketPath(folder);
  let server = await tryListen(path);
  if (server === null) waiting();
  while (server === null) {
    await sleep(pollMs, undefined, signal ? { signal } : {});
    if (process.platform === 'darwin') await removeVoid(path);
    server = await tryListen(path);
  }
  try {
    return await work();
  } finally {
    server.close();
  }
}

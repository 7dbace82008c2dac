// The local socket of a process that claims a run's folder: it shows that the process lives, and takes its requests.
//
// Contract: the socket has a random name, the token, and the system closes it when the process ends, however it ends.
// So a token that answered once and is refused now never answers again, and no other process can have it, whatever
// number it got. `who` is answered to anyone; `stop` only to those who know the key. On Linux names are abstract: they
// leave no file, and are seen from the same network namespace. On macOS they are files in /tmp, which POSIX names, and
// which is the same for all processes whatever TMPDIR says.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the owner of a socket says about itself. */
export interface Claimant {
  readonly pid: number;
  /** The folders that it means: their path and the number of their file system entry. */
  readonly folder: string;
  readonly entry: string;
  /** Whether it holds the lock; otherwise it is about to decide. */
  readonly holds: boolean;
  /** Whether it was asked to stop. */
  readonly isStopping: boolean;
}

/** gone: nobody listens. silent: a process listens, but did not answer in time. */
export type Reply = Claimant | 'gone' | 'silent';

const answerMs = 2000;
const retryMs = 5;
const maxBytes = 16 * 1024;

function socketPath(token: string): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\minke-${token}`;
  return process.platform === 'linux' ? `\0minke-${token}` : `/tmp/minke-${token}.sock`;
}

/** Calls `receive` with the first line that arrives, null where there is none of at most 16 KiB. */
function onLine(socket: Socket, receive: (line: string | null) => void): void {
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (part: string) => {
    text += part;
    const end = text.indexOf('\n');
    if (end < 0 && text.length < maxBytes) return;
    socket.removeAllListeners('data');
    receive(end < 0 ? null : text.slice(0, end));
  });
}

/** Listens under a token. `describe` gives the answer; `stop` is called when someone with the key asks for it. */
export function listenAsClaimant(
  token: string,
  key: string,
  { describe, stop }: { readonly describe: () => Claimant; readonly stop: () => void },
): Promise<Server> {
  const server = createServer((socket) => {
    socket.unref();
    socket.on('error', () => socket.destroy());
    socket.setTimeout(answerMs, () => socket.destroy());
    onLine(socket, (line) => {
      if (line === `stop ${key}`) stop();
      socket.end(`${JSON.stringify(describe())}\n`);
    });
  });
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path: socketPath(token), exclusive: true }, () => resolve(server));
  });
}

const isClaimant = (value: unknown): value is Claimant => {
  const { pid, folder, entry, holds, isStopping } = (value ?? {}) as Readonly<Record<keyof Claimant, unknown>>;
  return (
    Number.isSafeInteger(pid) &&
    [folder, entry].every((each) => typeof each === 'string') &&
    [holds, isStopping].every((each) => typeof each === 'boolean')
  );
};

function parseReply(line: string | null): Reply {
  try {
    const value: unknown = JSON.parse(line ?? '');
    return isClaimant(value) ? value : 'silent';
  } catch {
    return 'silent';
  }
}

/** cut: the connection ended without an answer, as when the owner closes its socket at this moment. */
function askOnce(token: string, request: string, waitMs: number): Promise<Reply | 'cut'> {
  return new Promise((resolve) => {
    const socket = connect({ path: socketPath(token) });
    const settle = (reply: Reply | 'cut'): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reply);
    };
    // A process that computes answers late; that it could be reached shows that it lives.
    const timer = setTimeout(() => settle('silent'), waitMs);
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED' || code === 'ENOENT') settle('gone');
      else settle(code === 'ECONNRESET' || code === 'EPIPE' ? 'cut' : 'silent');
    });
    socket.on('end', () => settle('cut'));
    socket.on('connect', () => socket.write(`${request}\n`));
    onLine(socket, (line) => settle(parseReply(line)));
  });
}

/** Sends `who` or `stop <key>` to the owner of a token, and waits for the answer. */
export async function askClaimant(token: string, request: string, waitMs = answerMs): Promise<Reply> {
  for (let tries = 0; tries < 100; tries++) {
    const reply = await askOnce(token, request, waitMs);
    if (reply !== 'cut') return reply;
    await sleep(retryMs);
  }
  return 'silent';
}

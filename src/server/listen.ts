// The server on a socket: loopback unless told otherwise, patient with slow work and with nothing else.
//
// A connection that does not bring its request in time is closed (408); a reader that takes nothing is closed, and its
// generation with it. Closing waits for answers on their way, then cuts what is left.
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { TextModel } from '../engine/index.ts';
import { type App, type AppOptions, type Connection, createApp } from './app.ts';
import { ApiError } from './errors.ts';

/** What `minke serve` can be told. */
export interface ServerOptions extends AppOptions {
  /** Address to listen on. Others than loopback want `keys`. @default 127.0.0.1 */
  readonly host?: string;
  /** 0: any free one. @default 8000 */
  readonly port?: number;
  /** Open connections; one more is closed at once. @default 1024 */
  readonly maxConnections?: number;
  /** Time to send a whole request, from the connection on. @default 30 seconds */
  readonly requestTimeoutMs?: number;
  /** How long a connection without a request is kept. @default 10 seconds */
  readonly idleTimeoutMs?: number;
}

export interface RunningServer {
  /** As `http://127.0.0.1:8000`. */
  readonly url: string;
  readonly port: number;
  readonly app: App;
  /** Answers that are on their way get `graceMs` to end; then their clients are told, and all connections closed. */
  close(graceMs?: number): Promise<void>;
}

/** For what is written already to be read, once the server closes. */
const closingNoticeMs = 1000;

interface ReaderWatch {
  stop(): void;
  /** Closes connections that have sent nothing: Node does not count them as idle. */
  closeSilent(): void;
}

/** Closes connections whose reader takes nothing for `stallMs`. */
function watchReaders(server: Server, stallMs: number): ReaderWatch {
  const written = new Map<Socket, { bytes: number; since: number }>();
  server.on('connection', (socket: Socket) => {
    written.set(socket, { bytes: 0, since: Date.now() });
    socket.once('close', () => written.delete(socket));
  });
  const look = (): void => {
    const now = Date.now();
    for (const [socket, last] of written) {
      const bytes = socket.bytesWritten - socket.writableLength;
      if (socket.writableLength === 0 || bytes !== last.bytes) written.set(socket, { bytes, since: now });
      else if (now - last.since > stallMs) socket.destroy();
    }
  };
  const timer = setInterval(look, Math.max(20, stallMs / 4));
  timer.unref();
  return {
    stop: () => clearInterval(timer),
    closeSilent: () => {
      for (const socket of written.keys()) if (socket.bytesRead === 0) socket.destroy();
    },
  };
}

function toUrl({ address, family, port }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

/** Serves models until it is closed. Rejects when the port is taken. */
export async function listen(
  models: TextModel | readonly TextModel[],
  options: ServerOptions = {},
): Promise<RunningServer> {
  const { host = '127.0.0.1', port = 8000, requestTimeoutMs = 30_000, stallMs = 30_000 } = options;
  const own = host === '0.0.0.0' || host === '::' ? [] : [host];
  const app = createApp(models, { ...options, hosts: [...own, ...(options.hosts ?? [])] });
  const answer = (request: Request, env: { outgoing?: unknown }): Promise<Response> => {
    const connection: Connection = { drop: () => (env.outgoing as ServerResponse).destroy() };
    return app.fetch(request, connection);
  };
  const listener = getRequestListener(answer as never, {
    overrideGlobalObjects: false,
    errorHandler: () => new ApiError(400, 'the request is malformed: check its address and Host header').response,
  });
  const server = createServer(
    {
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      keepAliveTimeout: options.idleTimeoutMs ?? 10_000,
      connectionsCheckingInterval: Math.max(20, Math.round(requestTimeoutMs / 4)),
      keepAlive: true,
      noDelay: true,
      insecureHTTPParser: false,
    },
    listener,
  );
  server.maxConnections = options.maxConnections ?? 1024;
  const watch = watchReaders(server, stallMs);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  const close = async (graceMs: number): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    watch.closeSilent();
    await app.close(graceMs);
    const idle = setInterval(() => server.closeIdleConnections(), 10); // as last words reach their readers
    const cut = setTimeout(() => server.closeAllConnections(), closingNoticeMs);
    await closed;
    clearInterval(idle);
    clearTimeout(cut);
    watch.stop();
  };
  return {
    url: toUrl(address),
    port: address.port,
    app,
    close: (graceMs = 30_000) => {
      closing ??= close(graceMs);
      return closing;
    },
  };
}

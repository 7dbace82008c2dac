// The server on a socket, by default on the loopback interface only.
//
// A connection that does not send its request in time is closed (408), and so is one whose client reads nothing,
// together with its generation. Closing the server waits for answers in progress, then ends them.
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { promptEncoder, type TextModel } from '../engine/index.ts';
import { type App, type AppOptions, createApp } from './app.ts';
import { ApiError } from './errors.ts';
import type { Connection } from './routes.ts';

/** The options of `minke serve`. */
export interface ServerOptions extends AppOptions {
  /** Address to listen on. Set `keys` for other addresses than loopback. @default 127.0.0.1 */
  readonly host?: string;
  /** 0: any free port. @default 8000 */
  readonly port?: number;
  /** Open connections at once; one more is closed immediately. @default 1024 */
  readonly maxConnections?: number;
  /** Time in which a client must send its whole request. @default 30 seconds */
  readonly requestTimeoutMs?: number;
  /** Time after which a connection without a request is closed. @default 10 seconds */
  readonly idleTimeoutMs?: number;
}

export interface RunningServer {
  /** The address, such as `http://127.0.0.1:8000`. */
  readonly url: string;
  readonly port: number;
  readonly app: App;
  /** Waits at most `graceMs` for answers in progress, then ends them with an error and closes all connections. */
  close(graceMs?: number): Promise<void>;
}

/** Time for clients to read what is already written when the server closes, in milliseconds. */
const closingNoticeMs = 1000;

interface ReaderWatch {
  stop(): void;
  /** Closes connections that have sent nothing, which Node does not count as idle. */
  closeSilent(): void;
}

/** Closes connections whose client reads nothing for `stallMs`. */
function watchReaders(server: Server, stallMs: number): ReaderWatch {
  const written = new Map<Socket, { bytes: number; since: number }>();
  server.on('connection', (socket: Socket) => {
    written.set(socket, { bytes: 0, since: Date.now() });
    socket.once('close', () => written.delete(socket));
  });
  const closeStalled = (): void => {
    const now = Date.now();
    for (const [socket, last] of written) {
      const bytes = socket.bytesWritten - socket.writableLength;
      if (socket.writableLength === 0 || bytes !== last.bytes) written.set(socket, { bytes, since: now });
      else if (now - last.since > stallMs) socket.destroy();
    }
  };
  const timer = setInterval(closeStalled, Math.max(20, stallMs / 4));
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

/** Serves models until it is closed. Rejects when the port is in use. */
export async function listen(
  models: TextModel | readonly TextModel[],
  options: ServerOptions = {},
): Promise<RunningServer> {
  const { host = '127.0.0.1', port = 8000, requestTimeoutMs = 30_000, stallMs = 30_000 } = options;
  const own = host === '0.0.0.0' || host === '::' ? [] : [host];
  for (const { tokenizer } of [models].flat()) promptEncoder(tokenizer).start();
  const app = createApp(models, { ...options, hosts: [...own, ...(options.hosts ?? [])] });
  const answer = (request: Request, env: { outgoing?: unknown }): Promise<Response> => {
    const connection: Connection = { drop: () => (env.outgoing as ServerResponse).destroy() };
    return app.fetch(request, connection);
  };
  // It loads Node's HTTP client, which other commands do without.
  const { getRequestListener } = await import('@hono/node-server');
  const listener = getRequestListener(answer as never, {
    overrideGlobalObjects: false,
    errorHandler: () => new ApiError(400, 'the request is malformed: check its URL and Host header').response,
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
    const idle = setInterval(() => server.closeIdleConnections(), 10); // as clients read their last events
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

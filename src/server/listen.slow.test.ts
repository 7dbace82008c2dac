// The server on sockets: many connections, half-open ones, clients that do not read, malformed requests, shutdown.
// npm test -- server/listen
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { listen, type RunningServer, type ServerOptions } from './listen.ts';
import { TestModel, type TestModelOptions } from './test-model.ts';

async function serving(
  model: TestModelOptions,
  options: ServerOptions,
  body: (server: RunningServer, model: TestModel) => Promise<void>,
): Promise<void> {
  const own = new TestModel(model);
  const server = await listen(own, { port: 0, ...options });
  try {
    await body(server, own);
  } finally {
    await server.close(0);
    assert.deepEqual([own.live, server.app.live], [0, 0]);
  }
}

const opened = ({ port }: RunningServer): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
  });

/** Returns everything received until the other side closes. */
const read = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    socket.once('close', () => resolve(text)).on('error', () => {});
  });

function request(body: object, path = '/v1/chat/completions'): string {
  const json = JSON.stringify(body);
  const length = Buffer.byteLength(json);
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n${json}`;
}

const ask = { messages: [{ role: 'user', content: 'Hi' }] };

async function soon(isTrue: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 600 && !isTrue(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(isTrue(), what);
}

describe('sockets', () => {
  test('a thousand connections at once are all answered', () =>
    serving({}, { maxConnections: 2000, maxLive: 2000 }, async (server, model) => {
      const sockets = await Promise.all(Array.from({ length: 1000 }, () => opened(server)));
      const answers = await Promise.all(
        sockets.map((socket) => {
          const answer = read(socket);
          socket.write(request(ask).replace('\r\n', '\r\nConnection: close\r\n'));
          return answer;
        }),
      );
      for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 200 OK[\s\S]*"content":"hello"/);
      assert.equal(model.requests.stop, 1000);
    }));

  test('more connections than allowed are closed, the others continue', () =>
    serving({}, { maxConnections: 8 }, async (server) => {
      const sockets = await Promise.all(Array.from({ length: 8 }, () => opened(server)));
      const ninth = await opened(server);
      assert.equal(await read(ninth), '');
      const [first] = sockets as [Socket];
      const answer = read(first);
      first.write(request(ask).replace('\r\n', '\r\nConnection: close\r\n'));
      assert.match(await answer, /^HTTP\/1\.1 200 OK/);
      for (const socket of sockets) socket.destroy();
    }));

  test('connections that send nothing, half a head or half a body are closed', () =>
    serving({}, { requestTimeoutMs: 150 }, async (server, model) => {
      const starts = ['', 'POST /v1/chat/comple', request(ask).slice(0, -5), 'GET / HTTP/1.1\r\nHost: lo'];
      const answers = await Promise.all(
        starts.map(async (start) => {
          const socket = await opened(server);
          socket.write(start);
          return read(socket);
        }),
      );
      for (const answer of answers) assert.match(answer, /^(HTTP\/1\.1 408|$)/);
      await soon(() => server.app.live === 0, 'their places are free');
      assert.equal(model.prompts.length, 0);
    }));

  test('a client that does not read loses its stream, and its generation ends', () =>
    serving(
      { script: () => ({ answer: 'x '.repeat(60_000) }), contextLength: 2 ** 26 },
      { stallMs: 200 },
      async (server, model) => {
        const socket = await opened(server);
        socket.pause();
        socket.write(request({ ...ask, stream: true }));
        await soon(() => model.live === 1, 'it began');
        await soon(() => model.live === 0, 'it was given up');
        assert.equal(model.requests.abort, 1);
        socket.destroy();
      },
    ));

  test('a client that leaves ends its generation', () =>
    serving({ delayMs: 2, script: () => ({ answer: 'x '.repeat(5000) }) }, {}, async (server, model) => {
      for (const stream of [true, false]) {
        const socket = await opened(server);
        socket.write(request({ ...ask, stream }));
        await soon(() => model.live === 1, 'it began');
        socket.destroy();
        await soon(() => model.live === 0, 'it ended');
      }
      assert.equal(model.requests.abort, 2);
    }));

  test('malformed requests get 400 and do not disturb others', () =>
    serving({}, {}, async (server) => {
      for (const bytes of [
        '\x16\x03\x01\x02',
        'GET\r\n\r\n',
        'GET / HTTP/9\r\n\r\n',
        'GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n',
      ]) {
        const socket = await opened(server);
        const answer = read(socket);
        socket.end(bytes);
        assert.match(await answer, /^HTTP\/1\.1 4\d\d/, JSON.stringify(bytes));
      }
      const smuggled = await opened(server);
      const answer = read(smuggled);
      smuggled.end(`${request(ask).replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n')}`);
      assert.match(await answer, /^HTTP\/1\.1 400/);
      assert.equal((await fetch(`${server.url}/health`)).status, 200);
    }));

  test('the server listens on loopback only and refuses a foreign name', () =>
    serving({}, {}, async (server) => {
      assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
      const socket = await opened(server);
      const answer = read(socket);
      socket.write('GET /v1/models HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n');
      assert.match(await answer, /^HTTP\/1\.1 403[\s\S]*is not served/);
    }));

  test('closing ends streams, closes idle connections and frees the port', async () => {
    const model = new TestModel({ delayMs: 2, script: () => ({ answer: 'x '.repeat(30) }) });
    const server = await listen(model, { port: 0 });
    const sockets = await Promise.all(Array.from({ length: 3 }, () => opened(server)));
    const [idle, stream, late] = sockets.map(read);
    for (const socket of sockets.slice(1)) socket.write(request({ ...ask, stream: true }));
    await soon(() => model.live === 2, 'both began');
    await server.close(5000);
    assert.equal(await idle, '');
    for (const text of [await stream, await late]) assert.match(text, /data: \[DONE\]/);
    await assert.rejects(opened(server), /ECONNREFUSED/);
    await server.close();
    assert.equal(model.live, 0);
  });

  test('a port in use is an error', async () => {
    const server = await listen(new TestModel(), { port: 0 });
    await assert.rejects(listen(new TestModel(), { port: server.port }), /EADDRINUSE/);
    await server.close(0);
  });
});

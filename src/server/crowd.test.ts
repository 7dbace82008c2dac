// Requests with many answers and clients that never finish sending must not slow down others. npm test -- crowd
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { createApp } from './app.ts';
import { listen } from './listen.ts';
import { TestModel } from './test-model.ts';

const asking = (body: object): Request =>
  new Request('http://localhost/v1/completions', { method: 'POST', body: JSON.stringify(body) });

test('a request gets a thousand answers, and one for more is refused', async () => {
  const model = new TestModel();
  const app = createApp(model);
  const prompt = new Array<string>(64).fill('a');
  const response = await app.fetch(asking({ prompt, n: 16 }));
  const { choices } = (await response.json()) as { choices: unknown[] };
  assert.deepEqual([response.status, choices.length, model.peakLive, model.live], [200, 1024, 1024, 0]);
  const refused = await app.fetch(asking({ prompt: [...prompt, 'a'], n: 16 }));
  assert.deepEqual([refused.status, model.live, app.live], [422, 0, 0]);
});

test('half a body occupies no slot', async () => {
  const server = await listen(new TestModel(), { port: 0, maxLive: 1 });
  const half = connect(server.port, '127.0.0.1').on('error', () => {});
  half.write('POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{');
  await new Promise((resolve) => setTimeout(resolve, 50));
  const response = await fetch(`${server.url}/v1/completions`, { method: 'POST', body: '{"prompt":"a"}' });
  assert.equal(response.status, 200);
  await response.text();
  half.destroy();
  await server.close(100);
});

// The checks of `minke conformance`, of this server and of one that breaks promises. npm test -- conformance
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { checkServer, type Outcome } from '../src/conformance/index.ts';
import { listen } from '../src/server/index.ts';
import { TestModel } from '../src/server/test-model.ts';

const options = { key: 'secret', model: null, timeoutMs: 60_000 };

async function results(baseUrl: string): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for await (const outcome of checkServer({ baseUrl, ...options })) outcomes.push(outcome);
  return outcomes;
}

test('all of them hold of this server', async () => {
  const model = new TestModel({ script: () => ({ thinking: 'Hm, 2+3.', answer: 'It is 5, as 2 + 3 = 5.' }) });
  const server = await listen(model, { port: 0, keys: ['secret'] });
  const outcomes = await results(`${server.url}/v1`);
  await server.close(0);
  assert.ok(outcomes.length > 25);
  assert.deepEqual(
    outcomes.filter(({ result }) => result !== 'holds'),
    [],
  );
});

test('a server without a route lacks it; one that answers nonsense fails with a reason', async () => {
  const server = createServer((request, response) => {
    const isChat = request.url === '/v1/chat/completions';
    response.writeHead(isChat ? 200 : 404, { 'content-type': 'application/json' });
    response.end(isChat ? '{"object":"chat","choices":[]}' : '{"error":"no such page"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const outcomes = await results(`http://127.0.0.1:${port}`);
  server.close();
  const result = (group: string) => new Set(outcomes.filter((each) => each.group === group).map((each) => each.result));
  assert.deepEqual([...result('ollama')], ['absent']);
  assert.deepEqual([...result('responses')], ['absent']);
  assert.ok(!result('chat').has('holds'));
});

// Who may come in, and what is written about it: names, keys, ids, the log, the cache. npm test -- server/doors
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openApiDocument } from './openapi.ts';
import { chatBody, events, get, json, post, serve } from './test-requests.ts';

const chat = '/v1/chat/completions';
const withKey = (key: string) => ({ headers: { 'x-api-key': key } });

describe('keys', () => {
  test('as bearer token or x-api-key; the bearer token counts where both are sent', async () => {
    const { app } = serve({}, { keys: ['one', 'two'] });
    const status = async (headers: Record<string, string>) => (await get(app, '/v1/models', { headers })).status;
    assert.equal(await status({ 'x-api-key': 'two' }), 200);
    assert.equal(await status({ authorization: 'Bearer one' }), 200);
    assert.equal(await status({ 'x-api-key': 'three' }), 401);
    assert.equal(await status({ authorization: 'Bearer three', 'x-api-key': 'two' }), 401);
  });

  test('each has its own part of the prefix cache, and so has each cache_salt', async () => {
    const { app, model } = serve({}, { keys: ['one', 'two'] });
    const readScope = async (key: string, more: object = {}) => {
      await (await post(app, chat, chatBody(more), withKey(key))).text();
      return model.requestedOptions.at(-1)?.cacheScope;
    };
    const scopes = [await readScope('one'), await readScope('two'), await readScope('one', { cache_salt: 'a' })];
    assert.equal(new Set(scopes).size, 3);
    assert.equal(await readScope('one'), scopes[0]);
    assert.ok(scopes.every((scope) => scope !== '' && !scope?.includes('one')));
    const open = serve();
    await (await post(open.app, chat, chatBody())).text();
    assert.equal(open.model.requestedOptions.at(-1)?.cacheScope, undefined);
  });
});

test('an allowed name in the Host header is served, another is refused with the flag that allows it', async () => {
  const { app } = serve({}, { hosts: ['llm.example'] });
  const at = (host: string) => get(app, '/v1/models', { headers: { host } });
  assert.equal((await at('llm.example:8000')).status, 200);
  const { error } = await json(at('other.example'));
  assert.match(String(error?.message), /"other\.example" is not served: .* --host-name/);
});

describe('the log', () => {
  const lines: string[] = [];
  const { app } = serve({ script: () => ({ answer: 'secret' }) }, { onRequest: (line) => lines.push(line) });
  const last = () => lines.at(-1) ?? '';

  test('has one line for each request: what it was and cost, under the id of the response', async () => {
    const response = await post(app, chat, chatBody({ seed: 1 }), { headers: { 'x-request-id': 'mine-7' } });
    assert.equal(response.headers.get('x-request-id'), 'mine-7');
    const { usage } = await json(response);
    assert.match(last(), /^\S+Z POST \/v1\/chat\/completions 200 \d+ms model=test-model /);
    const tokens = ` prompt_tokens=${usage?.prompt_tokens} completion_tokens=${usage?.completion_tokens} id=mine-7`;
    assert.ok(last().endsWith(tokens), last());
    assert.equal(lines.length, 1);
  });

  test('a stream has its line when it ends', async () => {
    const before = lines.length;
    const response = await post(app, chat, chatBody({ stream: true }));
    assert.equal(lines.length, before);
    await events(response);
    assert.equal(lines.length, before + 1);
    assert.match(last(), / 200 \d+ms model=test-model prompt_tokens=\d+ completion_tokens=\d+ id=req_\w{32}$/);
  });

  test('no content, no unknown path, no strange id is in it; refusals are, /health is not', async () => {
    await post(app, chat, chatBody({ temperature: 'secret' }), { headers: { 'x-request-id': 'a secret id' } });
    assert.match(last(), /POST \/v1\/chat\/completions 422 \d+ms id=req_/);
    await get(app, '/secret');
    assert.match(last(), /GET other 404 /);
    const before = lines.length;
    await get(app, '/health');
    assert.equal(lines.length, before);
    assert.ok(!lines.some((line) => line.includes('secret')));
  });
});

test('a context that is exceeded is an error with its sizes, as numbers', async () => {
  const { app } = serve({ contextLength: 16 });
  const { error } = await json(post(app, '/v1/completions', { prompt: Array.from({ length: 20 }, () => 65) }));
  assert.deepEqual([error?.code, error?.n_prompt_tokens, error?.n_ctx], ['context_length_exceeded', 20, 16]);
  const long = await json(post(app, chat, { messages: [{ role: 'user', content: 'a'.repeat(200) }] }));
  assert.equal(long.error?.n_ctx, 16);
  assert.ok(Number(long.error?.n_prompt_tokens) > 16);
});

test("metrics have names as Prometheus' linter wants them", async () => {
  const { app } = serve();
  await post(app, chat, chatBody());
  const text = await (await get(app, '/metrics')).text();
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  assert.ok(types.length > 5);
  for (const [, name, type] of types) {
    assert.equal(name?.endsWith('_total'), type === 'counter', name);
    assert.ok(text.includes(`# HELP ${name} `), name);
    assert.match(String(name), /^[a-z][a-z0-9_]*$/);
  }
});

test('the OpenAPI document names both ways to send a key', () => {
  const { components } = openApiDocument('1.0.0') as { components: { securitySchemes: object } };
  assert.deepEqual(Object.keys(components.securitySchemes), ['bearer', 'key']);
});

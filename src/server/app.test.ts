// Refusals, access, streams and how they end, the other routes; without sockets. npm test -- server/app
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type App, createApp } from './app.ts';
import { errorBody } from './protocol-responses.ts';
import { TestModel } from './test-model.ts';
import { assertRefused, chatBody, events, get, json, post, serve, thinker } from './test-requests.ts';

describe('refusals', () => {
  const { app } = serve({ ...thinker, contextLength: 64 });
  const chat = (more: object) => post(app, '/v1/chat/completions', chatBody(more));

  test('malformed bodies', async () => {
    const raw = (body: string | Uint8Array) => post(app, '/v1/chat/completions', body);
    await assertRefused(await raw('{"messages": ['), 400, /not JSON/);
    await assertRefused(await raw(''), 400, /empty: send a JSON object/);
    await assertRefused(await raw(new Uint8Array([0x7b, 0xff, 0x7d])), 400, /not valid UTF-8/);
    await assertRefused(await raw('['.repeat(100_000)), 400, /deeper than 64/);
    await assertRefused(await raw('null'), 422, /expected object/);
    const small = serve({}, { maxBodyBytes: 100 });
    await assertRefused(
      await post(small.app, '/completions', { prompt: 'x'.repeat(200) }),
      413,
      /larger than 100 bytes/,
    );
  });

  test('wrong types and sizes name the field', async () => {
    await assertRefused(await chat({ temperature: 'hot' }), 422, /temperature: .*expected number/, 'temperature');
    await assertRefused(await chat({ temperature: 3 }), 422, /temperature/, 'temperature');
    await assertRefused(await chat({ max_tokens: 1e300 }), 422, /max_tokens/, 'max_tokens');
    await assertRefused(await chat({ stop: Array(17).fill('a') }), 422, /at most 16/, 'stop');
    await assertRefused(await chat({ logit_bias: { x: 1 } }), 422, /token ids/);
    await assertRefused(await chat({ logit_bias: { '99999': 1 } }), 422, /token 99999 does not exist/, 'logit_bias');
    await assertRefused(await chat({ messages: [] }), 422, /one message or more/, 'messages');
    await assertRefused(await chat({ messages: [{ role: 'robot', content: '' }] }), 422, /role/, 'messages[0].role');
    await assertRefused(
      await chat({ messages: [{ role: 'user', content: 7 }] }),
      422,
      /expected a text/,
      'messages[0].content',
    );
    await assertRefused(await post(app, '/completions', { prompt: [-1] }), 422, /prompt/, 'prompt[0]');
    await assertRefused(await post(app, '/completions', { prompt: [99999] }), 422, /token 99999/, 'prompt');
    await assertRefused(await post(app, '/completions', { prompt: [] }), 422, /prompt/, 'prompt');
    await assertRefused(await post(app, '/completions', '{"prompt":"a","temperature":1e999}'), 422, /temperature/);
  });

  test('unknown models, routes and methods', async () => {
    const error = await assertRefused(
      await chat({ model: 'gpt-4' }),
      404,
      /"gpt-4" is not served: use one of test-model/,
      'model',
    );
    assert.equal(error.code, 'model_not_found');
    await assertRefused(await get(app, '/v2'), 404, /\/v2 does not exist/);
    const wrong = await get(app, '/v1/chat/completions');
    assert.equal(wrong.headers.get('allow'), 'POST');
    await assertRefused(wrong, 405, /takes POST, not GET/);
  });

  test('unsupported parameters are named', async () => {
    await assertRefused(await chat({ functions: [{ name: 'f' }] }), 400, /use tools/, 'functions');
    await assertRefused(await chat({ tool_choice: 'required' }), 400, /needs tools/, 'tool_choice');
    assert.equal((await chat({ tools: [], tool_choice: 'none', response_format: { type: 'text' } })).status, 200);
    const image = [{ type: 'image_url', image_url: { url: 'x' } }];
    await assertRefused(await chat({ messages: [{ role: 'user', content: image }] }), 422, /expected a text/);
  });

  test('prompts beyond the context, full queues, engines that close or fail', async () => {
    const long = await assertRefused(
      await chat({ messages: [{ role: 'user', content: 'x y z '.repeat(200) }] }),
      400,
      /shorten/,
    );
    assert.equal(long.code, 'context_length_exceeded');
    const full = await post(serve({ capacity: 0 }).app, '/chat/completions', chatBody({ stream: true }));
    assert.equal(full.headers.get('retry-after'), '1');
    await assertRefused(full, 429, /queue is full/);
    const closed = new TestModel();
    await closed.close();
    const closing = await post(serve(closed).app, '/chat/completions', chatBody());
    assert.equal(closing.headers.get('retry-after'), '1');
    await assertRefused(closing, 503, /shutting down/);
    const failing = serve({ ...thinker, failsAfter: 2 });
    const error = await assertRefused(
      await post(failing.app, '/chat/completions', chatBody()),
      500,
      /the server failed/,
    );
    assert.ok(!error.message.includes('secret'));
    assert.match(String(failing.errors[0]), /secret detail/);
    const stream = await events(await post(failing.app, '/chat/completions', chatBody({ stream: true })));
    assert.equal(errorBody.parse(JSON.parse(stream.at(-1) as string)).error.type, 'server_error');
    assert.equal(failing.model.live, 0);
  });

  test('more requests at once than allowed', async () => {
    const { app: one, model } = serve({ delayMs: 5 }, { maxLive: 1 });
    const first = post(one, '/chat/completions', chatBody());
    await wait(2);
    await assertRefused(await post(one, '/chat/completions', chatBody()), 429, /1 requests are in progress/);
    assert.equal((await first).status, 200);
    assert.deepEqual([one.live, model.live], [0, 0]);
    assert.equal((await post(one, '/chat/completions', chatBody())).status, 200);
  });
});

describe('access', () => {
  const from = (app: App, headers: Record<string, string>, url = 'http://localhost:8000/v1/models') =>
    app.fetch(new Request(url, { headers }));

  test('hosts: loopback and addresses; names only when allowed', async () => {
    const { app } = serve();
    for (const host of ['localhost', 'localhost:1', '127.0.0.1:8000', '[::1]:8000', 'a.localhost', '192.168.1.5'])
      assert.equal((await from(app, { host })).status, 200, host);
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:8000', 'x'])
      await assertRefused(await from(app, { host }), 403, /is not served/);
    assert.equal((await from(serve({}, { hosts: ['Box.local'] }).app, { host: 'box.local:1' })).status, 200);
  });

  test('origins: the own one, and allowed ones, which may read responses', async () => {
    const { app } = serve();
    const own = { host: 'localhost:8000', origin: 'http://localhost:8000' };
    assert.equal((await from(app, own)).status, 200);
    for (const origin of ['http://localhost:9000', 'https://evil.example', 'null'])
      await assertRefused(await from(app, { host: 'localhost:8000', origin }), 403, /may not use this server/);
    const open = serve({}, { origins: ['https://good.example/'] }).app;
    const good = await from(open, { origin: 'https://good.example' });
    assert.equal(good.headers.get('access-control-allow-origin'), 'https://good.example');
    assert.equal((await from(open, { origin: 'https://evil.example' })).status, 403);
    const preflight = (origin: string) => {
      const headers = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-a' };
      return open.fetch(new Request('http://localhost/v1/models', { method: 'OPTIONS', headers }));
    };
    const allowed = await preflight('https://good.example');
    assert.deepEqual([allowed.status, allowed.headers.get('access-control-allow-headers')], [204, 'x-a']);
    assert.equal((await preflight('https://evil.example')).status, 403);
  });

  test('keys', async () => {
    const { app } = serve({}, { keys: ['k1', 'k2'] });
    await assertRefused(await from(app, {}), 401, /the key is missing/);
    await assertRefused(await from(app, { authorization: 'Bearer k3' }), 401, /the key is wrong/);
    await assertRefused(await from(app, { authorization: 'Basic k1' }), 401, /key is missing/);
    assert.equal((await from(app, { authorization: 'bearer k2' })).status, 200);
    assert.equal((await get(app, '/health')).status, 200);
  });
});

describe('streams', () => {
  test('comments keep a silent stream open', async () => {
    const { app } = serve({ firstMs: 60_000 }, { keepAliveMs: 10 });
    const reader = (
      (await post(app, '/chat/completions', chatBody({ stream: true }))).body as ReadableStream
    ).getReader();
    const frames: string[] = [];
    while (frames.length < 3) frames.push(new TextDecoder().decode((await reader.read()).value));
    await reader.cancel();
    assert.match(frames.join(''), /^data: .*\n\n(: keep-alive\n\n){2}$/);
    assert.equal(app.live, 0);
  });

  test('a client that leaves ends its generation at once', async () => {
    const { app, model } = serve({ delayMs: 5, script: () => ({ answer: 'x '.repeat(1000) }) });
    const reader = (
      (await post(app, '/chat/completions', chatBody({ stream: true }))).body as ReadableStream
    ).getReader();
    await reader.read();
    assert.deepEqual([app.live, model.live], [1, 1]);
    await reader.cancel();
    assert.deepEqual([app.live, model.live, model.requests.abort], [0, 0, 1]);
    const controller = new AbortController();
    const whole = post(app, '/chat/completions', chatBody(), { signal: controller.signal });
    await wait(10);
    assert.equal(model.live, 1);
    controller.abort();
    assert.equal(model.live, 0);
    assert.equal((await whole).status, 408);
  });

  test('a client that reads nothing is disconnected', async () => {
    const { app, model } = serve({ script: () => ({ answer: 'x '.repeat(1000) }) }, { stallMs: 20 });
    const reader = (
      (await post(app, '/chat/completions', chatBody({ stream: true }))).body as ReadableStream
    ).getReader();
    await reader.read();
    await wait(60);
    assert.deepEqual([app.live, model.live], [0, 0]);
    await assert.rejects(async () => {
      for (;;) if ((await reader.read()).done) return;
    }, /read nothing for 20 ms/);
  });

  test('and so is one that never starts to read', async () => {
    const { app, model } = serve({}, { stallMs: 20 });
    await post(app, '/chat/completions', chatBody({ stream: true }));
    await wait(60);
    assert.deepEqual([app.live, model.live], [0, 0]);
    const patient = serve({ script: () => ({ answer: 'x '.repeat(1000) }) });
    await post(patient.app, '/chat/completions', chatBody({ stream: true }));
    await patient.app.close(0);
    assert.equal(patient.model.live, 0);
  });

  test('closing lets answers finish, then ends the others with an error', async () => {
    const { app, model } = serve({ delayMs: 3, script: () => ({ answer: 'x '.repeat(20) }) });
    const [short, stream] = [
      post(app, '/chat/completions', chatBody()),
      post(app, '/completions', { prompt: 'a', stream: true }),
    ];
    const texts = Promise.all([json(short), stream.then(events)]);
    await wait(5);
    await app.close(5000);
    const [whole, chunks] = await texts;
    assert.equal(whole.choices[0].message.content, 'x '.repeat(20));
    assert.equal(chunks.at(-1), '[DONE]');
    await assertRefused(await post(app, '/completions', { prompt: 'a' }), 503, /shutting down/);
    assert.equal(model.live, 0);

    const late = serve({ delayMs: 5, script: () => ({ answer: 'x '.repeat(1000) }) });
    const cut = Promise.all([
      post(late.app, '/chat/completions', chatBody()),
      post(late.app, '/chat/completions', chatBody({ stream: true })).then(events),
    ]);
    await wait(10);
    await late.app.close(10);
    const [answer, received] = await cut;
    await assertRefused(answer, 503, /ended this answer/);
    assert.match(received.at(-1) as string, /service_unavailable_error/);
    assert.deepEqual([late.app.live, late.model.live], [0, 0]);
  });
});

describe('the other routes', () => {
  test('models, aliases, health', async () => {
    const { app } = serve({}, { aliases: { 'deepseek-reasoner': 'test-model' } });
    const list = await json(get(app, '/models'));
    assert.deepEqual(
      Object.values(list.data ?? {}).map(({ id }) => id),
      ['test-model', 'deepseek-reasoner'],
    );
    assert.equal((await post(app, '/chat/completions', chatBody({ model: 'deepseek-reasoner' }))).status, 200);
    assert.equal((await get(app, '/health')).status, 200);
    const two = createApp([new TestModel({ name: 'a' }), new TestModel({ name: 'b' })]);
    const answer = await json(post(two, '/chat/completions', chatBody({ model: 'b' })));
    assert.equal(answer.model, 'b');
  });

  test('metrics count requests, tokens and times', async () => {
    const { app } = serve();
    await post(app, '/chat/completions', chatBody());
    await get(app, '/nothing"\n');
    const text = await (await get(app, '/metrics')).text();
    assert.match(text, /^minke_http_requests_total\{route="\/chat\/completions",status="200"\} 1$/m);
    assert.match(text, /^minke_http_requests_total\{route="other",status="404"\} 1$/m);
    assert.match(text, /^minke_generations_total\{model="test-model",finish_reason="stop"\} 1$/m);
    assert.match(text, /^minke_first_token_seconds_bucket\{model="test-model",le="0.01"\} 1$/m);
    assert.match(text, /^minke_drafting\{model="test-model"\} 0$/m);
    assert.match(text, /^minke_draft_acceptance\{model="test-model"\} 0.25$/m);
    for (const line of text.trimEnd().split('\n'))
      assert.match(line, /^(# (HELP|TYPE) minke_\w+ .+|minke_\w+(\{[^{}]*\})? [\d.e+-]+)$/);
  });

  test('the OpenAPI document has every route and resolves its own references', async () => {
    const { app } = serve({}, { version: '1.2.3' });
    const document = await json(get(app, '/openapi.json'));
    assert.equal(document.info.version, '1.2.3');
    const schemas = Object.keys(document.components.schemas);
    for (const [, name] of JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g))
      assert.ok(schemas.includes(name), name);
    for (const [path, operations] of Object.entries(document.paths as Record<string, object>))
      for (const method of Object.keys(operations)) {
        const init = method === 'get' ? {} : { method: method.toUpperCase(), body: '{}' };
        const response = await app.fetch(new Request(`http://localhost${path}`, init));
        const text = await response.text();
        const expected = path.includes('{id}') ? [404] : [200, 400, 422];
        assert.ok(expected.includes(response.status) && !text.includes('does not exist'), `${path} ${text}`);
      }
    const { temperature } = document.components.schemas.ChatCompletionRequest.properties;
    assert.match(JSON.stringify(temperature), /"maximum":2\b/);
  });
});

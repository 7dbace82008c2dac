// Ollama's API, by the unmodified client and in its own shapes. npm test -- faces/ollama
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Ollama } from 'ollama';
import { listen, type RunningServer } from '../listen.ts';
import { TestModel } from '../test-model.ts';
import { get, json, post, serve, thinker } from '../test-requests.ts';
import { ollamaChatResponse, ollamaError, ollamaGenerateResponse } from './ollama-protocol.ts';

const model = 'test-model';
const messages = [{ role: 'user', content: '1+1?' }];

describe('the client of Ollama', () => {
  let server: RunningServer;
  let client: Ollama;
  before(async () => {
    server = await listen(new TestModel(thinker), { port: 0, keys: ['secret'] });
    client = new Ollama({ host: server.url, headers: { authorization: 'Bearer secret' } });
  });
  after(() => server.close(0));

  test('chat: whole, and as a stream', async () => {
    const whole = await client.chat({ model, messages, think: true });
    assert.deepEqual([whole.message.thinking, whole.message.content], ['Hm, 1+1.', 'It is 2.']);
    assert.deepEqual([whole.done, whole.done_reason], [true, 'stop']);
    let [thinking, content, count] = ['', '', 0];
    for await (const part of await client.chat({ model: `${model}:latest`, messages, stream: true })) {
      thinking += part.message.thinking ?? '';
      content += part.message.content;
      if (part.done) count = part.eval_count;
    }
    assert.deepEqual([thinking, content, count], [whole.message.thinking, whole.message.content, whole.eval_count]);
  });

  test('generate, models, versions', async () => {
    const { response, prompt_eval_count } = await client.generate({ model, prompt: '1+1?' });
    assert.equal(response, 'It is 2.');
    assert.ok(prompt_eval_count > 0);
    assert.deepEqual(
      (await client.list()).models.map(({ name }) => name),
      [model],
    );
    assert.deepEqual(
      (await client.ps()).models.map(({ name }) => name),
      [model],
    );
    assert.ok((await client.show({ model })).capabilities.includes('thinking'));
    assert.equal((await client.version()).version, '0.0.0');
  });

  test('errors are its own', async () => {
    await assert.rejects(client.chat({ model: 'none', messages }), /model "none" is not served/);
    await assert.rejects(client.embed({ model, input: 'a' }), /embed/);
  });
});

test('messages and options are those of the chat API', async () => {
  const { app, model: own } = serve();
  const turns = [
    { role: 'system', content: 'be kind' },
    ...messages,
    { role: 'assistant', content: 'a', thinking: 'b' },
    ...messages,
  ];
  const options = { temperature: 0.5, top_k: 7, num_predict: 3, seed: 5, stop: ['x'], num_ctx: 64, num_thread: 8 };
  const body = { model, stream: false, options, keep_alive: '5m', logprobs: true, top_logprobs: 2 };
  const answered = ollamaChatResponse.parse(await json(post(app, '/api/chat', { ...body, messages: turns })));
  assert.deepEqual([answered.done_reason, answered.logprobs?.length], ['length', 3]);
  const chat = turns.map(({ role, content }) => ({
    role,
    content,
    ...(role === 'assistant' && { reasoning_content: 'b' }),
  }));
  await json(post(app, '/v1/chat/completions', { messages: chat }));
  assert.deepEqual(own.prompts[0], own.prompts[1]);
  const { temperature, topK, maxTokens, seed, stop } = own.requestedOptions[0] ?? {};
  assert.deepEqual([temperature, topK, maxTokens, seed, stop], [0.5, 7, 3, 5, ['x']]);
});

test('a raw prompt is continued as it is; a suffix is filled in before', async () => {
  const { app, model: own } = serve();
  const body = { model, stream: false, prompt: 'a b' };
  ollamaGenerateResponse.parse(await json(post(app, '/api/generate', { ...body, raw: true })));
  await json(post(app, '/v1/completions', { prompt: 'a b' }));
  assert.deepEqual(own.prompts[0], own.prompts[1]);
  await json(post(app, '/api/generate', { ...body, suffix: 'c' }));
  await json(post(app, '/v1/completions', { prompt: 'a b', suffix: 'c', add_special_tokens: false }));
  assert.deepEqual(own.prompts[2], own.prompts[3]);
});

test('what is not read is refused in a sentence; a stream that fails ends with one', async () => {
  const { app } = serve();
  const refused = async (path: string, more: object, status: number, message: RegExp) => {
    const response = await post(app, path, { model, messages, ...more });
    assert.equal(response.status, status);
    assert.match(ollamaError.parse(await response.json()).error, message);
  };
  await refused('/api/chat', { options: { num_ctx: 1_000_000 } }, 400, /options\.num_ctx: the context is 4096 tokens/);
  await refused('/api/chat', { options: { mirostat: 2 } }, 400, /options\.mirostat is not supported/);
  await refused('/api/chat', { messages: [{ role: 'user', images: ['x'] }] }, 400, /images is not supported/);
  await refused('/api/generate', { context: [1] }, 400, /context is not supported/);
  await refused('/api/generate', { raw: true, system: 'a' }, 400, /system: cannot be combined with raw/);
  assert.equal((await get(app, '/api/nothing')).status, 404);
  const failing = serve({ ...thinker, failsAfter: 3 });
  const text = await (await post(failing.app, '/api/chat', { model, messages })).text();
  assert.match(text.trim().split('\n').at(-1) ?? '', /^\{"error":"the server failed/);
});
